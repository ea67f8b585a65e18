/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The iterator over all sockets that have storage. Its pin is read like a file, by users with read
 * permission: one struct tm_socket_row after the other.
 */
#include "common/program.bpf.h"
#include "owner/socket_row.bpf.h"

SEC("iter/bpf_sk_storage_map")
int tm_sockets(struct bpf_iter__bpf_sk_storage_map *context)
{
	struct tm_socket *socket = context->value;
	struct sock *sk = context->sk;

	if (sk && socket)
		tm_write_row(context->meta->seq, sk, socket, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
