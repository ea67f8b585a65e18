/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * capture: copies of packets that a filter selects, with their owners.
 *
 * Not part of tc.bpf.c: loaded and attached while a capture runs, so that it costs nothing otherwise, and
 * its links end with their process. Parses as the counting programs do, from the same headers.
 * Always returns TC_ACT_UNSPEC.
 */
#include "events/events.bpf.h"
#include "owner/recorded_owner.bpf.h"
#include "events/capture_filter.bpf.h"
#include "parse/skb_packet.bpf.h"

const volatile __u32 tm_snap_bytes = 256;
const volatile __u32 tm_sample_below; /* of a random 32-bit number; 0: all packets */

struct tm_sample_scratch {
	struct tm_sample head;
	__u8 data[TM_SAMPLE_BYTES];
};

/* One a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_sample_scratch);
} sample_scratch SEC(".maps");

/* Of this capture alone: others may run at the same time. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} samples SEC(".maps");

/* A row for each interface, a cell for each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_event_counts);
} sample_counts SEC(".maps");

static __always_inline struct tm_event_counts *tm_sample_counts_here(void)
{
	__u32 index = tm_row * tm_cpus + bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&sample_counts, &index);
}

/*
 * The owner of the packet. An incoming one has not been delivered yet: the socket that will get it is
 * looked up, also for TCP. Where this namespace has none, the record of the flow has the owner.
 */
static __noinline __u64 tm_packet_owner(const struct tm_packet *p, bool rx)
{
	__u64 owner_id;

	if (!rx)
		owner_id = tm_sender_owner(p->context, &p->key);
	else if (p->key.protocol == IPPROTO_TCP)
		owner_id = tm_lookup_socket_owner(p->context, &p->key, true);
	else
		owner_id = tm_receiver_owner(p->context, &p->key);
	return owner_id ? owner_id : tm_recorded_owner(&p->key);
}

/* @hidden: tm_hidden_header_bytes() */
static __noinline int tm_sample_packet(struct __sk_buff *skb, const struct tm_packet *p, bool rx,
				       __u64 owner_id, __u32 hidden)
{
	struct tm_event_counts *counts = tm_sample_counts_here();
	__u32 cpu = bpf_get_smp_processor_id(), size = skb->len + hidden;
	struct tm_sample_scratch *scratch = bpf_map_lookup_elem(&sample_scratch, &cpu);
	long failed;

	if (!scratch || !counts)
		return 0;
	counts->offered++;
	scratch->head.event = tm_event_now(TM_EVENT_SAMPLE, rx, owner_id);
	scratch->head.key = p->key;
	scratch->head.bytes = size;
	scratch->head.lost_before = counts->lost;
	scratch->head.cpu = cpu;
	scratch->head.vlan_tag = skb->vlan_tci;
	scratch->head.vlan_protocol_be = skb->vlan_present ? skb->vlan_proto : 0;
	if (size > tm_snap_bytes)
		size = tm_snap_bytes;
	size = tm_at_most(size, TM_SAMPLE_BYTES);
	failed =
		hidden ? bpf_skb_load_bytes_relative(skb, 0, scratch->data, size, BPF_HDR_START_MAC)
		       : bpf_skb_load_bytes(skb, 0, scratch->data, size);
	if (failed)
		size = 0;
	scratch->head.copied = size;
	failed = bpf_ringbuf_output(&samples, scratch, sizeof(scratch->head) + size,
				    tm_wakeup_flags(&samples));
	if (failed)
		counts->lost++;
	else
		counts->delivered++;
	return 0;
}

static __always_inline int tm_capture(struct __sk_buff *skb, enum tm_hook hook)
{
	struct tm_packet p = { .context = skb };
	__u64 owner_id = 0;
	bool rx = tm_is_rx(hook);
	__u32 hidden = tm_parse_skb(skb, &p, hook);

	if (tm_match_owner)
		owner_id = tm_packet_owner(&p, rx);
	if (!tm_matches(&p, rx, owner_id))
		return TC_ACT_UNSPEC;
	if (tm_sample_below && bpf_get_prandom_u32() >= tm_sample_below)
		return TC_ACT_UNSPEC;
	if (!tm_match_owner)
		owner_id = tm_packet_owner(&p, rx);
	tm_sample_packet(skb, &p, rx, owner_id, hidden);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int tm_capture_rx(struct __sk_buff *skb)
{
	return tm_capture(skb, TM_HOOK_TC_RX);
}

SEC("tc")
int tm_capture_tx(struct __sk_buff *skb)
{
	return tm_capture(skb, TM_HOOK_TC_TX);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
