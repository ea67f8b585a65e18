/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * One frame, from its first byte to what it is.
 */
#ifndef TM_PARSE_FRAME_BPF_H
#define TM_PARSE_FRAME_BPF_H

#include "common/maps.bpf.h"
#include "parse/ipv4.bpf.h"
#include "parse/ipv6.bpf.h"
#include "parse/link.bpf.h"

/*
 * tm_parse - fill @p from @frame.
 * @offset: where the payload of @ethertype begins; @tags: VLAN tags that the kernel has removed.
 */
static __always_inline void tm_parse(const struct tm_frame *frame, struct tm_packet *p,
				     enum tm_hook hook, __u16 ethertype, __u32 offset, __u32 tags)
{
	struct tm_network network = { offset, ethertype, ethertype };

	if (tm_unlikely(ethertype != ETH_P_IP && ethertype != ETH_P_IPV6))
		network = tm_unpack_network(tm_skip_link(frame->context, ethertype, offset, tags));
	p->kind = TM_SERVICE_ETHERTYPE;
	p->ethertype = network.last_ethertype;
	p->key.interface_id = tm_interface_id;
	if (network.ethertype == ETH_P_IP)
		tm_parse_ipv4(frame, p, hook, network.offset);
	else if (network.ethertype == ETH_P_IPV6)
		tm_parse_ipv6(frame, p, hook, network.offset);
}

#endif /* TM_PARSE_FRAME_BPF_H */
