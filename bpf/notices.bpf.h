/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Packets as events: a flow's first, and those that open and end TCP connections.
 */
#ifndef TM_NOTICES_BPF_H
#define TM_NOTICES_BPF_H

#include "events.bpf.h"
#include "packet.bpf.h"

/* A function of its own: one packet in thousands comes here. */
static __noinline int tm_tell_packet(const struct tm_packet *p, enum tm_event_kind kind, bool rx,
				     __u64 owner_id)
{
	struct tm_packet_event told = {};

	if (!tm_is_wanted(kind))
		return 0;
	told.event = tm_event_now(kind, rx, owner_id ? owner_id : rx ? 0 : tm_sender(p->context));
	told.key = p->key;
	told.bytes = p->wire_bytes;
	told.tcp_flags = p->tcp_flags;
	tm_tell(&events, kind, &told, sizeof(told));
	return 0;
}

#endif /* TM_NOTICES_BPF_H */
