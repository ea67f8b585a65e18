/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Sockets that were there before attach: whose they are, by the files that processes have open.
 *
 * Run once, between sock_create (new sockets get their owner there) and the programs that count.
 * Sockets of the AF_PACKET family are found too. Accepted and not yet fetched ones are no files:
 * those get their owner when a process reads or writes.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "owner.bpf.h"
#include "tcp.bpf.h"

const volatile __u64 tm_cgroup_id;

/* Before 6.1 (b8b6ecbd2a7f) a cgroup has its ancestors' ids, since then pointers to them. */
struct cgroup___ids {
	int level;
	__u64 ancestor_ids[];
} __attribute__((preserve_access_index));

static __always_inline __u64 tm_ancestor_id(struct cgroup *group, int level)
{
	struct cgroup___ids *old = (void *)group;
	struct cgroup *above = NULL;
	__u64 id = 0;

	if (bpf_core_field_exists(group->ancestors)) {
		BPF_CORE_READ_INTO(&above, group, ancestors[level]);
		return BPF_CORE_READ(above, kn, id);
	}
	BPF_CORE_READ_INTO(&id, old, ancestor_ids[level]);
	return id;
}

static __always_inline bool tm_is_watched(struct task_struct *task)
{
	struct cgroup *group = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	int deepest = BPF_CORE_READ(group, level), level;

	for (level = 0; level < TM_CGROUP_LEVELS; level++)
		if (level <= deepest && tm_ancestor_id(group, level) == tm_cgroup_id)
			return true;
	return false;
}

/* What the application has read before is not to count as read since. */
static __always_inline __u64 tm_read_before(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp ? tm_tcp_taken(sk, tcp) : 0;
}

SEC("iter/task_file")
int tm_older_sockets(struct bpf_iter__task_file *context)
{
	struct task_struct *task = context->task;
	struct file *file = context->file;
	struct tm_socket fresh = {}, *known;
	struct tm_owner owner = {};
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6 && family != AF_PACKET)
		return 0;
	known = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (known || !tm_is_watched(task))
		return 0;
	tm_owner_of(task, &owner);
	fresh.owner_id = tm_own(&owner);
	fresh.pid = owner.pid;
	fresh.tcp_read_bytes = tm_read_before(sk);
	bpf_sk_storage_get(&sockets, sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
