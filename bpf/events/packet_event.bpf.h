/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Packets as events: a flow's first, and those that open and end TCP connections.
 */
#ifndef TM_EVENTS_PACKET_EVENT_BPF_H
#define TM_EVENTS_PACKET_EVENT_BPF_H

#include "events/events.bpf.h"
#include "parse/packet.bpf.h"

static __noinline int tm_emit_packet_event(const struct tm_packet *p, enum tm_event_kind kind,
					   bool rx, __u64 owner_id)
{
	struct tm_packet_event event = {};

	event.event = tm_event_now(kind, rx, owner_id);
	event.key = p->key;
	event.bytes = p->wire_bytes;
	event.tcp_flags = p->tcp_flags;
	tm_emit(&events, kind, &event, sizeof(event));
	return 0;
}

/*
 * One packet in thousands comes here. The sender is looked up here and not in a function that this calls:
 * stacks add up, and older kernels have 512 bytes for all of them.
 */
static __always_inline void tm_offer_packet_event(const struct tm_packet *p,
						  enum tm_event_kind kind, bool rx, __u64 owner_id)
{
	if (!tm_is_wanted(kind))
		return;
	if (!owner_id && !rx)
		owner_id = tm_sender_owner(p->context, &p->key);
	tm_emit_packet_event(p, kind, rx, owner_id);
}

#endif /* TM_EVENTS_PACKET_EVENT_BPF_H */
