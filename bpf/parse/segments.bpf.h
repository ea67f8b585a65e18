/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Super-packets (GSO on the way out, GRO on the way in): the segments that they stand for.
 */
#ifndef TM_PARSE_SEGMENTS_BPF_H
#define TM_PARSE_SEGMENTS_BPF_H

#include "common/kernel_memory.bpf.h"
#include "parse/packet.bpf.h"

#define TM_VLAN_TAG_BYTES 4
#define TM_GSO_BY_FRAGS 0xffff /* include/linux/skbuff.h: the segments differ in size */

/*
 * tm_inner_header_bytes - of a super-packet in a tunnel (VXLAN, GRE, IPIP…), what each segment
 * repeats: all up to the end of the inner transport header. 0 when it is in none.
 *
 * The context of a tc program does not say so; the kernel's own packet, which it stands for, does.
 */
static __noinline int tm_inner_header_bytes(struct __sk_buff *context)
{
	const struct sk_buff *skb = (const void *)context;
	const struct skb_shared_info *shared;
	unsigned char *head = NULL, *data = NULL;
	__u32 end = 0, gso_type = 0, offset;
	__u16 transport = 0;
	__u8 words = 0;

	if (!BPF_CORE_READ_BITFIELD_PROBED(skb, encapsulation))
		return 0;
	tm_kernel_read(&head, &skb->head);
	tm_kernel_read(&data, &skb->data);
	tm_kernel_read(&end, &skb->end);
	tm_kernel_read(&transport, &skb->inner_transport_header);
	shared = (const void *)(head + end);
	tm_kernel_read(&gso_type, &shared->gso_type);
	offset = transport - (__u32)(data - head);
	if (!(gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)))
		return offset + TM_UDP_HEADER_BYTES;
	if (bpf_skb_load_bytes(context, offset + TM_TCP_LENGTH_AT, &words, sizeof(words)))
		return 0;
	return offset + tm_tcp_header_bytes(words);
}

/* What each segment of a super-packet repeats, from where the packet is shown. */
static __always_inline __u32 tm_header_bytes(struct __sk_buff *skb, const struct tm_packet *p)
{
	__u32 inner;

	if (p->key.protocol == IPPROTO_TCP)
		return p->transport_offset + p->tcp_header_bytes;
	inner = tm_read_kernel ? tm_inner_header_bytes(skb) : 0;
	return inner ? inner : p->transport_offset + TM_UDP_HEADER_BYTES;
}

/*
 * tm_set_wire_size - bytes and packets on the wire. On the wire is also a tag that the kernel has removed
 * or the device will insert, and so is the part of the header that is @hidden from tc.
 */
static __always_inline void tm_set_wire_size(struct __sk_buff *skb, struct tm_packet *p,
					     __u32 hidden)
{
	__u32 more = hidden + (skb->vlan_present ? TM_VLAN_TAG_BYTES : 0);
	__u32 size = skb->gso_size, headers, segments;

	p->wire_packets = 1;
	p->wire_bytes = skb->len + more;
	if (tm_likely(!size))
		return;
	headers = tm_header_bytes(skb, p);
	segments = skb->gso_segs;
	if (size != TM_GSO_BY_FRAGS && skb->len > headers)
		segments = (skb->len - headers + size - 1) / size;
	if (segments < 2)
		return;
	p->wire_packets = segments;
	p->wire_bytes += (segments - 1) * (headers + more);
	p->segment_bytes = headers + more + size;
}

#endif /* TM_PARSE_SEGMENTS_BPF_H */
