/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * sock_ops: the life of TCP connections. Role, round trip times, retransmits and states, on the socket; and
 * an event when a connection is opened and when it ends.
 *
 * The kernel calls back for RTT, RETRANS and STATE only once their flags are set: when it is about to
 * connect (so that the end of a refused connection is seen), else from ESTABLISHED on. These programs run
 * in the context of any process (the passive side opens in softirq), so they do not look at it.
 */
#include "common/program.bpf.h"
#include "events/conn_event.bpf.h"
#include "owner/settle.bpf.h"

#define TM_CALLBACKS \
	(BPF_SOCK_OPS_RTT_CB_FLAG | BPF_SOCK_OPS_RETRANS_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG)

/*
 * Record the sequence number of the application's first byte (@syn: 1 where a SYN comes first), from
 * which the last close derives how many bytes were written. A socket may be connected more than once.
 */
static __always_inline void tm_record_first_write_seq(struct bpf_sock_ops *ops,
						      struct tm_socket *socket, __u32 syn)
{
	struct tcp_sock *tcp = tm_ops_tcp(ops);

	if (!tcp)
		return;
	socket->first_write_seq = tcp->write_seq + syn - (__u32)socket->own.app_tx_bytes;
	socket->write_seq_flags = TM_WRITE_SEQ_FIRST;
}

/* disconnect() resets the sequence numbers of a closed socket, before a blocked write returns. */
static __always_inline void tm_record_end_write_seq(struct bpf_sock_ops *ops,
						    struct tm_socket *socket)
{
	struct tcp_sock *tcp = tm_ops_tcp(ops);

	if (!tcp)
		return;
	socket->end_write_seq = tcp->write_seq;
	socket->write_seq_flags |= TM_WRITE_SEQ_END;
}

static __always_inline void tm_enable_callbacks(struct bpf_sock_ops *ops)
{
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | TM_CALLBACKS);
}

static __always_inline void tm_on_established(struct bpf_sock_ops *ops, struct tm_socket *socket,
					      enum tm_role role)
{
	tm_enable_callbacks(ops);
	socket->role = role;
	socket->tcp_state = BPF_TCP_ESTABLISHED;
	socket->close_reason = TM_END_UNKNOWN;
	if (socket->kind == TM_SOCKET_SUBFLOW)
		socket->released = 0; /* tm_on_closed() sees its end */
	socket->srtt_us = ops->srtt_us >> TM_SRTT_SHIFT;
	tm_emit_conn_event(ops, socket, TM_CONN_OPENED);
}

static __always_inline void tm_record_rtt(struct bpf_sock_ops *ops, struct tm_socket *socket)
{
	socket->srtt_us = ops->srtt_us >> TM_SRTT_SHIFT;
	socket->min_rtt_us = ops->rtt_min;
}

/* A connection whose listener was closed before accept(): no process will close it. */
static __always_inline bool tm_is_orphan(struct bpf_sock_ops *ops)
{
	struct tcp_sock *tcp = tm_ops_tcp(ops);

	return tcp && !((struct sock *)tcp)->sk_socket;
}

/* After the last state nothing more is counted, though a process may keep the socket open. */
static __always_inline void tm_on_closed(struct bpf_sock_ops *ops, struct tm_socket *socket)
{
	tm_record_rtt(ops, socket);
	socket->retransmits = ops->total_retrans;
	tm_emit_conn_event(ops, socket, TM_CONN_CLOSED);
	if (socket->kind == TM_SOCKET_USER && !socket->released && tm_is_orphan(ops)) {
		socket->released = 1;
		tm_count_connection(socket);
	} else if (socket->kind == TM_SOCKET_SUBFLOW) {
		socket->released = 1;
	}
	tm_transfer_counts(socket, 0, 0);
}

static __always_inline void tm_on_state(struct bpf_sock_ops *ops, struct tm_socket *socket)
{
	socket->tcp_state = ops->args[1];
	switch (ops->args[1]) {
	case BPF_TCP_FIN_WAIT1:
		socket->close_reason = TM_END_CLOSED_HERE;
		socket->write_seq_flags |= TM_WRITE_SEQ_FIN;
		break;
	case BPF_TCP_LAST_ACK:
		socket->write_seq_flags |= TM_WRITE_SEQ_FIN;
		break;
	case BPF_TCP_CLOSE_WAIT:
		socket->close_reason = TM_END_CLOSED_THERE;
		break;
	case BPF_TCP_CLOSE:
		tm_record_end_write_seq(ops, socket);
		tm_on_closed(ops, socket);
		break;
	}
}

SEC("sockops")
int tm_sock_ops(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct tm_socket *socket;

	if (!sk)
		return TM_CGROUP_ALLOW;
	socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
	if (!socket)
		return TM_CGROUP_ALLOW;
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		tm_enable_callbacks(ops);
		socket->role = TM_ROLE_ACTIVE;
		socket->tcp_read_bytes = 0;
		tm_record_first_write_seq(ops, socket, 1);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		tm_on_established(ops, socket, TM_ROLE_ACTIVE);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		tm_record_first_write_seq(ops, socket, 0);
		socket->opened_ns = bpf_ktime_get_ns(); /* it was copied from the listener */
		tm_on_established(ops, socket, TM_ROLE_PASSIVE);
		break;
	case BPF_SOCK_OPS_RTT_CB:
		tm_record_rtt(ops, socket);
		break;
	case BPF_SOCK_OPS_RETRANS_CB:
		socket->retransmits = ops->total_retrans;
		break;
	case BPF_SOCK_OPS_STATE_CB:
		tm_on_state(ops, socket);
		break;
	}
	return TM_CGROUP_ALLOW;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
