/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A TCP connection as an event: owner, ends, bytes, and the reason of its end.
 */
#ifndef TM_EVENTS_CONN_EVENT_BPF_H
#define TM_EVENTS_CONN_EVENT_BPF_H

#include "events/events.bpf.h"
#include "common/flow_key.bpf.h"
#include "owner/tcp_bytes.bpf.h"

/* include/uapi/asm-generic/errno.h */
#define TM_EPIPE 32
#define TM_ECONNRESET 104
#define TM_ETIMEDOUT 110
#define TM_ECONNREFUSED 111

/* The kernel sets the socket's error before the state (tcp_reset(), tcp_write_err()); it sets none for a
 * reset that this host sends. */
static __always_inline enum tm_close_reason tm_close_reason_of(enum tm_close_reason known,
							       __u32 was, __u32 error)
{
	if (error == TM_ETIMEDOUT)
		return TM_END_TIMED_OUT;
	if (was == BPF_TCP_SYN_SENT)
		return error == TM_ECONNREFUSED ? TM_END_REFUSED
		       : error ? TM_END_UNREACHABLE
			       : TM_END_RESET_HERE; /* given up by the application */
	if (error == TM_ECONNRESET || error == TM_EPIPE || error == TM_ECONNREFUSED)
		return TM_END_RESET_THERE;
	if (was == BPF_TCP_ESTABLISHED || was == BPF_TCP_CLOSE_WAIT || was == BPF_TCP_SYN_RECV)
		return TM_END_RESET_HERE;
	return known;
}

/* tm_emit_conn_event - @what: @socket is established, or is about to be closed. */
static __noinline int tm_emit_conn_event(struct bpf_sock_ops *ops, struct tm_socket *socket,
					 enum tm_conn_event what)
{
	const struct tm_socket_counts *own = &socket->own;
	struct tm_conn conn = {};
	struct tcp_sock *tcp;

	if (!tm_is_wanted(TM_EVENT_CONN))
		return 0;
	conn.event = tm_event_now(TM_EVENT_CONN, what, socket->owner_id);
	tm_key_from_sock_ops(ops, &conn.key);
	conn.opened_ns = socket->opened_ns;
	conn.rx_packets = own->rx_packets;
	conn.rx_bytes = own->rx_bytes;
	conn.tx_packets = own->tx_packets;
	conn.tx_bytes = own->tx_bytes;
	conn.cookie = bpf_get_socket_cookie(ops);
	conn.srtt_us = socket->srtt_us;
	conn.min_rtt_us = socket->min_rtt_us;
	conn.retransmits = ops->total_retrans;
	conn.role = socket->role;
	tcp = tm_ops_tcp(ops);
	if (tcp) {
		conn.app_rx_bytes = tm_tcp_received_bytes((struct sock *)tcp, tcp);
		conn.app_tx_bytes = tcp->bytes_sent - tcp->bytes_retrans;
		conn.error = ((struct sock *)tcp)->sk_err;
	}
	if (what == TM_CONN_CLOSED)
		conn.close_reason =
			tm_close_reason_of(socket->close_reason, ops->args[0], conn.error);
	tm_emit(&events, TM_EVENT_CONN, &conn, sizeof(conn));
	return 0;
}

#endif /* TM_EVENTS_CONN_EVENT_BPF_H */
