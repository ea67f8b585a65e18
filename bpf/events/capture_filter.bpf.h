/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A capture's filter: steps in reverse Polish order, to which user space has compiled the expression
 * (trafficmon/capture/steps.py).
 */
#ifndef TM_EVENTS_CAPTURE_FILTER_BPF_H
#define TM_EVENTS_CAPTURE_FILTER_BPF_H

#include "common/owner_maps.bpf.h"
#include "parse/packet.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TM_MATCH_STEPS);
	__type(key, __u32);
	__type(value, struct tm_match);
} match_steps SEC(".maps");

/* What the steps compare. */
struct tm_match_packet {
	struct tm_flow_key key;
	__u64 owner_id;
	__u64 is_rx;
};

/* One a CPU, since a global function takes numbers only (pointers: since 5.12). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_match_packet);
} match_packet SEC(".maps");

const volatile __u32 tm_match_owner; /* 1: a step compares the owner */

static __always_inline bool tm_is_within(const __u8 *address, const struct tm_match *step)
{
	const __u64 *word = (const __u64 *)address;

	return (word[0] & step->mask[0]) == step->address[0] &&
	       (word[1] & step->mask[1]) == step->address[1];
}

static __always_inline bool tm_match_host(const struct tm_match *step,
					  const struct tm_match_packet *p)
{
	if (!(p->key.flags & step->family))
		return false;
	return (step->sides & TM_SIDE_LOCAL && tm_is_within(p->key.local_addr, step)) ||
	       (step->sides & TM_SIDE_REMOTE && tm_is_within(p->key.remote_addr, step));
}

static __always_inline bool tm_match_port(const struct tm_match *step,
					  const struct tm_match_packet *p)
{
	__u32 local = bpf_ntohs(p->key.local_port_be), remote = bpf_ntohs(p->key.remote_port_be);

	if (!(p->key.flags & TM_FLOW_PORTS))
		return false;
	return (step->sides & TM_SIDE_LOCAL && local >= step->low && local <= step->high) ||
	       (step->sides & TM_SIDE_REMOTE && remote >= step->low && remote <= step->high);
}

static __always_inline bool tm_match_owned(const struct tm_match *step, __u64 owner_id)
{
	struct tm_owner *owner = bpf_map_lookup_elem(&owners, &owner_id);

	if (!owner)
		return false;
	switch (step->kind) {
	case TM_MATCH_UID:
		return owner->uid == step->low;
	case TM_MATCH_PID:
		return owner->pid && owner->pid == step->low;
	default:
		return owner->cgroup_id == step->number;
	}
}

/*
 * A global function, which the verifier checks once and not for each path through the steps before, which
 * would exceed its limit of instructions.
 */
__attribute__((noinline)) int tm_match_term(__u32 index, __u32 cpu)
{
	const struct tm_match *step = bpf_map_lookup_elem(&match_steps, &index);
	const struct tm_match_packet *p = bpf_map_lookup_elem(&match_packet, &cpu);

	if (!step || !p)
		return 0;
	switch (step->kind) {
	case TM_MATCH_TRUE:
		return 1;
	case TM_MATCH_HOST:
		return tm_match_host(step, p);
	case TM_MATCH_PORT:
		return tm_match_port(step, p);
	case TM_MATCH_PROTOCOL:
		return p->key.flags & (TM_FLOW_IPV4 | TM_FLOW_IPV6) && p->key.protocol == step->low;
	case TM_MATCH_FAMILY:
		return p->key.flags & step->low ? 1 : 0;
	case TM_MATCH_DIRECTION:
		return p->is_rx == step->low;
	case TM_MATCH_INTERFACE:
		return p->key.interface_id == step->low;
	default:
		return tm_match_owned(step, p->owner_id);
	}
}

/* Whether the packet passes; without steps all do. The stack is a word, its top the lowest bit. */
static __noinline bool tm_matches(const struct tm_packet *packet, bool rx, __u64 owner_id)
{
	__u32 i, index, kind, cpu = bpf_get_smp_processor_id();
	struct tm_match_packet *p = bpf_map_lookup_elem(&match_packet, &cpu);
	const struct tm_match *step;
	__u64 stack = 1, top;

	if (!p)
		return false;
	p->key = packet->key;
	p->owner_id = owner_id;
	p->is_rx = rx;
	for (i = 0; i < TM_MATCH_STEPS; i++) {
		index = i;
		step = bpf_map_lookup_elem(&match_steps, &index);
		if (!step)
			break;
		kind = step->kind;
		if (kind == TM_MATCH_END)
			break;
		top = stack & 1;
		if (kind == TM_MATCH_NOT)
			stack ^= 1;
		else if (kind == TM_MATCH_AND)
			stack = (stack >> 1) & (top | ~1ULL);
		else if (kind == TM_MATCH_OR)
			stack = (stack >> 1) | top;
		else
			stack = stack << 1 | (tm_match_term(i, cpu) & 1);
	}
	return stack & 1;
}

#endif /* TM_EVENTS_CAPTURE_FILTER_BPF_H */
