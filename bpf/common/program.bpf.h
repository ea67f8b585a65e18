/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What every program and every header starts from: the kernel's types, libbpf's helpers, our records.
 */
#ifndef TM_COMMON_PROGRAM_BPF_H
#define TM_COMMON_PROGRAM_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "wire.h"

/* A header serves several programs, each of which uses a part of it. */
#pragma clang diagnostic ignored "-Wunused-function"

/* Lays the path of nearly all packets out in one line; the rest of the code follows after it. */
#define tm_likely(condition) __builtin_expect(!!(condition), 1)
#define tm_unlikely(condition) __builtin_expect(!!(condition), 0)

/* The verdict of a cgroup program that lets the packet or the system call pass. */
#define TM_CGROUP_ALLOW 1

/*
 * Flags of calls that consume no payload: MSG_PEEK leaves it in the socket, and the error queue holds
 * errors, or payload that was sent.
 */
#define TM_MSG_NOT_CONSUMED (MSG_PEEK | MSG_ERRQUEUE)

#endif /* TM_COMMON_PROGRAM_BPF_H */
