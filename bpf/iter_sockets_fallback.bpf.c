/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The list of sockets where the kernel refuses iterators over the elements of maps (hardened kernels
 * answer EPERM to iter/bpf_sk_storage_map, iter/bpf_map_elem and iter/sockmap): three iterators find the
 * same sockets, and the reader drops duplicates by their cookies.
 *
 * Open files give most: all protocols, in all network namespaces. Connections that wait for accept(),
 * that the kernel is closing, and sockets in flight through SCM_RIGHTS have no open file: those are in
 * the tables of TCP and UDP, of which an iterator sees the network namespace of its reader.
 */
#include "common/program.bpf.h"
#include "owner/socket_row.bpf.h"

/* The helper makes a cookie for a socket that has none: another iterator may find the socket again. */
static __always_inline int tm_write_socket(struct seq_file *seq, struct sock *sk)
{
	struct tm_socket *socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);

	return socket ? tm_write_row(seq, sk, socket, bpf_get_socket_cookie(sk)) : 0;
}

SEC("iter/task_file")
int tm_sockets(struct bpf_iter__task_file *context)
{
	struct file *file = context->file;
	struct socket *socket;
	struct sock *sk;

	if (!context->task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (sk)
		tm_write_socket(context->meta->seq, sk);
	return 0;
}

SEC("iter/tcp")
int tm_sockets_tcp(struct bpf_iter__tcp *context)
{
	struct sock_common *found = context->sk_common;
	struct tcp_sock *tcp;

	if (!found)
		return 0;
	tcp = bpf_skc_to_tcp_sock(
		found); /* NULL in TIME_WAIT and SYN_RECV, which are not full sockets */
	if (tcp)
		tm_write_socket(context->meta->seq, (struct sock *)tcp);
	return 0;
}

SEC("iter/udp")
int tm_sockets_udp(struct bpf_iter__udp *context)
{
	struct udp_sock *udp = context->udp_sk;

	if (udp)
		tm_write_socket(context->meta->seq, (struct sock *)udp);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
