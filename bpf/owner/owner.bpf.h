/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Processes as rows of `owners`.
 */
#ifndef TM_OWNER_BPF_H
#define TM_OWNER_BPF_H

#include "common/layers.bpf.h"

const volatile __u32 tm_has_pid; /* 1: programs on packets may call bpf_get_current_pid_tgid() */
const volatile __u32 tm_read_task =
	1; /* 0: programs of this type may not call bpf_get_current_task() */

static __always_inline __u64 tm_hash_owner(const struct tm_owner *owner)
{
	__u64 sum = owner->started_ns * 0x9e3779b97f4a7c15ULL +
		    owner->cgroup_id * 0xc2b2ae3d27d4eb4fULL +
		    (((__u64)owner->pid << 32) | owner->uid) * 0x165667b19e3779f9ULL;

	sum = (sum ^ (sum >> 32)) * 0xd6e8feb86659fd93ULL;
	sum ^= sum >> 29;
	return sum ? sum : 1;
}

/* The process of a task; its name is that of its first thread, as in /proc/PID/comm. */
static __always_inline void tm_fill_owner_of_task(struct task_struct *task, struct tm_owner *owner)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	owner->pid = BPF_CORE_READ(task, tgid);
	owner->uid = BPF_CORE_READ(task, cred, uid.val);
	owner->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	owner->started_ns = BPF_CORE_READ(leader, start_boottime);
	BPF_CORE_READ_INTO(&owner->comm, leader, comm);
}

static __always_inline void tm_fill_task_owner(struct tm_owner *owner)
{
	tm_fill_owner_of_task((struct task_struct *)bpf_get_current_task(), owner);
}

/* For programs on packets that may call one of the two helpers. */
static __always_inline __u32 tm_current_pid(void)
{
	struct task_struct *task;

	if (tm_has_pid)
		return bpf_get_current_pid_tgid() >> 32;
	task = (struct task_struct *)bpf_get_current_task();
	return BPF_CORE_READ(task, tgid);
}

/* Without the task (before 5.14 or so) there is no start time: a reused pid counts as the same process. */
static __always_inline void tm_fill_current_owner(struct tm_owner *owner)
{
	if (tm_read_task) {
		tm_fill_task_owner(owner);
		return;
	}
	owner->pid = bpf_get_current_pid_tgid() >> 32;
	owner->uid = bpf_get_current_uid_gid();
	owner->cgroup_id = bpf_get_current_cgroup_id();
	bpf_get_current_comm(owner->comm, sizeof(owner->comm));
}

/* A process with another comm has called exec(), and its names have to be recorded again. */
static __always_inline void tm_update_comm(struct tm_owner *known, const struct tm_owner *owner,
					   const __u64 *id)
{
	const __u64 *was = (const __u64 *)known->comm, *is = (const __u64 *)owner->comm;

	if (was[0] == is[0] && was[1] == is[1])
		return;
	__builtin_memcpy(known->comm, owner->comm, sizeof(known->comm));
	bpf_map_delete_elem(&processes, id);
}

/*
 * tm_get_or_create_owner - returns the id of the owner's row, or 0.
 * Where the table is full the process gets no row of its own: it shares one of its user and cgroup.
 */
static __noinline __u64 tm_get_or_create_owner(struct tm_owner *owner)
{
	struct tm_layer_counters *layer;
	struct tm_owner *known;
	__u64 id = tm_hash_owner(owner);

	known = bpf_map_lookup_elem(&owners, &id);
	if (known) {
		tm_update_comm(known, owner, &id);
		return id;
	}
	if (!bpf_map_update_elem(&owners, &id, owner, BPF_NOEXIST))
		return id;
	if (bpf_map_lookup_elem(&owners, &id)) /* another thread of it was faster */
		return id;
	layer = tm_layer_here(TM_LAYER_CGROUP_TX);
	if (layer)
		tm_atomic_add(&layer->owner_insert_failures, 1);
	owner->pid = 0;
	owner->started_ns = 0;
	__builtin_memset(owner->comm, 0, sizeof(owner->comm));
	id = tm_hash_owner(owner);
	bpf_map_update_elem(&owners, &id, owner, BPF_NOEXIST);
	return bpf_map_lookup_elem(&owners, &id) ? id : 0;
}

#endif /* TM_OWNER_BPF_H */
