/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * drops: packets that the kernel throws away, by the place in its code and, since 5.17
 * (c504e5c2f964), the reason.
 *
 * Counted are packets of the watched network namespace, and of sockets in the watched cgroup wherever
 * those are. kfree_skb runs for every namespace, and for messages that are no packets (unix, netlink).
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "common/atomic.bpf.h"
#include "events/events.bpf.h"
#include "owner/cgroup.bpf.h"

const volatile __u32 tm_has_reason;	 /* 1: the tracepoint has one */
const volatile __u32 tm_has_receiver;	 /* 1: and the receiving socket (6.11, c53795d48ee8) */
const volatile __u32 tm_reason_consumed; /* "no drop at all", as the running kernel numbers it */
const volatile __u64 tm_netns_cookie;	 /* of the watched namespace; 0: not known */
const volatile __u64 tm_netns_inode;
const volatile __u32 tm_has_snprintf;  /* 1: bpf_snprintf() is there (5.13, 7b15523a989b) */
const volatile __u64 tm_location_seed; /* odd, random */

#define TM_DST_POINTER (~1UL) /* the lowest bit of skb->_skb_refdst: no reference is held */

/* Whether @net is the watched namespace. The inode of one that has gone is given to the next. */
static __noinline int tm_is_monitored_netns(struct net *net)
{
	if (!net || BPF_CORE_READ(net, ns.inum) != tm_netns_inode)
		return false;
	if (!tm_netns_cookie || !bpf_core_field_exists(net->net_cookie))
		return true;
	return BPF_CORE_READ(net, net_cookie) == tm_netns_cookie;
}

static __always_inline bool tm_is_monitored_device(struct net_device *device)
{
	return device && tm_is_monitored_netns(BPF_CORE_READ(device, nd_net.net));
}

/* Neither a handshake's request nor what is left of a connection: those are other structures. */
static __always_inline bool tm_is_full_socket(__u8 state)
{
	return state != BPF_TCP_TIME_WAIT && state != BPF_TCP_NEW_SYN_RECV;
}

/* Whether @sk is of the watched namespace, or in the watched cgroup (0: no cgroup is). */
static __noinline int tm_is_monitored_socket(struct sock *sk)
{
	__u16 family;

	if (!sk)
		return false;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6 && family != AF_PACKET)
		return false;
	if (tm_is_monitored_netns(BPF_CORE_READ(sk, __sk_common.skc_net.net)))
		return true;
	if (!tm_cgroup_id || !tm_is_full_socket(BPF_CORE_READ(sk, __sk_common.skc_state)))
		return false;
	return tm_cgroup_id == TM_ROOT_CGROUP_ID ||
	       (bpf_core_field_exists(sk->sk_cgrp_data.cgroup) &&
		tm_is_cgroup_within(BPF_CORE_READ(sk, sk_cgrp_data.cgroup)));
}

/*
 * Whether the packet is ours to count. On its way it loses its device (tcp_v4_rcv() sets skb->dev to
 * NULL, UDP's queue writes a number over it), then has a socket or a route. Before 6.11 what a TCP
 * socket refuses may have none of them: that is counted, rather than hidden.
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

/* A number that tells addresses apart, and not where they are. */
static __always_inline __u64 tm_hash_location(__u64 address)
{
	__u64 mixed = address;
	int round;

	for (round = 0; round < 3; round++) {
		mixed = (mixed ^ (tm_location_seed >> round)) * tm_location_seed;
		mixed ^= mixed >> 29;
		mixed *= 0x9E3779B97F4A7C15;
		mixed ^= mixed >> 32;
	}
	return mixed >> 1 ? mixed >> 1 : 1;
}

/*
 * Where it was, as a number whose name is noted. Not the address: it would tell readers without root
 * where the kernel lies in memory, and they could not find its name.
 */
static __noinline __u64 tm_place(__u64 address)
{
	struct tm_place place = {};
	__u64 number;

	if (!tm_has_snprintf)
		return address;
	number = tm_hash_location(address);
	if (!bpf_map_lookup_elem(&drop_places, &number)) {
		BPF_SNPRINTF((char *)place.name, sizeof(place.name), "%ps", address);
		bpf_map_update_elem(&drop_places, &number, &place, BPF_ANY);
	}
	return number;
}

static __always_inline void tm_count_drop(const struct tm_drop_key *key, __u32 bytes)
{
	struct tm_drop *known, fresh = { .packets = 1, .bytes = bytes }, nothing = {};
	const struct tm_drop_key others = {};

	known = bpf_map_lookup_elem(&drops, key);
	if (!known) {
		/* before the table is full: the row of all that it has no room for */
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

struct tm_drop_header {
	union {
		struct {
			__u8 words;
			__u8 before_fragment[5];
			__u8 fragment[2]; /* flags, offset in units of eight bytes */
			__u8 ttl;
			__u8 protocol;
			__be16 checksum;
			__be32 source;
			__be32 destination;
		} ipv4;
		struct {
			__be32 begin;
			__be16 length;
			__u8 next;
			__u8 hops;
			__u64 source[2];
			__u64 destination[2];
		} ipv6;
	};
};

/* Between whom, as far as the header tells without a walk: no extension headers. */
static __always_inline void tm_drop_addresses(const struct sk_buff *skb, __u16 ethertype,
					      struct tm_flow_key *key)
{
	const unsigned char *header = skb->head + skb->network_header;
	struct tm_drop_header ip = {};
	__be16 ports[2] = {};
	__u32 bytes = sizeof(ip.ipv6);
	bool is_later_fragment = false;

	if (ethertype != ETH_P_IP && ethertype != ETH_P_IPV6)
		return;
	if (bpf_probe_read_kernel(&ip, sizeof(ip), header))
		return;
	if (ethertype == ETH_P_IP) {
		bytes = (ip.ipv4.words & 15) * 4;
		key->flags = TM_FLOW_IPV4;
		key->protocol = ip.ipv4.protocol;
		is_later_fragment = (ip.ipv4.fragment[0] & 0x1f) | ip.ipv4.fragment[1];
		__builtin_memcpy(key->local_addr, &ip.ipv4.source, 4);
		__builtin_memcpy(key->remote_addr, &ip.ipv4.destination, 4);
	} else {
		key->flags = TM_FLOW_IPV6;
		key->protocol = ip.ipv6.next;
		__builtin_memcpy(key->local_addr, ip.ipv6.source, 16);
		__builtin_memcpy(key->remote_addr, ip.ipv6.destination, 16);
	}
	if (key->protocol != IPPROTO_TCP && key->protocol != IPPROTO_UDP)
		return;
	if (is_later_fragment)
		return;
	if (bpf_probe_read_kernel(ports, sizeof(ports), header + bytes))
		return;
	key->local_port_be = ports[0];
	key->remote_port_be = ports[1];
	key->flags |= TM_FLOW_PORTS;
}

static __noinline int tm_emit_drop_event(struct sk_buff *skb, const struct tm_drop_key *drop)
{
	struct tm_drop_event told = {};
	struct net_device *device = BPF_CORE_READ(skb, dev);

	if (!tm_is_wanted(TM_EVENT_DROP))
		return 0;
	told.event = tm_event_now(TM_EVENT_DROP, 0, 0);
	told.drop = *drop;
	told.bytes = skb->len;
	if (tm_is_monitored_device(device)) /* numbers begin anew in each namespace */
		told.ifindex = BPF_CORE_READ(device, ifindex);
	tm_drop_addresses(skb, drop->ethertype, &told.key);
	tm_emit(&events, TM_EVENT_DROP, &told, sizeof(told));
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
