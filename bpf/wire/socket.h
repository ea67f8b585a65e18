/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Sockets: what is stored on them, and what is listed of them.
 */
#ifndef TM_WIRE_SOCKET_H
#define TM_WIRE_SOCKET_H

#include "wire/limits.h"

/* What a socket has counted: atomic adds. */
struct tm_socket_counts {
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 app_rx_bytes;
	__u64 app_tx_bytes;
};

enum tm_role {
	TM_ROLE_UNKNOWN = 0,
	TM_ROLE_ACTIVE = 1,
	TM_ROLE_PASSIVE = 2,
};

/* tm_socket.write_seq_flags: what is known of the sequence numbers of the bytes that applications write. */
enum tm_write_seq_flag {
	TM_WRITE_SEQ_FIRST = 1,	    /* first_write_seq is known */
	TM_WRITE_SEQ_END = 2,	    /* end_write_seq is known: the connection has ended */
	TM_WRITE_SEQ_FIN = 4,	    /* a FIN takes one of these sequence numbers */
	TM_WRITE_SEQ_AT_ATTACH = 8, /* first_write_seq is write_seq as attach found it */
};

/* tm_socket.kind */
enum tm_socket_kind {
	TM_SOCKET_USER = 0,    /* processes have it open */
	TM_SOCKET_KERNEL = 1,  /* opened by the kernel: no program runs when the kernel closes it */
	TM_SOCKET_SUBFLOW = 2, /* likewise, a subflow of an MPTCP socket, whose owner it takes */
};

/*
 * Value of `sockets`, storage on the socket itself: freed with it, and copied from a listener to the
 * sockets accepted from it. So a listener counts apart from `own`, which starts at 0 with each child.
 *
 * The kernel puts eight bytes of its own before it at the start of a cache line: with those, members
 * share a line if the same side writes them. Incoming packets are counted on the CPU that the device
 * interrupted, calls on the CPU of the process, both at once, so neither may take the other's line.
 */
struct tm_socket {
	/* written when the socket or its owner is new, read by all */
	__u64 owner_id;
	__u32 pid;	  /* of the owner */
	__u8 role;	  /* enum tm_role */
	__u8 has_traffic; /* it has carried a packet of its own, not only its listener's */
	__u8 released;	  /* the last process has closed it */
	__u8 tcp_state;
	__u8 used_by_process; /* a process has called on it, as far as `last_users` records calls */
	__u8 predates_attach; /* it, or the listener that it was accepted from */
	__u8 close_reason;    /* enum tm_close_reason, as far as it is known yet */
	__u8 write_seq_flags; /* enum tm_write_seq_flag */
	__u8 foreign_netns;   /* it is in another network namespace than the monitored interfaces */
	__u8 kind;	      /* enum tm_socket_kind */
	__u8 pad[2];
	__u64 id;	       /* unique to this socket from its first packet on */
	__u64 opened_ns;       /* CLOCK_MONOTONIC; 0: before attach */
	__u32 first_write_seq; /* TCP's sequence number at which own.app_tx_bytes would be 0 */
	__u32 end_write_seq;
	__u64 tcp_written_at_attach; /* bytes the application had written; 0 if opened after attach */
	/* written by programs on packets */
	__u32 srtt_us;
	__u32 min_rtt_us;
	__u32 retransmits;
	__u32 pad_packets[5];
	struct tm_socket_counts
		own;	      /* from app_rx_bytes on it is on the next line, which calls write */
	__u64 tcp_read_bytes; /* bytes the application had read at the last look */
	__u64 tcp_read_at_attach; /* bytes it had read at attach; 0 if opened after attach */
	__u64 pad_calls[4];
	struct tm_socket_counts settled; /* the part of own that was added to owners already */
	struct tm_socket_counts listening;
	struct tm_socket_counts listening_settled;
};

/* Value of `last_users`: the process that used a socket last, and the bytes that all its users moved. */
struct tm_last_user {
	__u64 owner_id;
	__u64 app_rx_bytes;
	__u64 app_tx_bytes;
	__u32 pid;
	__u32 pad;
};

/* Value of `inflight_calls`. */
struct tm_inflight_call {
	__u64 socket; /* address of the struct socket */
	__u32 flags;  /* MSG_* */
	__u32 is_page;
};

/* What the iterators over sockets write for each socket. */
struct tm_socket_row {
	struct tm_socket socket;
	__u8 local_addr[16]; /* IPv4 in the first four bytes, the rest 0 */
	__u8 remote_addr[16];
	__u64 tcp_rx_bytes;   /* arrived in order */
	__u64 tcp_read_bytes; /* of these read by the application, since the connection was opened */
	__u64 tcp_sent_bytes;	 /* without retransmissions */
	__u64 tcp_written_bytes; /* written by the application, since the connection was opened */
	__u64 cookie;		 /* 0: the kernel has given it none yet */
	__u64 netns_cookie;	 /* 0: the kernel has none (before 5.12) */
	__u32 netns_inode;
	__u32 srtt_us;
	__u32 min_rtt_us;
	__u32 retransmits;
	__u32 uid; /* of the socket (sk_uid) */
	__u16 local_port_be;
	__u16 remote_port_be;
	__u16 protocol;
	__u8 family;	     /* AF_INET, AF_INET6, AF_PACKET */
	__u8 tcp_state;	     /* of other protocols: 1 if connected, 7 if not */
	__u32 bound_ifindex; /* the one interface it is bound to, in its own namespace; 0: any */
	__u16 type;	     /* SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, whose local_port is a protocol */
	__u8 pad[2];
	__u32 mptcp_token; /* shared by an MPTCP socket and its subflows; 0: none */
};

#endif /* TM_WIRE_SOCKET_H */
