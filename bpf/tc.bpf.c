/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * tc: what leaves an interface, and what enters it where XDP does not count that.
 *
 * Sees super-packets (GRO on ingress, GSO on egress) and counts the segments that they stand for.
 * Always returns TC_ACT_UNSPEC: nothing is dropped, redirected, marked or changed.
 */
#include "count/packet.bpf.h"
#include "parse/segments.bpf.h"
#include "parse/skb_packet.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_clock);
} clock SEC(".maps");

static __always_inline int tm_tc(struct __sk_buff *skb, enum tm_hook hook)
{
	struct tm_packet p = { .context = skb };

	__u32 before = tm_parse_skb(skb, &p, hook);

	tm_set_wire_size(skb, &p, before);
	tm_handle_dns(&p, hook);
	tm_count(&p, hook);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int tm_tc_rx(struct __sk_buff *skb)
{
	return tm_tc(skb, TM_HOOK_TC_RX);
}

SEC("tc")
int tm_tc_tx(struct __sk_buff *skb)
{
	return tm_tc(skb, TM_HOOK_TC_TX);
}

/* Not attached: attach runs it once, to read jiffies and CLOCK_MONOTONIC together. */
SEC("tc")
int tm_clock(struct __sk_buff *skb)
{
	__u32 index = 0;
	struct tm_clock *now = bpf_map_lookup_elem(&clock, &index);

	(void)skb;
	if (now) {
		now->jiffies = bpf_jiffies64();
		now->monotonic_ns = bpf_ktime_get_ns();
	}
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
