/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Drops, and events of all kinds but a capture's and a log's.
 */
#ifndef TM_WIRE_EVENT_H
#define TM_WIRE_EVENT_H

#include "wire/flow.h"

/* tm_drop_key.facts: what distinguishes a loss from housekeeping where the reason does not. */
enum tm_drop_fact {
	TM_DROP_NO_DATA = 1,   /* a TCP segment whose bytes its socket has taken */
	TM_DROP_TIME_WAIT = 2, /* for a TCP connection that has ended (from 6.11 on) */
};

struct tm_drop_key {
	__u64 location; /* of the instruction that dropped it: a number of `drop_places`, its highest bit 0;
			   before 5.13 the address */
	__u32 reason;	 /* enum skb_drop_reason of the running kernel; 0 before 5.17 */
	__u16 ethertype; /* host order */
	__u8 facts;	 /* enum tm_drop_fact */
	__u8 pad;
};

/* Value of `drop_places`: "function", or "function [module]". */
struct tm_place {
	__u8 name[TM_PLACE_BYTES];
};

/* Value of `drops`. */
struct tm_drop {
	__u64 packets;
	__u64 bytes;
};

/*
 * Events, each sent once through a ring buffer. Each kind counts its events so that
 * offered = delivered + limited + lost, always.
 */
enum tm_event_kind {
	TM_EVENT_CONN = 0,    /* a TCP connection was opened, or has ended */
	TM_EVENT_FLOW = 1,    /* a flow's first packet */
	TM_EVENT_TCP = 2,     /* a packet with SYN, FIN or RST */
	TM_EVENT_DROP = 3,    /* the kernel has dropped a packet */
	TM_EVENT_DNS = 4,     /* a DNS message, whole */
	TM_EVENT_SAMPLE = 5,  /* a captured packet */
	TM_EVENT_ROW = 6,     /* a packet for the log by user */
	TM_EVENT_WRITTEN = 7, /* a row of that log, written to its file: `log_counts` */
	TM_EVENT_KINDS = 8,
};

/* Value of `event_counts`, a row of cells (one a CPU) for each kind. Atomic adds. */
struct tm_event_counts {
	__u64 offered;
	__u64 delivered;
	__u64 limited;	      /* beyond the limit for its kind */
	__u64 lost;	      /* the ring buffer was full */
	__u64 second_jiffies; /* start of the second that `in_second` counts */
	__u64 in_second;
	__u64 pad[2];
};

/*
 * Value of `event_control`, one: the reader of events renews its heartbeat in it, once a second. Without a
 * heartbeat nothing is offered, except DNS messages, which wait in a ring buffer of their own.
 */
struct tm_event_control {
	__u64 alive_jiffies;
	__u32 kinds; /* a bit each */
	__u32 pad;
	__u32 limits[TM_EVENT_KINDS]; /* events a second, on each CPU; 0: any number */
};

/* The first member of every event. */
struct tm_event {
	__u64 at_ns; /* CLOCK_MONOTONIC */
	__u64 owner_id;
	__u8 kind; /* enum tm_event_kind */
	__u8 what; /* of a connection enum tm_conn_event; of a packet 1: towards this host, 0: away */
	__u8 pad[6];
};

enum tm_conn_event {
	TM_CONN_OPENED = 1,
	TM_CONN_CLOSED = 2,
};

/* The reason of a connection's end. */
enum tm_close_reason {
	TM_END_UNKNOWN = 0,
	TM_END_CLOSED_HERE = 1,	 /* this host's FIN was the first */
	TM_END_CLOSED_THERE = 2, /* the other end's FIN was the first */
	TM_END_RESET_HERE = 3,
	TM_END_RESET_THERE = 4,
	TM_END_TIMED_OUT = 5,
	TM_END_REFUSED = 6, /* reset before it was established */
	TM_END_UNREACHABLE = 7,
};

struct tm_conn {
	struct tm_event event;
	struct tm_flow_key key; /* interface_id: none */
	__u64 opened_ns;	/* 0: before attach */
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 app_rx_bytes; /* arrived in order */
	__u64 app_tx_bytes; /* sent, without retransmissions */
	__u64 cookie;
	__u32 srtt_us;
	__u32 min_rtt_us;
	__u32 retransmits;
	__u32 error;	   /* errno of the socket */
	__u8 role;	   /* enum tm_role */
	__u8 close_reason; /* enum tm_close_reason */
	__u8 pad[6];
};

/* TM_EVENT_FLOW, TM_EVENT_TCP */
struct tm_packet_event {
	struct tm_event event;
	struct tm_flow_key key;
	__u32 bytes; /* on the wire */
	__u8 tcp_flags;
	__u8 pad[3];
};

struct tm_drop_event {
	struct tm_event event;
	struct tm_drop_key drop;
	struct tm_flow_key key; /* flags 0: no IP header; local is the source. interface_id: none */
	__u32 bytes;
	__u32 ifindex; /* in the monitored namespace; 0: none, or another namespace's */
};

/* A DNS message, or a piece of a TCP stream that carries such. `copied` bytes follow. */
struct tm_dns {
	struct tm_event event;
	struct tm_flow_key key;
	__u32 bytes;	       /* of the message; of the packet's part of the stream */
	__u32 copied;	       /* of these */
	__u32 tcp_sequence;    /* of the first; host order */
	__u32 ingress_ifindex; /* ifindex that a forwarded packet came in by */
	__u8 tcp_flags;
	__u8 pad[7];
};

#endif /* TM_WIRE_EVENT_H */
