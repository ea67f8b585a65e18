/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the parser finds, and how it reads.
 */
#ifndef TM_PARSE_PACKET_BPF_H
#define TM_PARSE_PACKET_BPF_H

#include "common/headers.bpf.h"
#include "parse/hook.bpf.h"

/* Headers are read up to here; sixteen times what real packets have. */
#define TM_MAX_HEADER_OFFSET 0x7fff

/* What a frame turned out to be. */
struct tm_packet {
	TM_CONTEXT *context;
	struct tm_flow_key key; /* of a flow; interface_id alone where there is none */
	enum tm_service_kind kind;
	__u16 ethertype; /* host order; the last one read */
	__u8 tcp_flags;
	__u8 tcp_header_bytes;
	__u32 transport_offset; /* 0: it has no transport header */
	__u32 network_end;	/* offset of the end that the network header states */
	__u32 wire_packets;	/* segments, of a super-packet */
	__u32 wire_bytes;	/* of all of them */
	__u32 segment_bytes;	/* of each but the last */
};

/*
 * tm_read - copy @size bytes (a constant) at @offset of the frame.
 * Returns 0, or -1 when the frame has no such bytes.
 */
static __always_inline int tm_read(const struct tm_frame *frame, __u32 offset, void *to, __u32 size)
{
	void *from;

	/* The bound has to be on the register that is added, so the compiler may not know it. */
	asm volatile("" : "+r"(offset));
	if (tm_unlikely(offset > TM_MAX_HEADER_OFFSET))
		return -1;
	from = frame->data + offset;
	if (tm_likely(from + size <= frame->data_end)) {
		/* Not aligned, but x86-64 and arm64 do not mind; else it is copied byte by byte. */
		__builtin_memcpy(to, __builtin_assume_aligned(from, 8), size);
		return 0;
	}
	if (offset + size > frame->length)
		return -1;
	return tm_read_beyond(frame->context, offset, to, size);
}

static __always_inline bool tm_is_rx(enum tm_hook hook)
{
	return hook != TM_HOOK_TC_TX;
}

#endif /* TM_PARSE_PACKET_BPF_H */
