/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The shared table of flows: an entry for each, made with its first packet, written with atomic adds.
 */
#ifndef TM_COUNT_FLOW_TABLE_BPF_H
#define TM_COUNT_FLOW_TABLE_BPF_H

#include "common/atomic.bpf.h"
#include "common/maps.bpf.h"
#include "count/service_port.bpf.h"
#include "count/services.bpf.h"
#include "events/packet_event.bpf.h"

/* Racing CPUs store the same byte, so no atomic is needed. */
static __always_inline void tm_set_tcp_flags(struct tm_flow *flow, __u8 flags)
{
	int bit;

	if (!(flags & ~flow->tcp_flags_hint))
		return;
	/* not atomic: a flag of another CPU may be lost here, and is set again with its next packet */
	flow->tcp_flags_hint |= flags;
	for (bit = 0; bit < TM_TCP_FLAGS; bit++)
		if (flags & (1 << bit) && !flow->tcp_flags[bit])
			flow->tcp_flags[bit] = 1;
}

/*
 * A flow keeps its latest sender: looked up while there is none, once a second, and with the last packet,
 * as sockets are handed over (tm_take_over). A packet without socket gives 0, which changes nothing.
 *
 * The socket of a connection's first packets may not be a full one yet, so the first few look it up; then,
 * while the owner is unknown, a few in many: a look-up costs as much as all the rest. What is forwarded
 * has its owner from the first packet on or, as a rule, has none.
 */
#define TM_OWNER_LOOKUPS 8
#define TM_OWNER_LOOKUP_PERIOD 64

static __always_inline bool tm_needs_owner(__u64 known, __u64 tx_packets, const struct tm_packet *p)
{
	if (p->tcp_flags & TM_TCP_FIN)
		return true;
	if (known || tx_packets % TM_OWNER_LOOKUP_PERIOD > TM_OWNER_LOOKUPS)
		return false;
	return tx_packets <= TM_OWNER_LOOKUPS || tm_has_socket(p->context);
}

static __always_inline void tm_set_owner(__u64 *known, __u64 *known_at_ns, __u64 owner_id)
{
	if (!owner_id)
		return;
	/* rarely reached, so its cost does not matter; jiffies are longer than many connections */
	*known = owner_id;
	*known_at_ns = bpf_ktime_get_ns();
}

static __noinline int tm_count_lost_flow(__u64 packets, __u64 bytes)
{
	struct tm_ledger *losses = tm_ledger_here();

	if (losses) {
		losses->flow_insert_failures += packets;
		losses->flow_insert_failure_bytes += bytes;
	}
	return 0;
}

/*
 * tm_insert_flow - an entry for @key. Returns whether it is new: another CPU may have been faster.
 * Not inlined, as it is rare: the value on its stack costs the other packets nothing.
 */
static __noinline bool tm_insert_flow(const struct tm_flow_key *key, __u16 service_number,
				      __u64 first_seen, __u64 owner_id)
{
	struct tm_flow fresh = {
		.first_seen_jiffies = first_seen,
		.last_seen_jiffies_low = first_seen,
		.service_number = service_number,
		.owner_id = owner_id,
		.owner_at_ns = owner_id ? bpf_ktime_get_ns() : 0,
	};
	struct tm_ledger *inserts;

	if (bpf_map_update_elem(&flows, key, &fresh, BPF_NOEXIST))
		return false;
	inserts = tm_ledger_here();
	if (inserts)
		inserts->flow_inserts++;
	return true;
}

/* Of two times less than half of 2^32 jiffies apart, whether @a is later. */
static __always_inline bool tm_is_later(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/* Add what a slot has counted to the table. The caller increments sequence before and after. */
static __always_inline void tm_write_back(struct tm_flow_slot *slot)
{
	struct tm_flow *flow;

	if (!(slot->rx_packets + slot->tx_packets))
		return;
	flow = bpf_map_lookup_elem(&flows, &slot->key);
	if (!flow) { /* evicted meanwhile */
		tm_insert_flow(&slot->key, slot->service_number, slot->first_seen_jiffies, 0);
		flow = bpf_map_lookup_elem(&flows, &slot->key);
	}
	if (!flow) {
		tm_count_lost_flow(slot->rx_packets + slot->tx_packets,
				   slot->rx_bytes + slot->tx_bytes);
		return;
	}
	if (slot->rx_packets) {
		tm_atomic_add(&flow->rx_packets, slot->rx_packets);
		tm_atomic_add(&flow->rx_bytes, slot->rx_bytes);
	}
	if (slot->tx_packets) {
		tm_atomic_add(&flow->tx_packets, slot->tx_packets);
		tm_atomic_add(&flow->tx_bytes, slot->tx_bytes);
	}
	if (tm_is_later(slot->last_seen_jiffies, flow->last_seen_jiffies_low))
		flow->last_seen_jiffies_low = slot->last_seen_jiffies;
	tm_set_tcp_flags(flow, slot->tcp_flags);
	if (slot->owner_at_ns > flow->owner_at_ns) { /* another CPU may have looked it up later */
		flow->owner_id = slot->owner_id;
		flow->owner_at_ns = slot->owner_at_ns;
	}
}

static __always_inline void tm_add_to_flow(struct tm_flow *flow, const struct tm_packet *p, bool rx,
					   __u64 now)
{
	if (rx) {
		tm_atomic_add(&flow->rx_packets, p->wire_packets);
		tm_atomic_add(&flow->rx_bytes, p->wire_bytes);
	} else {
		tm_atomic_add(&flow->tx_packets, p->wire_packets);
		tm_atomic_add(&flow->tx_bytes, p->wire_bytes);
	}
	if (flow->last_seen_jiffies_low != (__u32)now)
		flow->last_seen_jiffies_low = now;
	tm_set_tcp_flags(flow, p->tcp_flags);
	if (!rx && tm_needs_owner(flow->owner_id, flow->tx_packets, p))
		tm_set_owner(&flow->owner_id, &flow->owner_at_ns,
			     tm_sender_owner(p->context, &p->key));
}

static __always_inline void tm_count_new_flow(struct tm_service_key service)
{
	tm_add_to_service(&service, &(struct tm_service){ .flows = 1 });
}

/* The entry of a flow that the table does not have yet. */
static __always_inline struct tm_flow *tm_add_flow(const struct tm_packet *p, bool rx, __u64 now)
{
	__u16 number = p->kind == TM_SERVICE_PORT ? tm_service_port(p, rx) : 0;
	__u64 owner_id = rx ? tm_receiver_owner(p->context, &p->key) : 0;

	if (tm_insert_flow(&p->key, number, now, owner_id)) {
		tm_count_new_flow(tm_service_of(&p->key, number));
		tm_offer_packet_event(p, TM_EVENT_FLOW, rx, owner_id);
	}
	return bpf_map_lookup_elem(&flows, &p->key);
}

#endif /* TM_COUNT_FLOW_TABLE_BPF_H */
