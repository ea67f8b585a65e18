/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Reading the kernel's memory from programs on packets, where the kernel allows it.
 */
#ifndef TM_COMMON_KERNEL_MEMORY_BPF_H
#define TM_COMMON_KERNEL_MEMORY_BPF_H

#include "common/program.bpf.h"

const volatile __u32 tm_read_kernel; /* 1: programs of this type may */

#define tm_kernel_read(to, from) bpf_probe_read_kernel((to), sizeof(*(to)), (from))

#endif /* TM_COMMON_KERNEL_MEMORY_BPF_H */
