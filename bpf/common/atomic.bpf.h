/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The one atomic operation that every supported kernel has.
 */
#ifndef TM_COMMON_ATOMIC_BPF_H
#define TM_COMMON_ATOMIC_BPF_H

/* Not __sync_fetch_and_add: clang 20 compiles it to an instruction that Linux 5.10 refuses. */
#define tm_atomic_add(to, value) ((void)__atomic_fetch_add((to), (value), __ATOMIC_RELAXED))

#endif /* TM_COMMON_ATOMIC_BPF_H */
