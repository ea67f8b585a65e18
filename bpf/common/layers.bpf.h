/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A layer's own total, one cell for each CPU.
 */
#ifndef TM_COMMON_LAYERS_BPF_H
#define TM_COMMON_LAYERS_BPF_H

#include "common/atomic.bpf.h"
#include "common/owner_maps.bpf.h"

const volatile __u32 tm_cpus = 1; /* possible ones */

static __always_inline struct tm_layer_counters *tm_layer_here(enum tm_layer layer)
{
	__u32 index = layer * tm_cpus + bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&layers, &index);
}

#endif /* TM_COMMON_LAYERS_BPF_H */
