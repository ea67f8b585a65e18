/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * DNS messages, copied out whole for user space to read: their names are lists of lists, and no
 * business of the verifier's.
 *
 * DNS over UDP and TCP, and its kin on the local link: mDNS (RFC 6762), LLMNR (RFC 4795). What TCP
 * carries is told piece by piece with its sequence number; user space puts the pieces together.
 */
#ifndef TM_DNS_BPF_H
#define TM_DNS_BPF_H

#include "events.bpf.h"
#include "packet.bpf.h"

#define TM_DNS_PORT bpf_htons(53)
#define TM_MDNS_PORT bpf_htons(5353)
#define TM_LLMNR_PORT bpf_htons(5355)
#define TM_DNS_PIECES 16 /* of one packet: a super-packet of TCP has up to 64 KiB */
#define TM_DNS_UDP_HEADER 8

/* 1: what comes in, 2: what goes out. Of loopback, where each packet does both, only the latter. */
const volatile __u32 tm_copy_dns;

struct tm_dns_room {
	struct tm_dns head;
	__u8 message[TM_DNS_BYTES];
};

/* One a CPU: bottom halves are off, so nothing of ours comes between. Too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_dns_room);
} dns_room SEC(".maps");

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

/* Where the message (or the piece of a stream) begins and, in the head, how long it is. */
static __always_inline __u32 tm_find_message(const struct tm_packet *p, struct tm_dns *head)
{
	__u32 begin = p->transport_offset + TM_DNS_UDP_HEADER, room;
	__be16 stated = 0;
	__be32 sequence = 0;

	if (p->key.protocol == IPPROTO_TCP) {
		begin = p->transport_offset + p->tcp_header_bytes;
		tm_read_beyond(p->context, p->transport_offset + 4, &sequence, sizeof(sequence));
	} else {
		tm_read_beyond(p->context, p->transport_offset + 4, &stated, sizeof(stated));
	}
	room = p->network_end > begin ? p->network_end - begin : 0;
	head->tcp_sequence = bpf_ntohl(sequence);
	head->bytes = room;
	if (p->key.protocol == IPPROTO_UDP && bpf_ntohs(stated) >= TM_DNS_UDP_HEADER &&
	    bpf_ntohs(stated) - TM_DNS_UDP_HEADER < room)
		head->bytes = bpf_ntohs(stated) - TM_DNS_UDP_HEADER;
	return begin;
}

static __always_inline void tm_tell_message(const struct tm_packet *p, struct tm_dns_room *room,
					    __u32 offset, __u32 size)
{
	struct tm_event_counts *counts = tm_event_counts_here(TM_EVENT_DNS);

	if (counts)
		tm_atomic_add(&counts->offered, 1);
	room->head.copied = 0;
	if (size) {
		size = tm_at_most(size, TM_DNS_BYTES);
		if (!tm_read_beyond(p->context, offset, room->message, size))
			room->head.copied = size;
	}
	size = room->head.copied;
	if (size > TM_DNS_BYTES) /* what was written to a map is anything to the verifier */
		return;
	tm_tell(&dns_messages, TM_EVENT_DNS, room, sizeof(room->head) + size);
}

static __noinline int tm_copy_message(const struct tm_packet *p, bool rx, __u64 owner_id)
{
	__u32 cpu = bpf_get_smp_processor_id(), begin, done = 0;
	struct tm_dns_room *room = bpf_map_lookup_elem(&dns_room, &cpu);
	__u32 left;
	int piece;

	if (!room || !(tm_copy_dns & (rx ? 1 : 2)))
		return 0;
	begin = tm_find_message(p, &room->head);
	left = room->head.bytes;
	if (!left && p->key.protocol == IPPROTO_TCP &&
	    !(p->tcp_flags & (TM_TCP_SYN | TM_TCP_FIN | TM_TCP_RST)))
		return 0;
	room->head.event = tm_event_now(TM_EVENT_DNS, rx, owner_id);
	room->head.key = p->key;
	room->head.tcp_flags = p->tcp_flags;
	room->head.came_from = rx ? 0 : tm_came_from(p->context);
	if (p->key.protocol == IPPROTO_UDP) {
		tm_tell_message(p, room, begin, left);
		return 0;
	}
	for (piece = 0; piece < TM_DNS_PIECES; piece++) {
		tm_tell_message(p, room, begin + done, left - done);
		done += room->head.copied;
		room->head.tcp_sequence += room->head.copied;
		if (!room->head.copied || done >= left)
			break;
	}
	return 0;
}

#endif /* TM_DNS_BPF_H */
