/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The owner of a captured packet that has no socket in this namespace: the owner that the counting programs
 * have recorded for its flow (a container's after NAT, one whose socket is closed, ICMP), or that of a
 * socket in another network namespace, at either end of what is forwarded.
 *
 * Not for the counting programs themselves, which may not search the caches of all CPUs.
 */
#ifndef TM_OWNER_RECORDED_OWNER_BPF_H
#define TM_OWNER_RECORDED_OWNER_BPF_H

#include "common/flow_hash.bpf.h"
#include "common/flow_key.bpf.h"
#include "common/owner_maps.bpf.h"
#include "owner/forwarded.bpf.h"

/* Bounds the loop; with more CPUs a flow's owner may appear a second later. */
#define TM_CPUS_SEARCHED 256

/* The interface id that the counting programs write to flows now; the other of the interface's two ids
 * is in flows from when totals excluded it, or included it. */
const volatile __u32 tm_counted_id;

/* One a CPU: a global function takes numbers only, before 5.12. */
struct tm_owner_lookup {
	struct tm_flow_key key;
	__u64 owner_id;
	__u64 owner_at_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_owner_lookup);
} owner_lookup SEC(".maps");

static __always_inline void tm_take_newer(struct tm_owner_lookup *lookup, __u64 owner_id,
					  __u64 owner_at_ns)
{
	if (owner_at_ns <= lookup->owner_at_ns)
		return;
	lookup->owner_id = owner_id;
	lookup->owner_at_ns = owner_at_ns;
}

/* Until a slot is written back only the cache may have the sender. */
__noinline int tm_search_flow_caches(__u32 here)
{
	struct tm_owner_lookup *lookup = bpf_map_lookup_elem(&owner_lookup, &here);
	struct tm_flow_set *set;
	__u32 cpu, index, place;

	if (!lookup)
		return 0;
	place = tm_hash_flow(&lookup->key) & (tm_flow_sets - 1);
	for (cpu = 0; cpu < TM_CPUS_SEARCHED; cpu++) {
		if (cpu >= tm_cpus)
			break;
		index = cpu * tm_flow_sets + place;
		set = bpf_map_lookup_elem(&flow_cache, &index);
		if (!set)
			break;
		if (tm_same_flow(&set->way[0].key, &lookup->key))
			tm_take_newer(lookup, set->way[0].owner_id, set->way[0].owner_at_ns);
		else if (tm_same_flow(&set->way[1].key, &lookup->key))
			tm_take_newer(lookup, set->way[1].owner_id, set->way[1].owner_at_ns);
	}
	return 0;
}

static __always_inline __u64 tm_owner_of_flow(struct tm_owner_lookup *lookup, __u32 here,
					      __u32 interface_id)
{
	struct tm_flow *flow;

	lookup->key.interface_id = interface_id;
	lookup->owner_id = 0;
	lookup->owner_at_ns = 0;
	flow = bpf_map_lookup_elem(&flows, &lookup->key);
	if (flow)
		tm_take_newer(lookup, flow->owner_id, flow->owner_at_ns);
	tm_search_flow_caches(here);
	return lookup->owner_id;
}

/* tm_recorded_owner - owner_id that is recorded for the packet's flow, or 0. */
static __noinline __u64 tm_recorded_owner(const struct tm_flow_key *key)
{
	__u32 here = bpf_get_smp_processor_id();
	struct tm_owner_lookup *lookup = bpf_map_lookup_elem(&owner_lookup, &here);
	__u64 owner_id;

	if (!lookup)
		return 0;
	lookup->key = *key;
	owner_id = tm_owner_of_flow(lookup, here, tm_counted_id);
	if (!owner_id)
		owner_id = tm_owner_of_flow(lookup, here, tm_counted_id ^ 1);
	if (owner_id || !(key->flags & TM_FLOW_PORTS))
		return owner_id;
	owner_id = tm_foreign_owner(&lookup->key);
	if (owner_id)
		return owner_id;
	tm_set_other_end(&lookup->key, key);
	return tm_foreign_owner(&lookup->key);
}

#endif /* TM_OWNER_RECORDED_OWNER_BPF_H */
