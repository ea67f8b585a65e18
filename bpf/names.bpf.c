/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Names of processes that change: by exec(), by prctl() and by a write to /proc/PID/comm. Only of processes
 * that have a row in `owners`: those without sockets are not monitored.
 *
 * Without these a process that has ended would keep the name that it had when it first used a socket.
 */
#include "common/program.bpf.h"
#include <bpf/bpf_tracing.h>

#include "owner/names.bpf.h"

/* The row of a task's process, if it has one. @id: set to the row's key. */
static __always_inline struct tm_owner *tm_known_owner(struct task_struct *task, __u64 *id)
{
	struct tm_owner owner = {};

	tm_fill_owner_of_task(task, &owner);
	*id = tm_hash_owner(&owner);
	return bpf_map_lookup_elem(&owners, id);
}

/* Runs before the name changes, and at exec() before sched_process_exec. A process has the name of its
 * first thread. */
SEC("tp_btf/task_rename")
int BPF_PROG(tm_renamed, struct task_struct *task, const char *comm)
{
	struct tm_owner *known;
	__u64 id;

	if (task->group_leader != task)
		return 0;
	known = tm_known_owner(task, &id);
	if (known)
		bpf_probe_read_kernel_str(known->comm, sizeof(known->comm), comm);
	return 0;
}

/* The new program's memory is in place, and its code has not run yet. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(tm_executed, struct task_struct *task)
{
	__u64 id;

	if (!tm_known_owner(task, &id))
		return 0;
	bpf_map_delete_elem(&processes, &id);
	tm_record_current_process(id);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
