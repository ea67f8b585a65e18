/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Small programs and maps of every kind that trafficmon.libbpf handles, for its tests.
 *
 * Programs whose section begins with "?" are loaded only when a test requests them.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* include/uapi/linux/bpf.h */
#define PROBE_MAP_TYPE_PERCPU_HASH 5
#define PROBE_MAP_TYPE_RINGBUF 27

struct probe_record {
	__u64 number;
	__u8 text[8];
};

/* Twelve bytes: not a multiple of eight, so per-CPU values have padding. */
struct probe_value {
	__u32 first;
	__u32 second;
	__u32 third;
};

struct probe_map_name {
	__u32 id;
	char name[16];
};

const volatile __u8 probe_byte = 1;
const volatile __u16 probe_short = 2;
const volatile __u32 probe_word = 3;
const volatile __u64 probe_long = 4;
const volatile __s32 probe_signed = -5;

struct {
	__uint(type, PROBE_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} lru SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} array SEC(".maps");

struct {
	__uint(type, PROBE_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct probe_value);
} percpu_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct probe_value);
} percpu_array SEC(".maps");

/* How often each program ran: the index is the order of enum probe_program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} runs SEC(".maps");

enum probe_program {
	PROBE_FIRST = 0,
	PROBE_SECOND = 1,
	PROBE_RAW_TP = 2,
	PROBE_TP_BTF = 3,
	PROBE_TP = 4,
	PROBE_EMITTED = 5,
	PROBE_NO_ROOM = 6,
};

static __always_inline void probe_ran(__u32 program)
{
	__u64 *count = bpf_map_lookup_elem(&runs, &program);

	if (count)
		__sync_fetch_and_add(count, 1);
}

SEC("xdp")
int probe_xdp(struct xdp_md *xdp)
{
	probe_ran(PROBE_FIRST);
	return XDP_PASS;
}

SEC("xdp")
int probe_xdp_second(struct xdp_md *xdp)
{
	probe_ran(PROBE_SECOND);
	return XDP_PASS;
}

SEC("tc")
int probe_tc(struct __sk_buff *skb)
{
	probe_ran(PROBE_FIRST);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int probe_tc_second(struct __sk_buff *skb)
{
	probe_ran(PROBE_SECOND);
	return TC_ACT_UNSPEC;
}

SEC("cgroup_skb/egress")
int probe_cgroup(struct __sk_buff *skb)
{
	probe_ran(PROBE_FIRST);
	return 1;
}

SEC("cgroup_skb/egress")
int probe_cgroup_second(struct __sk_buff *skb)
{
	probe_ran(PROBE_SECOND);
	return 1;
}

/* What the constants were set to, in array[0..4]. */
SEC("tc")
int probe_constants(struct __sk_buff *skb)
{
	__u64 values[] = { probe_byte, probe_short, probe_word, probe_long, probe_signed };
	__u32 i, key;

	for (i = 0; i < sizeof(values) / sizeof(*values); i++) {
		key = i;
		bpf_map_update_elem(&array, &key, &values[i], BPF_ANY);
	}
	return 0;
}

/* A number from the frame back as the answer, and the frame longer by four bytes. */
SEC("tc")
int probe_lengthen(struct __sk_buff *skb)
{
	__u8 answer = 0;

	bpf_skb_load_bytes(skb, 20, &answer, sizeof(answer));
	bpf_skb_change_tail(skb, skb->len + 4, 0);
	return answer;
}

/* One record, numbered from 0 on. */
SEC("tc")
int probe_emit(struct __sk_buff *skb)
{
	__u32 emitted = PROBE_EMITTED;
	__u64 *count = bpf_map_lookup_elem(&runs, &emitted);
	struct probe_record *record;

	if (!count)
		return 0;
	record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (!record) {
		probe_ran(PROBE_NO_ROOM);
		return 0;
	}
	record->number = (*count)++;
	__builtin_memcpy(record->text, "record\0", 8);
	bpf_ringbuf_submit(record, 0);
	return 0;
}

/* This CPU's cells count, and keep its number. */
SEC("tc")
int probe_count_per_cpu(struct __sk_buff *skb)
{
	struct probe_value fresh = {}, *value;
	__u32 key = 1;

	value = bpf_map_lookup_elem(&percpu_array, &key);
	if (value) {
		value->first++;
		value->third = bpf_get_smp_processor_id();
	}
	key = 77;
	value = bpf_map_lookup_elem(&percpu_table, &key);
	if (!value) {
		bpf_map_update_elem(&percpu_table, &key, &fresh, BPF_NOEXIST);
		value = bpf_map_lookup_elem(&percpu_table, &key);
	}
	if (value) {
		value->first++;
		value->third = bpf_get_smp_processor_id();
	}
	return 0;
}

/* Looks nothing up before it reads: the verifier must refuse it. */
SEC("?tc")
int probe_refused(struct __sk_buff *skb)
{
	__u32 key = 3;
	__u64 *value = bpf_map_lookup_elem(&array, &key);

	return *value;
}

SEC("?raw_tp/task_newtask")
int probe_raw_tp(void *context)
{
	probe_ran(PROBE_RAW_TP);
	return 0;
}

SEC("?tp_btf/task_newtask")
int probe_tp_btf(__u64 *context)
{
	probe_ran(PROBE_TP_BTF);
	return 0;
}

SEC("?tp/task/task_newtask")
int probe_tp(void *context)
{
	probe_ran(PROBE_TP);
	return 0;
}

SEC("?fentry/tcp_sendmsg")
int probe_fentry(__u64 *context)
{
	return 0;
}

SEC("?kprobe/tcp_sendmsg")
int probe_kprobe(void *context)
{
	return 0;
}

struct bpf_map {
	__u32 id;
	char name[16];
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
} __attribute__((preserve_access_index));

/* All maps of the kernel: id and name. */
SEC("?iter/bpf_map")
int probe_maps(struct bpf_iter__bpf_map *context)
{
	struct probe_map_name found = {};
	struct bpf_map *map = context->map;

	if (!map)
		return 0;
	found.id = map->id;
	__builtin_memcpy(found.name, map->name, sizeof(found.name));
	bpf_seq_write(context->meta->seq, &found, sizeof(found));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
