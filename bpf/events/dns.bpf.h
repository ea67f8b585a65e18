/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * DNS messages, copied whole for user space to parse: names are lists of lists, whose loops the verifier
 * would have to follow.
 *
 * DNS over UDP and TCP, and on the local link mDNS (RFC 6762) and LLMNR (RFC 4795). A stream of TCP is copied
 * in pieces with their sequence numbers, which user space reassembles.
 */
#ifndef TM_EVENTS_DNS_BPF_H
#define TM_EVENTS_DNS_BPF_H

#include "events/events.bpf.h"
#include "parse/packet.bpf.h"

#define TM_DNS_PORT bpf_htons(53)
#define TM_MDNS_PORT bpf_htons(5353)
#define TM_LLMNR_PORT bpf_htons(5355)
#define TM_DNS_PIECES 16 /* of one packet: a super-packet of TCP has up to 64 KiB */

/* 1: incoming, 2: outgoing packets. Of loopback, where each packet is both, outgoing ones only. */
const volatile __u32 tm_copy_dns;

struct tm_dns_scratch {
	struct tm_dns head;
	__u8 message[TM_DNS_BYTES]; /* follows the head in the event, too */
	/* its place in the packet */
	__u32 transport_offset;
	__u32 network_end;
	__u32 tcp_header_bytes;
	/* of what is still to be copied */
	__u32 offset;
	__u32 left;
};

/* One a CPU: bottom halves are off, so none of our programs interrupts. Too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_dns_scratch);
} dns_scratch SEC(".maps");

static __always_inline bool tm_is_dns(const struct tm_packet *p)
{
	__u16 local = p->key.local_port_be, remote = p->key.remote_port_be;

	if (local == TM_DNS_PORT || remote == TM_DNS_PORT)
		return p->transport_offset &&
		       (p->key.protocol == IPPROTO_UDP || p->key.protocol == IPPROTO_TCP);
	if (local != TM_MDNS_PORT && remote != TM_MDNS_PORT && local != TM_LLMNR_PORT &&
	    remote != TM_LLMNR_PORT)
		return false;
	return p->transport_offset && p->key.protocol == IPPROTO_UDP;
}

/* Set the start of the message (or the piece of a stream) and, in the head, its length. */
static __always_inline void tm_locate_dns_message(TM_CONTEXT *context,
						  struct tm_dns_scratch *scratch)
{
	bool is_tcp = scratch->head.key.protocol == IPPROTO_TCP;
	__be32 sequence = 0;
	__be16 stated_be = 0;
	__u32 begin, bytes, stated;

	if (is_tcp)
		tm_read_beyond(context, scratch->transport_offset + TM_TCP_SEQUENCE_AT, &sequence,
			       sizeof(sequence));
	else
		tm_read_beyond(context, scratch->transport_offset + TM_UDP_LENGTH_AT, &stated_be,
			       sizeof(stated_be));
	begin = scratch->transport_offset +
		(is_tcp ? scratch->tcp_header_bytes : TM_UDP_HEADER_BYTES);
	bytes = scratch->network_end > begin ? scratch->network_end - begin : 0;
	stated = bpf_ntohs(stated_be);
	scratch->head.bytes = bytes;
	if (stated >= TM_UDP_HEADER_BYTES) {
		/* a first fragment has less, and padding may follow after the IP packet */
		scratch->head.bytes = stated - TM_UDP_HEADER_BYTES;
		if (scratch->head.bytes < bytes)
			bytes = scratch->head.bytes;
	}
	scratch->head.tcp_sequence = bpf_ntohl(sequence);
	scratch->offset = begin;
	scratch->left = bytes;
}

static __always_inline void tm_emit_dns_piece(TM_CONTEXT *context, struct tm_dns_scratch *scratch,
					      __u32 offset, __u32 size)
{
	struct tm_event_counts *counts = tm_event_counts_here(TM_EVENT_DNS);

	if (counts)
		tm_atomic_add(&counts->offered, 1);
	scratch->head.copied = 0;
	if (size) {
		size = tm_at_most(size, TM_DNS_BYTES);
		if (!tm_read_beyond(context, offset, scratch->message, size))
			scratch->head.copied = size;
	}
	size = scratch->head.copied;
	if (size >
	    TM_DNS_BYTES) /* the verifier knows nothing of a value that it reads from a map */
		return;
	tm_emit(&dns_messages, TM_EVENT_DNS, scratch, sizeof(scratch->head) + size);
}

static __always_inline void tm_emit_dns_pieces(TM_CONTEXT *context, struct tm_dns_scratch *scratch)
{
	volatile __u32 *copied = &scratch->head.copied, *offset = &scratch->offset,
		       *left = &scratch->left;
	int piece;

	for (piece = 0; piece < TM_DNS_PIECES; piece++) {
		tm_emit_dns_piece(context, scratch, *offset, *left);
		if (!*copied || *copied >= *left || scratch->head.key.protocol == IPPROTO_UDP)
			break;
		*offset += *copied;
		*left -= *copied;
		scratch->head.tcp_sequence += *copied;
	}
}

/*
 * tm_emit_dns - copy the message that `dns_scratch` describes.
 *
 * A global function, which the verifier checks once and not for each path to it; and the state between
 * pieces is in the map, so that all pieces have the same state for it. This halved the time of an attach.
 */
__noinline int tm_emit_dns(TM_CONTEXT *context, bool rx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct tm_dns_scratch *scratch = bpf_map_lookup_elem(&dns_scratch, &cpu);
	__u64 owner_id;

	if (!scratch)
		return 0;
	tm_locate_dns_message(context, scratch);
	if (!scratch->left && scratch->head.key.protocol == IPPROTO_TCP &&
	    !(scratch->head.tcp_flags & (TM_TCP_SYN | TM_TCP_FIN | TM_TCP_RST)))
		return 0;
	owner_id = rx ? tm_receiver_owner(context, &scratch->head.key)
		      : tm_sender_owner(context, &scratch->head.key);
	scratch->head.event = tm_event_now(TM_EVENT_DNS, rx, owner_id);
	scratch->head.ingress_ifindex = rx ? 0 : tm_ingress_ifindex(context);
	tm_emit_dns_pieces(context, scratch);
	return 0;
}

static __always_inline void tm_copy_dns_message(const struct tm_packet *p, bool rx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct tm_dns_scratch *scratch = bpf_map_lookup_elem(&dns_scratch, &cpu);

	if (!scratch || !(tm_copy_dns & (rx ? 1 : 2)))
		return;
	scratch->head.key = p->key;
	scratch->head.tcp_flags = p->tcp_flags;
	scratch->transport_offset = p->transport_offset;
	scratch->network_end = p->network_end;
	scratch->tcp_header_bytes = p->tcp_header_bytes;
	tm_emit_dns(p->context, rx);
}

#endif /* TM_EVENTS_DNS_BPF_H */
