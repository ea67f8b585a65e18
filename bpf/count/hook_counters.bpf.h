/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A hook's own totals, which depend on no table.
 *
 * XDP and tc run with bottom halves off, so on one CPU none of our programs interrupts another: cells of
 * one CPU take plain adds.
 */
#ifndef TM_COUNT_HOOK_COUNTERS_BPF_H
#define TM_COUNT_HOOK_COUNTERS_BPF_H

#include "common/layers.bpf.h"
#include "common/maps.bpf.h"
#include "parse/packet.bpf.h"

static __always_inline __u32 tm_size_bucket(__u32 bytes)
{
	if (bytes <= TM_SIZE_BOUND_3)
		return bytes > TM_SIZE_BOUND_1 ? 2 + (bytes > TM_SIZE_BOUND_2)
					       : (bytes > TM_SIZE_BOUND_0);
	return bytes > TM_SIZE_BOUND_5 ? 6 + (bytes > TM_SIZE_BOUND_6)
				       : 4 + (bytes > TM_SIZE_BOUND_4);
}

/* Returns where it counted. */
static __always_inline struct tm_hook_counters *tm_count_hook(const struct tm_packet *p,
							      enum tm_hook hook, __u32 cpu)
{
	__u32 index = (tm_row * TM_HOOKS + hook) * tm_cpus + cpu;
	struct tm_hook_counters *seen = bpf_map_lookup_elem(&hook_counters, &index);
	__u32 rest = p->wire_bytes;

	if (tm_unlikely(!seen))
		return NULL;
	seen->bytes += p->wire_bytes;
	if (tm_unlikely(p->wire_packets > 1)) {
		rest -= (p->wire_packets - 1) * p->segment_bytes;
		seen->packets_by_size[tm_size_bucket(p->segment_bytes)] += p->wire_packets - 1;
		seen->super_packets++;
	}
	seen->packets_by_size[tm_size_bucket(rest)]++;
	if (tm_unlikely(p->kind == TM_SERVICE_BROKEN))
		seen->parse_errors++;
	return seen;
}

#endif /* TM_COUNT_HOOK_COUNTERS_BPF_H */
