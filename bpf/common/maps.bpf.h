/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The maps, the same in every object: the first attach makes them from one object and pins them, all
 * other objects reuse the pinned ones. attach sets sizes of 1 before it loads.
 *
 * What one CPU writes alone is a plain ARRAY indexed by CPU, not a PERCPU_ARRAY: the verifier inlines
 * its lookup on every kernel since 4.11 (PERCPU_ARRAY: since 6.10), and user space reads it in one call.
 * BPF_F_MMAPABLE aligns its values to a page, so that those of 64 bytes have a cache line each; else they
 * start 56 bytes into one. User space does not map them: a map opened read-only cannot be mapped.
 */
#ifndef TM_COMMON_MAPS_BPF_H
#define TM_COMMON_MAPS_BPF_H

#include "common/kernel_memory.bpf.h"
#include "common/layers.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct tm_flow_key);
	__type(value, struct tm_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_flow_set);
} flow_cache SEC(".maps");

/* Not preallocated: hundreds of services are usual, 65536 a protocol are possible. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct tm_service_key);
	__type(value, struct tm_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_service_slot);
} service_cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_hook_counters);
} hook_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_ledger);
} ledger SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tm_fragment_key);
	__type(value, struct tm_fragment);
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_interface);
} interfaces SEC(".maps");

/* By number: names outlive the slots, as flows do. Only attach writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TM_LAST_INTERFACE_NUMBER);
	__type(key, __u32);
	__type(value, struct tm_interface_name);
} interface_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_meta);
} meta SEC(".maps");

/*
 * Set between open and load. One copy of the programs is loaded for each interface, so all of these
 * are constants to the verifier and to the JIT: no lookup of the interface per packet.
 */
const volatile __u32 tm_row; /* 2 * the interface's slot + excluded_from_totals: where it counts */
const volatile __u32 tm_interface_id; /* 2 * its number + excluded_from_totals: of its flows' keys */
const volatile __u32 tm_link_header_bytes = 14;
const volatile __u32 tm_seek_mac; /* 1: find the start of each frame (tc after generic XDP) */
const volatile __u32 tm_count_flows = 1; /* 0: another hook counts this direction's flows */
const volatile __u32 tm_flow_sets = 1;	 /* a CPU; a power of two */
const volatile __u32 tm_service_slots = 1;
const volatile __u64 tm_flush_jiffies = 250; /* one second */
const volatile __u64 tm_seed = 1; /* odd, random: traffic cannot be aimed at one set of the cache */

static __always_inline struct tm_ledger *tm_ledger_here(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&ledger, &cpu);
}

#endif /* TM_COMMON_MAPS_BPF_H */
