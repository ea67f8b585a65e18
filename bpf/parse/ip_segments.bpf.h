/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The headers that each segment of a super-packet repeats, where packets start with their IP header
 * (cgroup_skb).
 */
#ifndef TM_PARSE_IP_SEGMENTS_BPF_H
#define TM_PARSE_IP_SEGMENTS_BPF_H

#include "common/headers.bpf.h"

/* IP and transport header of a TCP or UDP packet, as far as they repeat in each segment; else 0. */
static __always_inline __u32 tm_ip_header_bytes(struct __sk_buff *skb, __u32 protocol)
{
	__u32 bytes = TM_IPV6_HEADER_BYTES;
	__u8 first = 0, words = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 0, &first, sizeof(first)))
			return 0;
		bytes = tm_ipv4_header_bytes(first);
	}
	if (protocol == IPPROTO_UDP)
		return bytes + TM_UDP_HEADER_BYTES;
	if (protocol != IPPROTO_TCP ||
	    bpf_skb_load_bytes(skb, bytes + TM_TCP_LENGTH_AT, &words, sizeof(words)))
		return 0;
	return bytes + tm_tcp_header_bytes(words);
}

#endif /* TM_PARSE_IP_SEGMENTS_BPF_H */
