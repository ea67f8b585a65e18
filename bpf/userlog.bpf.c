/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * userlog: IP packets by user, interface and the two addresses, for the log.
 *
 * Loaded and attached while a log is being written, after the counting programs on the same cgroup: so
 * the socket has its owner, and the bytes are those that are counted there. Each interval fills a table of
 * its own. User space puts a new one into `log_interval`; when that call returns, the kernel has waited
 * for every program that may still use the old one (maybe_wait_bpf_programs()), which is then complete.
 * Always returns TM_CGROUP_ALLOW.
 */
#include "common/program.bpf.h"
#include "common/flow_key.bpf.h"
#include "events/events.bpf.h"
#include "parse/ip_segments.bpf.h"

struct tm_log_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct tm_log_key);
	__type(value, struct tm_log_value);
} log_first SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct tm_log_table);
} log_interval SEC(".maps") = { .values = { &log_first } };

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} log_rows SEC(".maps");

const volatile __u32 tm_log_packets; /* 1: a row for each packet, at once */

static __noinline int tm_log_packet(const struct tm_log_key *key, __u64 bytes)
{
	struct tm_event_counts *counts = tm_event_counts_here(TM_EVENT_ROW);
	struct tm_log_row row = {};

	if (counts)
		tm_atomic_add(&counts->offered, 1);
	row.event = tm_event_now(TM_EVENT_ROW, key->is_rx, 0);
	row.key = *key;
	row.bytes = bytes;
	tm_emit(&log_rows, TM_EVENT_ROW, &row, sizeof(row));
	return 0;
}

static __always_inline bool tm_log_add(void *table, const struct tm_log_key *key, __u64 packets,
				       __u64 bytes)
{
	struct tm_log_value fresh = { packets, bytes }, *known;

	known = bpf_map_lookup_elem(table, key);
	if (!known) {
		if (!bpf_map_update_elem(table, key, &fresh, BPF_NOEXIST))
			return true;
		known = bpf_map_lookup_elem(table, key); /* another CPU was faster */
	}
	if (!known)
		return false;
	tm_atomic_add(&known->packets, packets);
	tm_atomic_add(&known->bytes, bytes);
	return true;
}

/* Where the table is full the bytes count for their user, without addresses. */
static __noinline int tm_log_interval(const struct tm_log_key *key, __u64 packets, __u64 bytes)
{
	struct tm_log_key others = { .uid = key->uid,
				     .ifindex = key->ifindex,
				     .foreign_netns = key->foreign_netns,
				     .is_rx = key->is_rx };
	__u32 index = 0;
	void *table = bpf_map_lookup_elem(&log_interval, &index);

	if (!table)
		return 0;
	if (!tm_log_add(table, key, packets, bytes))
		tm_log_add(table, &others, packets, bytes);
	return 0;
}

static __always_inline int tm_log(struct __sk_buff *skb, bool rx)
{
	struct tm_log_key key = { .is_rx = rx };
	__u32 packets = 1, bytes = skb->len;
	struct bpf_sock *sk = skb->sk;
	struct tm_socket *socket;
	struct tm_owner *owner;
	__u64 owner_id;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk)
		return TM_CGROUP_ALLOW;
	socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!socket)
		return TM_CGROUP_ALLOW;
	owner_id = socket->owner_id;
	owner = bpf_map_lookup_elem(&owners, &owner_id);
	if (!owner || !tm_load_ip(skb, &key.flags, key.source_addr, NULL, NULL))
		return TM_CGROUP_ALLOW;
	key.uid = owner->uid;
	key.ifindex = skb->ifindex;
	key.foreign_netns = socket->foreign_netns;
	if (skb->gso_segs > 1) {
		packets = skb->gso_segs;
		bytes += (packets - 1) * tm_ip_header_bytes(skb, sk->protocol);
	}
	if (tm_log_packets)
		tm_log_packet(&key, bytes);
	else
		tm_log_interval(&key, packets, bytes);
	return TM_CGROUP_ALLOW;
}

SEC("cgroup_skb/ingress")
int tm_log_rx(struct __sk_buff *skb)
{
	return tm_log(skb, true);
}

SEC("cgroup_skb/egress")
int tm_log_tx(struct __sk_buff *skb)
{
	return tm_log(skb, false);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
