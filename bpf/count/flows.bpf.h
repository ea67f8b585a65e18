/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Flows: a small write-back cache per CPU in front of the shared table.
 *
 * A packet whose flow is in the cache costs five compares and plain adds; the shared LRU table costs
 * some 40 ns and, with several CPUs, its cache lines. A slot goes to the table when it is taken over
 * or was not written back for a second, so readers that add table and cache are exact, and the
 * table's own LRU never forgets a busy flow.
 *
 * Replacement: plain replacement loses to no cache at all when many flows take turns. So a resident
 * has lives; a miss costs it one and goes straight to the table, a hit gives it all of them back.
 * And where hits get rare, most packets do not even ask: with 60,000 flows in rotation the cache's own
 * lines are two more that have to come from far away.
 */
#ifndef TM_COUNT_FLOWS_BPF_H
#define TM_COUNT_FLOWS_BPF_H

#include "count/services.bpf.h"
#include "common/flow_hash.bpf.h"
#include "events/packet_event.bpf.h"

#define TM_SCORE_HIT 2 /* a third of hits and more keeps the cache in use */
#define TM_SCORE_MOST 128
#define TM_SKIP 1023

#define TM_FIRST_USER_PORT 1024
#define TM_FIRST_EPHEMERAL_PORT 32768 /* Linux's default; others begin higher */

/*
 * tm_service_port - which of a flow's two ports names the service; asked once, of its first packet.
 * The handshake says it; else the well-known one, the one no client would be given, the one that
 * was addressed first.
 */
static __always_inline __u16 tm_service_port(const struct tm_packet *p, bool rx)
{
	__u16 local = bpf_ntohs(p->key.local_port_be), remote = bpf_ntohs(p->key.remote_port_be);
	__u16 source = rx ? remote : local, destination = rx ? local : remote;
	__u16 lower = source < destination ? source : destination;
	__u16 higher = source < destination ? destination : source;

	if (p->key.protocol == IPPROTO_TCP && p->tcp_flags & TM_TCP_SYN)
		return p->tcp_flags & TM_TCP_ACK ? source : destination;
	if (lower < TM_FIRST_USER_PORT && higher >= TM_FIRST_USER_PORT)
		return lower;
	if (lower < TM_FIRST_EPHEMERAL_PORT && higher >= TM_FIRST_EPHEMERAL_PORT)
		return lower;
	return p->key.protocol == IPPROTO_TCP ? lower : destination;
}

/* The service of a flow: all but its number is in the flow's key. */
static __always_inline struct tm_service_key tm_service_of(const struct tm_flow_key *key,
							   __u16 number)
{
	struct tm_service_key service = {
		.row = tm_row,
		.number = number,
		.kind = key->flags & TM_FLOW_PORTS ? TM_SERVICE_PORT : TM_SERVICE_PROTOCOL,
		.ip_version = key->flags & TM_FLOW_IPV6 ? 6 : 4,
		.protocol = key->protocol,
	};

	return service;
}

/* Racing CPUs store the same byte: nothing to lock. */
static __always_inline void tm_set_tcp_flags(struct tm_flow *flow, __u8 flags)
{
	int bit;

	if (!(flags & ~flow->tcp_flags_hint))
		return;
	flow->tcp_flags_hint |= flags; /* may lose another CPU's: then that one comes here again */
	for (bit = 0; bit < TM_TCP_FLAGS; bit++)
		if (flags & (1 << bit) && !flow->tcp_flags[bit])
			flow->tcp_flags[bit] = 1;
}

/*
 * Of a flow's sender the latest is kept: asked for while there is none, once a second, and with the
 * last packet, as sockets are handed over (tm_take_over). Of what has no socket 0 is no news.
 *
 * A connection's first packets may be of a socket that is not a full one yet, so the first few ask;
 * then, of sockets that nobody is known of, a few in many: asking costs as much as all the rest. What
 * is forwarded has its owner from the beginning or, as a rule, has none.
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
	/* seldom asked, so it may cost; jiffies are longer than many a connection */
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
 * A function of its own, as what comes here is rare: the value to be made costs the others nothing.
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

/* What a slot has counted goes to the table. The caller changes sequence around it. */
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
	if (slot->owner_at_ns > flow->owner_at_ns) { /* another CPU may have asked later */
		flow->owner_id = slot->owner_id;
		flow->owner_at_ns = slot->owner_at_ns;
	}
}

static __always_inline void tm_reset_slot(struct tm_flow_slot *slot, __u64 now)
{
	slot->rx_packets = 0;
	slot->rx_bytes = 0;
	slot->tx_packets = 0;
	slot->tx_bytes = 0;
	slot->tcp_flags = 0;
	slot->flushed_jiffies = now;
}

static __noinline int tm_flush_slot(struct tm_flow_slot *slot)
{
	slot->sequence++;
	tm_write_back(slot);
	tm_reset_slot(slot, bpf_jiffies64());
	slot->sequence++;
	return 0;
}

static __always_inline void tm_add_to_slot(struct tm_flow_slot *slot, const struct tm_packet *p,
					   bool rx, __u64 now)
{
	slot->lives = TM_LIVES;
	if (rx) {
		slot->rx_packets += p->wire_packets;
		slot->rx_bytes += p->wire_bytes;
	} else {
		slot->tx_packets += p->wire_packets;
		slot->tx_bytes += p->wire_bytes;
	}
	slot->last_seen_jiffies = now;
	slot->tcp_flags |= p->tcp_flags;
	if (!rx && tm_needs_owner(slot->owner_id, slot->tx_packets, p))
		tm_set_owner(&slot->owner_id, &slot->owner_at_ns,
			     tm_sender_owner(p->context, &p->key));
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

/* The slot of @set that a newcomer may have, or NULL while both residents have lives left. */
static __always_inline struct tm_flow_slot *tm_free_slot(struct tm_flow_set *set)
{
	if (!set->way[0].lives)
		return &set->way[0];
	if (!set->way[1].lives)
		return &set->way[1];
	set->way[0].lives--;
	set->way[1].lives--;
	return NULL;
}

static __always_inline void tm_replace_resident(struct tm_flow_slot *slot,
						const struct tm_packet *p, bool rx,
						__u16 service_number, __u64 now)
{
	slot->sequence++;
	tm_write_back(slot);
	slot->key = p->key;
	slot->service_number = service_number;
	slot->owner_id = 0;
	slot->owner_at_ns = 0;
	slot->first_seen_jiffies = now;
	tm_reset_slot(slot, now);
	tm_add_to_slot(slot, p, rx, now);
	slot->sequence++;
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

/*
 * tm_count_in_table - count a packet past the cache; or, with @slot, make its flow resident there.
 * The flow gets its entry in the table in any case: so all CPUs agree on its service.
 * Returns the number of the service.
 */
static __always_inline __u16 tm_count_in_table(struct tm_flow_slot *slot, const struct tm_packet *p,
					       bool rx, __u64 now)
{
	struct tm_flow *flow = bpf_map_lookup_elem(&flows, &p->key);
	__u16 number;

	if (!flow)
		flow = tm_add_flow(p, rx, now);
	if (!flow) {
		tm_count_lost_flow(p->wire_packets, p->wire_bytes);
		return p->kind == TM_SERVICE_PORT ? tm_service_port(p, rx) : 0;
	}
	number = flow->service_number;
	if (slot)
		tm_replace_resident(slot, p, rx, number, now);
	else
		tm_add_to_flow(flow, p, rx, now);
	return number;
}

/* The flow is not in @set: a vacancy is no bad sign, two residents in the way are. */
static __always_inline struct tm_flow_slot *tm_cache_miss(struct tm_hook_counters *state,
							  struct tm_flow_set *set)
{
	struct tm_flow_slot *slot = tm_free_slot(set);

	if (slot)
		return slot;
	if (state->cache_score)
		state->cache_score--;
	else
		state->cache_skip = TM_SKIP;
	return NULL;
}

/* tm_count_flow - count a packet for its flow. Returns the service that the flow belongs to. */
static __always_inline struct tm_service_key
tm_count_flow(const struct tm_packet *p, struct tm_hook_counters *state, bool rx, __u32 cpu)
{
	struct tm_flow_slot *slot = NULL;
	__u64 now = bpf_jiffies64();
	struct tm_flow_set *set;
	__u32 index;

	if (tm_unlikely(state->cache_skip)) {
		state->cache_skip--;
		goto table;
	}
	index = cpu * tm_flow_sets + (tm_hash_flow(&p->key) & (tm_flow_sets - 1));
	set = bpf_map_lookup_elem(&flow_cache, &index);
	if (!set)
		goto table;
	if (tm_likely(tm_same_flow(&set->way[0].key, &p->key))) {
		slot = &set->way[0];
	} else if (tm_same_flow(&set->way[1].key, &p->key)) {
		slot = &set->way[1];
	} else {
		slot = tm_cache_miss(state, set);
		goto table;
	}
	if (state->cache_score < TM_SCORE_MOST)
		state->cache_score += TM_SCORE_HIT;
	tm_add_to_slot(slot, p, rx, now);
	if (tm_unlikely(now - slot->flushed_jiffies > tm_flush_jiffies)) {
		tm_set_owner(&slot->owner_id, &slot->owner_at_ns,
			     rx ? tm_receiver_owner(p->context, &p->key)
				: tm_sender_owner(p->context, &p->key));
		tm_flush_slot(slot);
	}
	return tm_service_of(&p->key, slot->service_number);
table:
	return tm_service_of(&p->key, tm_count_in_table(slot, p, rx, now));
}

#endif /* TM_COUNT_FLOWS_BPF_H */
