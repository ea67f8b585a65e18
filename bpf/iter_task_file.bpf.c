/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Sockets that were open before attach, and their owners, by the files that processes have open.
 *
 * Runs once, between the attach of sock_create (which sets the owner of new sockets) and of the programs
 * that count. Finds AF_PACKET sockets, too. A connection that waits for accept() has no file: it gets its
 * owner when a process reads or writes.
 */
#include "common/program.bpf.h"
#include "owner/names.bpf.h"
#include "owner/netns.bpf.h"
#include "owner/owner.bpf.h"
#include "owner/socket_storage.bpf.h"
#include "owner/tcp_bytes.bpf.h"
#include "owner/cgroup.bpf.h"

SEC("iter/task_file")
int tm_existing_sockets(struct bpf_iter__task_file *context)
{
	struct task_struct *task = context->task;
	struct file *file = context->file;
	struct tm_socket *known;
	struct tm_owner owner = {};
	struct socket *socket;
	struct sock *sk;
	__u64 owner_id;
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
	if (!tm_is_packet_family(family))
		return 0;
	known = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (known || !tm_is_in_cgroup(task))
		return 0;
	owner_id = tm_get_task_owner(task, &owner, false);
	known = tm_make_storage(sk, owner_id, owner.pid);
	if (!known)
		return 0;
	known->predates_attach = 1;
	known->foreign_netns = tm_is_in_foreign_netns(sk);
	tm_record_tcp_baseline(known, sk);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
