/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * One frame, from its first byte to its counters: what the hooks have in common.
 */
#ifndef TM_FRAME_BPF_H
#define TM_FRAME_BPF_H

#include "flows.bpf.h"
#include "link.bpf.h"
#include "network.bpf.h"

/*
 * tm_parse - fill @p from @frame.
 * @offset: where the payload of @ethertype begins; @tags: VLAN tags that the kernel took off.
 */
static __always_inline void tm_parse(const struct tm_frame *frame, struct tm_packet *p,
				     enum tm_hook hook, __u16 ethertype, __u32 offset, __u32 tags)
{
	struct tm_network network = { offset, ethertype, ethertype };

	if (ethertype != ETH_P_IP && ethertype != ETH_P_IPV6)
		network = tm_unpack_network(tm_skip_link(frame->context, ethertype, offset, tags));
	p->kind = TM_SERVICE_ETHERTYPE;
	p->ethertype = network.last_ethertype;
	p->key.slot = tm_slot;
	if (network.ethertype == ETH_P_IP)
		tm_parse_ipv4(frame, p, hook, network.offset);
	else if (network.ethertype == ETH_P_IPV6)
		tm_parse_ipv6(frame, p, hook, network.offset);
}

/* tm_count - a parsed and measured packet into all that counts it at @hook. */
static __always_inline void tm_count(const struct tm_packet *p, enum tm_hook hook)
{
	struct tm_service_key service = { .slot = tm_slot, .kind = p->kind };
	__u32 cpu = bpf_get_smp_processor_id();
	bool rx = tm_is_rx(hook);

	tm_count_hook(p, hook, cpu);
	if (!tm_count_flows)
		return;
	if (p->kind == TM_SERVICE_PORT || p->kind == TM_SERVICE_PROTOCOL)
		service = tm_count_flow(p, rx, cpu);
	else if (p->kind == TM_SERVICE_BROKEN)
		service.ip_version = p->ethertype == ETH_P_IPV6 ? 6 : 4;
	else
		service.number = p->ethertype;
	tm_count_service(p, service, rx, cpu);
}

#endif /* TM_FRAME_BPF_H */
