/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A parsed frame, counted and made into events: what the hooks have in common.
 */
#ifndef TM_COUNT_PACKET_BPF_H
#define TM_COUNT_PACKET_BPF_H

#include "count/flow_cache.bpf.h"
#include "count/hook_counters.bpf.h"
#include "events/dns.bpf.h"
#include "parse/frame.bpf.h"

/*
 * tm_handle_dns - copy the packet's DNS message, if it has one.
 *
 * Before the count: only this needs all that is known of the headers, and from where a value is no longer
 * used the verifier need not distinguish states by it. After the count it made an attach slow.
 */
static __always_inline void tm_handle_dns(const struct tm_packet *p, enum tm_hook hook)
{
	if (tm_count_flows && tm_copy_dns && tm_is_dns(p))
		tm_copy_dns_message(p, tm_is_rx(hook));
}

/* tm_count - a parsed and measured packet into all that counts it at @hook. */
static __always_inline void tm_count(const struct tm_packet *p, enum tm_hook hook)
{
	struct tm_service_key service = { .row = tm_row, .kind = p->kind };
	__u32 cpu = bpf_get_smp_processor_id();
	struct tm_hook_counters *seen = tm_count_hook(p, hook, cpu);
	bool rx = tm_is_rx(hook);

	if (!seen || !tm_count_flows)
		return;
	if (tm_likely(p->kind == TM_SERVICE_PORT || p->kind == TM_SERVICE_PROTOCOL))
		service = tm_count_flow(p, seen, rx, cpu);
	else if (p->kind == TM_SERVICE_BROKEN)
		service.ip_version = p->ethertype == ETH_P_IPV6 ? 6 : 4;
	else
		service.number = p->ethertype;
	tm_count_service(p, service, rx, cpu);
	if (tm_unlikely(p->tcp_flags & (TM_TCP_FIN | TM_TCP_SYN | TM_TCP_RST)))
		tm_offer_packet_event(p, TM_EVENT_TCP, rx, 0);
}

#endif /* TM_COUNT_PACKET_BPF_H */
