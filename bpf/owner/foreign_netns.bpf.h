/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Sockets of other network namespaces than the one of the watched interfaces: containers'.
 *
 * Their packets pass those interfaces as forwarded ones, which have no socket, and often by other
 * addresses. So it is noted whose the addresses and ports are that the socket itself has, with its
 * first packet and when it changes hands; owner/forwarded.bpf.h asks.
 */
#ifndef TM_OWNER_FOREIGN_NETNS_BPF_H
#define TM_OWNER_FOREIGN_NETNS_BPF_H

#include "parse/ip_size.bpf.h"
#include "common/owner_maps.bpf.h"

const volatile __u64 tm_netns_cookie; /* of the watched interfaces' namespace; 0: not known */

static __always_inline void tm_swap(__u64 *a, __u64 *b)
{
	__u64 was = *a;

	*a = *b;
	*b = was;
}

/* From a packet, which begins with its IP header. Extension headers are not looked behind. */
static __noinline int tm_record_foreign_packet(struct __sk_buff *skb, __u64 owner_id, bool rx)
{
	struct tm_flow_key key = {}; /* as if it went out */
	__u64 *local = (__u64 *)key.local_addr, *remote = (__u64 *)key.remote_addr;
	__u32 transport = TM_IPV6_HEADER_BYTES;
	__u16 port_be;
	__u8 first = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		key.flags = TM_FLOW_IPV4 | TM_FLOW_PORTS;
		bpf_skb_load_bytes(skb, 0, &first, sizeof(first));
		bpf_skb_load_bytes(skb, 9, &key.protocol, sizeof(key.protocol));
		bpf_skb_load_bytes(skb, 12, local, 4);
		bpf_skb_load_bytes(skb, 16, remote, 4);
		transport = (first & 15) * 4;
	} else {
		key.flags = TM_FLOW_IPV6 | TM_FLOW_PORTS;
		bpf_skb_load_bytes(skb, 6, &key.protocol, sizeof(key.protocol));
		bpf_skb_load_bytes(skb, 8, local, 16);
		bpf_skb_load_bytes(skb, 24, remote, 16);
	}
	if (key.protocol != IPPROTO_TCP && key.protocol != IPPROTO_UDP)
		return 0;
	if (bpf_skb_load_bytes(skb, transport, &key.local_port_be, 4)) /* both */
		return 0;
	if (rx) {
		tm_swap(&local[0], &remote[0]);
		tm_swap(&local[1], &remote[1]);
		port_be = key.local_port_be;
		key.local_port_be = key.remote_port_be;
		key.remote_port_be = port_be;
	}
	bpf_map_update_elem(&foreign_owners, &key, &owner_id, BPF_ANY);
	if (key.protocol == IPPROTO_TCP)
		return 0;
	/* one that is not connected talks to others, too: with all of them alike */
	remote[0] = remote[1] = key.remote_port_be = 0;
	bpf_map_update_elem(&foreign_owners, &key, &owner_id, BPF_ANY);
	return 0;
}

#endif /* TM_OWNER_FOREIGN_NETNS_BPF_H */
