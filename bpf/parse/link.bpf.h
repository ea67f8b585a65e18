/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Link-layer headers: Ethernet, up to four VLAN tags, a PPPoE session, MPLS labels.
 */
#ifndef TM_PARSE_LINK_BPF_H
#define TM_PARSE_LINK_BPF_H

#include "parse/packet.bpf.h"

#define TM_MAX_VLAN_TAGS 4
#define TM_MAX_MPLS_LABELS 8
#define TM_MPLS_BOTTOM 0x00000100 /* of a label in host order */

#define TM_PPP_IPV4 0x0021	/* RFC 1332 */
#define TM_PPP_IPV6 0x0057	/* RFC 5072 */
#define TM_PPP_MPLS 0x0281	/* RFC 3032 */
#define TM_PPPOE_SESSION 0x1100 /* version 1, type 1, code 0: RFC 2516 */

struct tm_vlan_tag {
	__be16 control;
	__be16 ethertype;
};

struct tm_pppoe_header {
	__be16 version_type_code;
	__be16 session;
	__be16 length;
	__be16 ppp_protocol;
};

static __always_inline bool tm_is_vlan(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

/* The EtherType that @ppp_protocol stands for, or 0. */
static __always_inline __u16 tm_ppp_ethertype(__u16 ppp_protocol)
{
	switch (ppp_protocol) {
	case TM_PPP_IPV4:
		return ETH_P_IP;
	case TM_PPP_IPV6:
		return ETH_P_IPV6;
	case TM_PPP_MPLS:
		return ETH_P_MPLS_UC;
	}
	return 0;
}

/* Where the network header begins, and what it is: ETH_P_IP, ETH_P_IPV6, or something else. */
struct tm_network {
	__u32 offset;
	__u16 ethertype;
	__u16 last_ethertype; /* the last one that the link headers named */
};

static __always_inline __u64 tm_pack_network(struct tm_network network)
{
	return (__u64)network.offset << 32 | (__u32)network.ethertype << 16 |
	       network.last_ethertype;
}

static __always_inline struct tm_network tm_unpack_network(__u64 packed)
{
	struct tm_network network = {
		.offset = packed >> 32,
		.ethertype = packed >> 16,
		.last_ethertype = packed,
	};

	return network;
}

/* After the labels only the first four bits of what follows say what it is (RFC 3032, 2.2; RFC 4928). */
static __always_inline void tm_skip_mpls(struct tm_frame *frame, struct tm_network *network)
{
	__be32 label;
	__u8 first;
	int i;

	network->ethertype = 0;
	for (i = 0; i < TM_MAX_MPLS_LABELS; i++) {
		if (tm_read(frame, network->offset, &label, sizeof(label)))
			return;
		network->offset += sizeof(label);
		if (!(bpf_ntohl(label) & TM_MPLS_BOTTOM))
			continue;
		if (tm_read(frame, network->offset, &first, sizeof(first)))
			return;
		first >>= 4;
		network->ethertype = first == 4 ? ETH_P_IP : first == 6 ? ETH_P_IPV6 : 0;
		return;
	}
}

static __always_inline void tm_skip_pppoe(struct tm_frame *frame, struct tm_network *network)
{
	struct tm_pppoe_header pppoe;

	network->ethertype = 0;
	if (tm_read(frame, network->offset, &pppoe, sizeof(pppoe)) ||
	    pppoe.version_type_code != bpf_htons(TM_PPPOE_SESSION))
		return;
	network->offset += sizeof(pppoe);
	network->ethertype = tm_ppp_ethertype(bpf_ntohs(pppoe.ppp_protocol));
}

/*
 * tm_skip_link - find the network header after VLAN tags, PPPoE and MPLS.
 * @offset: where the payload of @ethertype begins; @tags: VLAN tags that the kernel has removed.
 * Returns struct tm_network, packed.
 *
 * A global function, which the verifier checks once and not along every path to it.
 */
__noinline __u64 tm_skip_link(TM_CONTEXT *context, __u32 ethertype, __u32 offset, __u32 tags)
{
	struct tm_frame frame = tm_open_frame(context);
	struct tm_network network = { offset, ethertype, ethertype };
	struct tm_vlan_tag tag;
	int i;

	for (i = 0; i < TM_MAX_VLAN_TAGS; i++) {
		if (!tm_is_vlan(network.ethertype) || tags >= TM_MAX_VLAN_TAGS)
			break;
		if (tm_read(&frame, network.offset, &tag, sizeof(tag)))
			break;
		network.offset += sizeof(tag);
		network.ethertype = network.last_ethertype = bpf_ntohs(tag.ethertype);
		tags++;
	}
	if (network.ethertype == ETH_P_PPP_SES)
		tm_skip_pppoe(&frame, &network);
	if (network.ethertype == ETH_P_MPLS_UC || network.ethertype == ETH_P_MPLS_MC)
		tm_skip_mpls(&frame, &network);
	return tm_pack_network(network);
}

#endif /* TM_PARSE_LINK_BPF_H */
