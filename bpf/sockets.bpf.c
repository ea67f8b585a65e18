/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The iterator over all sockets that have storage. Pinned, it is read like a file, by whoever has
 * read permission: struct tm_socket_row, one after the other.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "owner_maps.bpf.h"
#include "tcp.bpf.h"

#define TM_SRTT_SHIFT 3
#define TM_TCP_FIN_WAIT1 4
#define TM_TCP_LAST_ACK 9
#define TM_TCP_CLOSING 11

static __always_inline void tm_tell_addresses(struct sock *sk, struct tm_socket_row *row)
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
	row->netns_inode = net->ns.inum;
	if (bpf_core_field_exists(net->net_cookie)) /* as a number: 5.12 (3d368ab87cf6) */
		row->netns_cookie = net->net_cookie;
	row->cookie = common->skc_cookie.counter;
}

/* What was sent, and with what waits to be sent what was written: a FIN that waits is no byte. */
static __always_inline void tm_tell_tcp(struct sock *sk, struct tcp_sock *tcp,
					struct tm_socket_row *row)
{
	__u8 state = row->tcp_state;
	bool sends_fin = state == TM_TCP_FIN_WAIT1 || state == TM_TCP_LAST_ACK ||
			 state == TM_TCP_CLOSING;
	__u32 unsent = tcp->write_seq - tcp->snd_nxt;

	row->tcp_rx_bytes = tm_tcp_arrived(sk, tcp);
	row->tcp_read_bytes = tm_tcp_taken(sk, tcp);
	row->tcp_sent_bytes = tcp->bytes_sent - tcp->bytes_retrans;
	row->tcp_written_bytes = row->tcp_sent_bytes + (sends_fin && unsent ? unsent - 1 : unsent);
	row->srtt_us = tcp->srtt_us >> TM_SRTT_SHIFT;
	row->min_rtt_us = tcp->rtt_min.s[0].v;
	row->retransmits = tcp->total_retrans;
}

SEC("iter/bpf_sk_storage_map")
int tm_sockets(struct bpf_iter__bpf_sk_storage_map *context)
{
	struct tm_socket *socket = context->value;
	struct sock *sk = context->sk;
	struct tm_socket_row row = {};
	struct tcp_sock *tcp;

	if (!sk || !socket)
		return 0;
	__builtin_memcpy(&row.socket, socket, sizeof(row.socket));
	row.protocol = sk->sk_protocol;
	row.uid = sk->sk_uid.val;
	tm_tell_addresses(sk, &row);
	if (row.protocol == IPPROTO_TCP && (row.family == AF_INET || row.family == AF_INET6)) {
		tcp = bpf_skc_to_tcp_sock(sk);
		if (tcp && row.tcp_state != BPF_TCP_LISTEN)
			tm_tell_tcp(sk, tcp, &row);
	}
	bpf_seq_write(context->meta->seq, &row, sizeof(row));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
