/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A packet as tc shows it, to the parser.
 */
#ifndef TM_PARSE_SKB_PACKET_BPF_H
#define TM_PARSE_SKB_PACKET_BPF_H

#include "parse/frame.bpf.h"

/*
 * tm_hidden_header_bytes - how much of the Ethernet header tc does not show: 0 or ETH_HLEN.
 *
 * The kernel moves back to that header by skb->mac_len. Where generic XDP had to copy the packet, that is
 * 0 (6.9 and later, e6d5dbdd20aa: skb_pp_cow_data() does not copy it), and the network header comes
 * first. Then the bytes at the EtherType's place hold another value, so usually one compare decides.
 */
static __always_inline __u32 tm_hidden_header_bytes(struct __sk_buff *skb,
						    const struct tm_frame *frame, __be16 *ethertype)
{
	__be16 mac[ETH_HLEN / 2], shown[ETH_HLEN / 2], other = 0;
	int i;

	if (tm_likely(!tm_seek_mac && *ethertype == skb->protocol))
		return 0;
	if (bpf_skb_load_bytes_relative(skb, 0, mac, sizeof(mac), BPF_HDR_START_MAC))
		return 0;
	if (!tm_read(frame, 0, shown, sizeof(shown))) {
		for (i = 0; i < ETH_HLEN / 2; i++)
			other |= mac[i] ^ shown[i];
		if (!other)
			return 0;
	}
	*ethertype = mac[ETH_HLEN / 2 - 1];
	return ETH_HLEN;
}

/* tm_parse_skb - fill @p from @skb. Returns tm_hidden_header_bytes(). */
static __always_inline __u32 tm_parse_skb(struct __sk_buff *skb, struct tm_packet *p,
					  enum tm_hook hook)
{
	struct tm_frame frame = tm_open_frame(skb);
	__be16 ethertype = skb->protocol;
	__u32 tags = 0, hidden = 0;

	if (tm_link_header_bytes) {
		tags = skb->vlan_present ? 1 : 0;
		tm_read(&frame, ETH_HLEN - sizeof(ethertype), &ethertype, sizeof(ethertype));
		hidden = tm_hidden_header_bytes(skb, &frame, &ethertype);
	}
	tm_parse(&frame, p, hook, bpf_ntohs(ethertype), tm_link_header_bytes - hidden, tags);
	return hidden;
}

#endif /* TM_PARSE_SKB_PACKET_BPF_H */
