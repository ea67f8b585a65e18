/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * drops: packets that the kernel drops, by the place in its code and, since 5.17 (c504e5c2f964), the
 * reason.
 *
 * Counts packets of the monitored network namespace, and of sockets in the monitored cgroup in any
 * namespace. kfree_skb runs for every namespace, and for messages of unix and netlink sockets.
 */
#include "common/program.bpf.h"
#include "common/atomic.bpf.h"
#include "common/flow_key.bpf.h"
#include "events/drop_location.bpf.h"
#include "events/events.bpf.h"
#include "owner/monitored.bpf.h"

const volatile __u32 tm_has_reason;	 /* 1: the tracepoint has one */
const volatile __u32 tm_has_receiver;	 /* 1: and the receiving socket (6.11, c53795d48ee8) */
const volatile __u32 tm_reason_consumed; /* "no drop at all", as the running kernel numbers it */

#define TM_DST_POINTER (~1UL) /* the lowest bit of skb->_skb_refdst: no reference is held */

/*
 * Whether to count the packet. In the stack it loses its device (tcp_v4_rcv() sets skb->dev to NULL, UDP's
 * queue stores a number there), and then has a socket or a route. Before 6.11 a packet that a TCP socket
 * refuses may have none of these: it is counted rather than hidden.
 */
static __always_inline bool tm_is_drop_monitored(struct sk_buff *skb, struct sock *receiver)
{
	struct net_device *device = BPF_CORE_READ(skb, dev), *routed;
	struct sock *sk = BPF_CORE_READ(skb, sk);
	struct dst_entry *dst = (void *)(BPF_CORE_READ(skb, _skb_refdst) & TM_DST_POINTER);

	routed = dst ? BPF_CORE_READ(dst, dev) : NULL;
	if (tm_is_monitored_socket(receiver) || tm_is_monitored_socket(sk) ||
	    tm_is_monitored_device(device) || tm_is_monitored_device(routed))
		return true;
	return !tm_has_receiver && !device && !routed && !sk &&
	       (skb->protocol == bpf_htons(ETH_P_IP) || skb->protocol == bpf_htons(ETH_P_IPV6));
}

static __always_inline __u8 tm_drop_facts(struct sk_buff *skb, struct sock *receiver)
{
	struct sock *sk = receiver ? receiver : BPF_CORE_READ(skb, sk);
	__u8 state;

	if (!sk)
		return 0;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == BPF_TCP_TIME_WAIT)
		return TM_DROP_TIME_WAIT;
	if (skb->len || !tm_is_full_socket(state) || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	return TM_DROP_NO_DATA;
}

static __always_inline void tm_count_drop(const struct tm_drop_key *key, __u32 bytes)
{
	struct tm_drop *known, fresh = { .packets = 1, .bytes = bytes }, nothing = {};
	const struct tm_drop_key others = {};

	known = bpf_map_lookup_elem(&drops, key);
	if (!known) {
		/* made before the table is full: the row of all drops that find no room */
		bpf_map_update_elem(&drops, &others, &nothing, BPF_NOEXIST);
		if (!bpf_map_update_elem(&drops, key, &fresh, BPF_NOEXIST))
			return;
		known = bpf_map_lookup_elem(&drops, key); /* another CPU was faster */
		if (!known)
			known = bpf_map_lookup_elem(&drops, &others);
	}
	if (known) {
		tm_atomic_add(&known->packets, 1);
		tm_atomic_add(&known->bytes, bytes);
	}
}

static __noinline int tm_emit_drop_event(struct sk_buff *skb, const struct tm_drop_key *drop)
{
	struct tm_drop_event event = {};
	struct net_device *device = BPF_CORE_READ(skb, dev);

	if (!tm_is_wanted(TM_EVENT_DROP))
		return 0;
	event.event = tm_event_now(TM_EVENT_DROP, 0, 0);
	event.drop = *drop;
	event.bytes = skb->len;
	if (tm_is_monitored_device(device)) /* each namespace numbers from 1 */
		event.ifindex = BPF_CORE_READ(device, ifindex);
	tm_key_from_dropped(skb, drop->ethertype, &event.key);
	tm_emit(&events, TM_EVENT_DROP, &event, sizeof(event));
	return 0;
}

SEC("tp_btf/kfree_skb")
int tm_drop(__u64 *arguments)
{
	struct sk_buff *skb = (void *)arguments[0];
	struct tm_drop_key key = { .location = arguments[1] };
	struct sock *receiver = NULL;

	if (tm_has_reason)
		key.reason = arguments[2];
	if (tm_has_reason && key.reason == tm_reason_consumed)
		return 0;
	if (tm_has_receiver)
		receiver = (void *)arguments[3];
	if (!tm_is_drop_monitored(skb, receiver))
		return 0;
	key.location = tm_place(key.location);
	key.ethertype = bpf_ntohs(skb->protocol);
	key.facts = tm_drop_facts(skb, receiver);
	tm_count_drop(&key, skb->len);
	tm_emit_drop_event(skb, &key);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
