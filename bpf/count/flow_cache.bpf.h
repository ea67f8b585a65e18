/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Flows: a small write-back cache per CPU in front of the shared table.
 *
 * A packet whose flow is in the cache costs five compares and plain adds; the shared LRU table costs some
 * 40 ns and, with several CPUs, its cache lines. A slot is added to the table when another flow takes it,
 * or after a second: so readers that add table and cache are exact, and the table's own LRU never evicts a
 * busy flow.
 *
 * Replacement: plain replacement is slower than no cache when many flows take turns. So a resident has
 * lives; a miss costs it one and counts in the table, a hit restores all of them. And where hits are
 * rare, most packets skip the cache: with 60,000 flows in rotation the cache's own lines are two more
 * misses in the CPU's cache.
 */
#ifndef TM_COUNT_FLOW_CACHE_BPF_H
#define TM_COUNT_FLOW_CACHE_BPF_H

#include "common/flow_hash.bpf.h"
#include "count/flow_table.bpf.h"

#define TM_SCORE_HIT 2 /* a third of hits and more keeps the cache in use */
#define TM_SCORE_MOST 128
#define TM_SKIP 1023

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

/* A slot of @set for another flow, or NULL while both residents have lives left. */
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

/*
 * tm_count_in_table - count a packet in the table; or, with @slot, make its flow resident in the cache.
 * The flow gets its entry in the table in either case: so all CPUs agree on its service.
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

/* The flow is not in @set: only a miss because of two residents lowers the score. */
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

#endif /* TM_COUNT_FLOW_CACHE_BPF_H */
