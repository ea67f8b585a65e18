/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the parser reads from and what it finds.
 */
#ifndef TM_PARSE_PACKET_BPF_H
#define TM_PARSE_PACKET_BPF_H

#include "wire.h"

/* What nearly all packets are, for the compiler: what the others need lies behind their path. */
#define tm_likely(condition) __builtin_expect(!!(condition), 1)
#define tm_unlikely(condition) __builtin_expect(!!(condition), 0)

/* Headers are looked for up to here; sixteen times what real packets have. */
#define TM_MAX_HEADER_OFFSET 0x7fff

/* struct tm_packet.tcp_flags, as in the header */
#define TM_TCP_FIN 0x01
#define TM_TCP_SYN 0x02
#define TM_TCP_RST 0x04
#define TM_TCP_ACK 0x10

/*
 * A frame. data..data_end is its linear part; length is all of it, and what lies behind the linear
 * part is read by tm_read_beyond(), which each hook defines for itself, as it does TM_CONTEXT.
 */
struct tm_frame {
	TM_CONTEXT *context;
	void *data;
	void *data_end;
	__u32 length;
};

/* What a frame turned out to be. */
struct tm_packet {
	TM_CONTEXT *context;
	struct tm_flow_key key; /* of a flow; interface_id alone where there is none */
	enum tm_service_kind kind;
	__u16 ethertype; /* host order; the last one read */
	__u8 tcp_flags;
	__u8 tcp_header_bytes;
	__u32 transport_offset; /* 0: it has no transport header */
	__u32 network_end;	/* offset behind what the network header calls its own */
	__u32 wire_packets;	/* segments, of a super-packet */
	__u32 wire_bytes;	/* of all of them */
	__u32 segment_bytes;	/* of each but the last */
};

static struct tm_frame tm_open_frame(TM_CONTEXT *context);
/* owner_id of who sends it, or 0 */
static __u64 tm_sender_owner(TM_CONTEXT *context, const struct tm_flow_key *key);
static bool tm_has_socket(TM_CONTEXT *context);
/* owner_id of whose socket it is for, or 0 */
static __u64 tm_receiver_owner(TM_CONTEXT *context, const struct tm_flow_key *key);
static __u32
tm_ingress_ifindex(TM_CONTEXT *context); /* ifindex by which what goes out came in, or 0 */
static int tm_read_beyond(TM_CONTEXT *context, __u32 offset, void *to, __u32 size);

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

#endif /* TM_PARSE_PACKET_BPF_H */
