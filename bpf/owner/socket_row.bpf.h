/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the iterators over sockets write: one struct tm_socket_row for each.
 */
#ifndef TM_OWNER_SOCKET_ROW_BPF_H
#define TM_OWNER_SOCKET_ROW_BPF_H

#include "common/owner_maps.bpf.h"
#include "owner/tcp_bytes.bpf.h"

static __always_inline void tm_fill_addresses(struct sock *sk, struct tm_socket_row *row)
{
	struct sock_common *common = &sk->__sk_common;
	struct net *net = common->skc_net.net;

	row->family = common->skc_family;
	if (row->family == AF_INET) {
		__builtin_memcpy(row->local_addr, &common->skc_rcv_saddr, 4);
		__builtin_memcpy(row->remote_addr, &common->skc_daddr, 4);
	} else if (row->family == AF_INET6) {
		bpf_probe_read_kernel(row->local_addr, 16, &common->skc_v6_rcv_saddr);
		bpf_probe_read_kernel(row->remote_addr, 16, &common->skc_v6_daddr);
	}
	row->local_port_be = bpf_htons(common->skc_num);
	row->remote_port_be = common->skc_dport;
	row->tcp_state = common->skc_state;
	row->bound_ifindex = common->skc_bound_dev_if;
	row->netns_inode = net->ns.inum;
	if (bpf_core_field_exists(net->net_cookie)) /* as a number: 5.12 (3d368ab87cf6) */
		row->netns_cookie = net->net_cookie;
	row->cookie = common->skc_cookie.counter;
}

static __always_inline void tm_fill_tcp(struct sock *sk, struct tcp_sock *tcp,
					struct tm_socket_row *row)
{
	row->tcp_rx_bytes = tm_tcp_received_bytes(sk, tcp);
	row->tcp_read_bytes = tm_tcp_read_bytes(sk, tcp);
	row->tcp_sent_bytes = tcp->bytes_sent - tcp->bytes_retrans;
	row->tcp_written_bytes = tm_tcp_written_bytes(sk, tcp);
	row->srtt_us = tcp->srtt_us >> TM_SRTT_SHIFT;
	row->min_rtt_us = tcp->rtt_min.s[0].v;
	row->retransmits = tcp->total_retrans;
}

/* By BTF of the running kernel: one without MPTCP has neither of the two types. */
static __always_inline __u32 tm_mptcp_token(struct sock *sk, const struct tm_socket *socket)
{
	struct inet_connection_sock *connection = (void *)sk;
	struct mptcp_subflow_context *subflow = NULL;
	struct mptcp_sock *mptcp = (void *)sk;

	if (!bpf_core_type_exists(struct mptcp_subflow_context))
		return 0;
	if (sk->sk_protocol == IPPROTO_MPTCP)
		return BPF_CORE_READ(mptcp, token);
	if (socket->kind != TM_SOCKET_SUBFLOW)
		return 0;
	subflow = BPF_CORE_READ(connection, icsk_ulp_data);
	return subflow ? BPF_CORE_READ(subflow, token) : 0;
}

/* tm_write_row - one row. @cookie: 0 where the caller does not make one. */
static __always_inline int tm_write_row(struct seq_file *seq, struct sock *sk,
					const struct tm_socket *socket, __u64 cookie)
{
	struct tm_socket_row row = {};
	struct tcp_sock *tcp;

	__builtin_memcpy(&row.socket, socket, sizeof(row.socket));
	row.type = sk->sk_type;
	row.protocol = sk->sk_protocol;
	row.uid = sk->sk_uid.val;
	row.mptcp_token = tm_mptcp_token(sk, socket);
	tm_fill_addresses(sk, &row);
	if (cookie)
		row.cookie = cookie;
	if (row.type == SOCK_STREAM && row.protocol == IPPROTO_TCP &&
	    (row.family == AF_INET || row.family == AF_INET6)) {
		tcp = bpf_skc_to_tcp_sock(sk);
		if (tcp && row.tcp_state != BPF_TCP_LISTEN)
			tm_fill_tcp(sk, tcp, &row);
	}
	return bpf_seq_write(seq, &row, sizeof(row));
}

#endif /* TM_OWNER_SOCKET_ROW_BPF_H */
