/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The records that BPF programs write and user space reads: the only place that lays them out.
 *
 * The BPF programs include it, and trafficmon/libbpf/_builder.py gives it to cffi, from which the numpy
 * dtypes are derived (trafficmon/layout.py). So: fixed-width integers, explicit padding, no kernel types, no
 * bit-fields, constants as enumerators. A change of a record raises TM_LAYOUT_VERSION, as does a change of
 * the names of pinned maps and programs.
 *
 * Times are jiffies: reading them costs nothing, bpf_ktime_get_ns() some 40 ns per packet. meta has the
 * factors to convert them to wall-clock time.
 */
#ifndef TM_WIRE_H
#define TM_WIRE_H

#ifdef __bpf__ /* user space has the types from linux/types.h */
#include "vmlinux.h"
#endif

enum tm_version {
	TM_MAGIC = 0x746d6f6e, /* "tmon": the first member of meta in all versions */
	TM_LAYOUT_VERSION = 8,
};

/* Where a packet was seen. Each has a row of hook_counters per interface. */
enum tm_hook {
	TM_HOOK_XDP_RX = 0,
	TM_HOOK_TC_RX = 1,
	TM_HOOK_TC_TX = 2,
	TM_HOOK_XDP_GENERIC =
		3, /* seen after GRO, and counted at tc again: this hook's totals only */
	TM_HOOKS = 4,
};

enum tm_limit {
	TM_SIZE_BUCKETS = 8, /* packets of up to 64 128 256 512 1024 1518 9000 bytes, and longer */
	TM_FLOW_WAYS = 2,
	TM_TCP_FLAGS = 8,
	TM_NAME_BYTES = 16, /* IFNAMSIZ */
	TM_REASON_BYTES = 128,
	TM_COMM_BYTES = 16, /* TASK_COMM_LEN */
	TM_PATH_BYTES = 256,
	TM_PATH_PARTS = 10,
	TM_FILE_NAME_BYTES = 80, /* with them struct tm_process is no larger than tm_cgroup_path */
	TM_CGROUP_NAME_BYTES = 96, /* docker-, 64 digits, .scope */
	TM_ARGUMENTS_BYTES = 128,
	TM_DNS_BYTES = 1232, /* of a message; the advised limit of DNS over UDP */
	TM_SAMPLE_BYTES = 65536,
	TM_PLACE_BYTES = 64, /* of a function's name */
	TM_MATCH_STEPS = 64,
	TM_PACKET_KINDS = 7, /* IPv4, IPv6, not IP, TCP, UDP, ICMP, other IP */
	TM_LAST_INTERFACE_NUMBER = 32767,
	TM_INTERFACE_HOOKS = 3,
	TM_HOST_HOOKS = 48,
};

/* tm_flow_key.flags. Every flow has one of the first two, so no flow has a key of zeroes. */
enum tm_flow_flag {
	TM_FLOW_IPV4 = 1,
	TM_FLOW_IPV6 = 2,
	TM_FLOW_PORTS = 4, /* the ports are known (port 0 is a port) */
};

/* A flow from this host's point of view: the local end is the destination of incoming packets. */
struct tm_flow_key {
	__u8 local_addr[16]; /* IPv4 in the first four bytes, the rest 0 */
	__u8 remote_addr[16];
	__u16 local_port_be;
	__u16 remote_port_be;
	__u16 interface_id; /* 2 * tm_interface.number + excluded_from_totals */
	__u8 protocol;
	__u8 flags; /* enum tm_flow_flag */
};

/* tm_service_key.kind: services partition the traffic of an interface; each packet is in exactly one. */
enum tm_service_kind {
	TM_SERVICE_PORT = 1,	  /* IP protocol with a port: number is the service's port */
	TM_SERVICE_PROTOCOL = 2,  /* IP protocol without */
	TM_SERVICE_ETHERTYPE = 3, /* not IP: number is the EtherType */
	TM_SERVICE_BROKEN = 4,	  /* an invalid IP header */
};

struct tm_service_key {
	__u16 row;	 /* as of hook_counters */
	__u16 number;	 /* host order */
	__u8 kind;	 /* enum tm_service_kind */
	__u8 ip_version; /* 4, 6, or 0 */
	__u8 protocol;
	__u8 pad;
};

/* Value of `services`, shared by all CPUs: atomic adds. */
struct tm_service {
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 flows; /* flows of it that were started */
};

/*
 * Value of `flows`, shared by all CPUs: atomic adds. What each packet writes comes first: the kernel's
 * element is a header of 48 bytes, the key of 40, and this. Padding to whole cache lines made it no
 * faster: with many flows the misses are those of pages (TLB).
 */
struct tm_flow {
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u32 last_seen_jiffies_low; /* the lower half */
	__u16 service_number; /* port of the service, decided when the flow is made; host order */
	__u8 tcp_flags_hint;  /* flags that are set in tcp_flags for certain */
	__u8 pad;
	__u8 tcp_flags
		[TM_TCP_FLAGS]; /* a byte a flag (FIN first), so that setting one needs no atomic or */
	__u64 first_seen_jiffies;
	__u64 owner_id; /* of the socket that sent it last; 0: not known */
	__u64 owner_at_ns; /* when that was looked up, CLOCK_MONOTONIC: the latest of all CPUs is valid */
};

/*
 * The write-back cache in front of `flows`: TM_FLOW_WAYS of these in a set, the sets of one CPU side
 * by side. What a slot has counted is not in `flows` until the slot is flushed; a reader adds both.
 * sequence is odd while key and counters are being changed together (flush, new resident).
 */
struct tm_flow_slot {
	struct tm_flow_key key;
	__u32 sequence;
	__u32 lives; /* misses that the resident still survives */
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 last_seen_jiffies;
	__u64 flushed_jiffies;
	__u64 first_seen_jiffies;
	__u64 owner_id;
	__u64 owner_at_ns;
	__u16 service_number;
	__u8 tcp_flags; /* as in the TCP header */
	__u8 pad[5];
};

struct tm_flow_set {
	struct tm_flow_slot way[TM_FLOW_WAYS];
};

/* The same in front of `services`, direct-mapped. */
struct tm_service_slot {
	struct tm_service_key key;
	__u32 sequence;
	__u32 lives;
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u8 pad[16];
};

/*
 * Value of `hook_counters`, one for each (row, hook, CPU): written by one CPU only, with plain adds. An
 * interface has two rows: 2 * its slot, and the next one, which counts while totals exclude the interface.
 * So what was in the totals stays in them, whatever happens to the interface.
 * The packets are the sum of packets_by_size. Two cache lines, so that CPUs do not share one; what
 * nearly all packets need is on the first.
 *
 * cache_score decides whether to look into the flow cache. A hit adds to it, a miss because of two residents
 * subtracts; at 0 the next cache_skip packets skip the cache.
 */
struct tm_hook_counters {
	__u64 bytes;
	__u32 cache_score;
	__u32 cache_skip;
	__u64 packets_by_size[TM_SIZE_BUCKETS];
	__u64 parse_errors;  /* packets with a broken IP header; counted above as well */
	__u64 super_packets; /* GSO/GRO super-packets seen; above they count as their segments */
	__u64 pad[4];
};

/* Value of `ledger`, one a CPU: what could not be counted where it belongs. */
struct tm_ledger {
	__u64 flow_inserts;
	__u64 flow_insert_failures; /* packets */
	__u64 flow_insert_failure_bytes;
	__u64 service_insert_failures; /* packets */
	__u64 service_insert_failure_bytes;
	__u64 fragment_insert_failures; /* datagrams whose later fragments will have no ports */
	__u64 pad[2];
};

/* First fragments, so that the later ones find their ports. */
struct tm_fragment_key {
	__u8 source_addr[16];
	__u8 destination_addr[16];
	__u32 identification_be;
	__u16 interface_id;
	__u8 protocol; /* 0 with IPv6, where reassembly ignores it */
	__u8 hook;     /* enum tm_hook */
};

struct tm_fragment {
	__u16 source_port_be;
	__u16 destination_port_be;
	__u32 end; /* offset after the last fragment counted, bytes */
	__u64 seen_jiffies;
	__u8 protocol;
	__u8 pad[7];
};

enum tm_owner_mark {
	TM_KERNEL_STARTED_NS = 1, /* started_ns of the kernel itself, which has no pid */
};

/*
 * Value of `owners`, by owner_id, which is a hash of the first four members. The counters were transferred
 * from sockets; what open sockets have counted since is still on those.
 * pid 0: the process of the socket is not known (the kernel's own, or the table was full).
 */
struct tm_owner {
	__u64 started_ns; /* task_struct.start_boottime of the process; 0 where it cannot be read */
	__u64 cgroup_id;
	__u32 pid; /* the thread group's, in the first pid namespace */
	__u32 uid; /* in the first user namespace */
	__u8 comm[TM_COMM_BYTES];
	__u64 rx_packets; /* IP packets at the cgroup layer */
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 app_rx_bytes; /* payload read by the application */
	__u64 app_tx_bytes; /* payload written by the application */
	__u64 connections;  /* closed sockets that carried a packet or were connected */
};

/* What a socket has counted: atomic adds. */
struct tm_socket_counts {
	__u64 rx_packets;
	__u64 rx_bytes;
	__u64 tx_packets;
	__u64 tx_bytes;
	__u64 app_rx_bytes;
	__u64 app_tx_bytes;
};

/*
 * Names that are kept when their process or cgroup has ended. A path is its parts from the last one on, up
 * to an empty one; without an empty one it is longer than this.
 */

/* Value of `processes`, by owner_id. */
struct tm_process {
	__u8 exe[TM_PATH_PARTS][TM_FILE_NAME_BYTES];
	__u8 arguments[TM_ARGUMENTS_BYTES]; /* the first bytes; a NUL ends each argument */
};

/* Value of `cgroup_paths`, by the cgroup's id. */
struct tm_cgroup_path {
	__u8 parts[TM_PATH_PARTS][TM_CGROUP_NAME_BYTES];
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

/* A row of `layers` each, a cell for each CPU. */
enum tm_layer {
	TM_LAYER_CGROUP_RX = 0,
	TM_LAYER_CGROUP_TX = 1,
	TM_LAYERS = 2,
};

/* Value of `layers`: the layer's own total. Atomic adds: one program may interrupt another. */
struct tm_layer_counters {
	__u64 packets;
	__u64 bytes;
	__u64 super_packets;   /* above they count as their segments */
	__u64 unowned_packets; /* of sockets that could get no owner */
	__u64 unowned_bytes;
	__u64 owner_insert_failures; /* processes without a row of their own */
	__u64 pad[2];
};

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

/* A captured packet; `copied` bytes follow. */
struct tm_sample {
	struct tm_event event;
	struct tm_flow_key key;
	__u32 bytes;
	__u32 copied;
	__u32 lost_before; /* samples that found no room in the ring buffer, on this CPU until now */
	__u16 vlan_tag;	   /* that the kernel has removed; host order */
	__u16 vlan_protocol_be; /* 0: none */
	__u32 cpu;
	__u32 pad;
};

/*
 * A step of a capture's filter, in reverse Polish order, on a stack of 64 bits: AND, OR and NOT pop their
 * operands and push the result.
 */
enum tm_match_kind {
	TM_MATCH_END = 0,
	TM_MATCH_AND = 1,
	TM_MATCH_OR = 2,
	TM_MATCH_NOT = 3,
	TM_MATCH_TRUE = 4,
	TM_MATCH_HOST = 5, /* address, under mask */
	TM_MATCH_PORT = 6, /* low..high */
	TM_MATCH_PROTOCOL = 7,
	TM_MATCH_FAMILY = 8,	/* low: enum tm_flow_flag */
	TM_MATCH_DIRECTION = 9, /* low: 1 in, 0 out */
	TM_MATCH_INTERFACE = 10,
	TM_MATCH_UID = 11,
	TM_MATCH_PID = 12,
	TM_MATCH_CGROUP = 13, /* number */
};

enum tm_match_side {
	TM_SIDE_LOCAL = 1,
	TM_SIDE_REMOTE = 2,
};

struct tm_match {
	__u8 kind;   /* enum tm_match_kind */
	__u8 sides;  /* enum tm_match_side */
	__u8 family; /* enum tm_flow_flag, of a host */
	__u8 pad[5];
	__u64 number;
	__u32 low;
	__u32 high;
	__u64 address[2];
	__u64 mask[2];
};

/* The log by user: key of the table that an interval fills. */
struct tm_log_key {
	__u8 source_addr[16]; /* IPv4 in the first four bytes, the rest 0 */
	__u8 destination_addr[16];
	__u32 uid;
	__u32 ifindex;
	__u8 is_rx;
	__u8 flags;	    /* enum tm_flow_flag; 0: all packets that found no room */
	__u8 foreign_netns; /* ifindex is of another network namespace than the monitored one */
	__u8 pad[5];
};

struct tm_log_value {
	__u64 packets;
	__u64 bytes; /* IP packets, as at the cgroup layer */
};

/* The same, of one packet. */
struct tm_log_row {
	struct tm_event event;
	struct tm_log_key key;
	__u64 bytes;
};

/* tm_interface.xdp_mode and .tc_mode */
enum tm_attach_mode {
	TM_ATTACH_OFF = 0,
	TM_ATTACH_XDP_NATIVE = 1,
	TM_ATTACH_XDP_GENERIC = 2,
	TM_ATTACH_XDP_OFFLOAD = 3,
	TM_ATTACH_TCX = 4,
	TM_ATTACH_CLSACT = 5,
};

/* tm_interface.state */
enum tm_interface_state {
	TM_INTERFACE_FREE = 0,
	TM_INTERFACE_ATTACHING = 1, /* started: any part of the record may be in place, or none */
	TM_INTERFACE_ATTACHED = 2,
	TM_INTERFACE_DETACHED = 3, /* no longer monitored; its counters stay readable */
};

/*
 * What a slot's cells and services held when its present interface got it: that is of removed interfaces,
 * which have no row in `interfaces`. Counters are never reset, so sums over slots are right at any time,
 * also while a slot gets another interface.
 */
struct tm_hook_base {
	__u64 bytes;
	__u64 packets_by_size[TM_SIZE_BUCKETS];
	__u64 parse_errors;
};

struct tm_interface_base {
	struct tm_hook_base hooks[TM_HOOKS];
	__u64 packets_by_kind
		[TM_PACKET_KINDS]; /* out of `services`: see trafficmon/reader/services.py */
};

/*
 * A hook as attach has made it, by the kernel's ids, which `status` compares with what the kernel reports,
 * also for readers who may not open links. program_id 0: there is none.
 */
struct tm_attached {
	__u32 program_id;
	__u32 link_id; /* 0: a cls_bpf filter, which has no link */
};

/* The same of a hook that a host has once. */
struct tm_host_attached {
	__u32 program_id;
	__u32 link_id;
	__u64 cgroup_id; /* that it is attached to, or limited to; 0: none */
};

/*
 * Value of `interfaces`, by slot. Written by attach and detach only. The members up to tc_priority
 * keep their places in all versions: filters of an older one are found by them.
 */
struct tm_interface {
	__u8 name[TM_NAME_BYTES];
	__u32 ifindex;
	__u8 state;		   /* enum tm_interface_state */
	__u8 xdp_mode;		   /* enum tm_attach_mode */
	__u8 tc_mode;		   /* enum tm_attach_mode */
	__u8 tc_rx;		   /* whether tc counts what comes in (XDP does not) */
	__u8 clsact_made;	   /* whether the clsact qdisc is ours to remove */
	__u8 excluded_from_totals; /* its packets also pass an attached interface below it */
	__u8 dns;		   /* whether its DNS messages are copied */
	__u8 exchanging;    /* some programs may still count by the previous excluded_from_totals */
	__u32 tc_rx_handle; /* of the cls_bpf filters, TM_ATTACH_CLSACT only */
	__u32 tc_tx_handle;
	__u16 tc_priority;
	__u16 link_header_bytes;      /* 14, or 0 for devices that carry bare IP */
	__u64 attached_at_ns;	      /* CLOCK_REALTIME */
	__u8 reason[TM_REASON_BYTES]; /* why XDP is as it is; UTF-8 */
	__u32 number;		      /* of `interface_names`; 0: the slot was never used */
	__u32 pad_number;
	struct tm_interface_base base;
	struct tm_attached hooks[TM_INTERFACE_HOOKS]; /* xdp, tc_rx, tc_tx: pins.KINDS */
};

/* Value of `interface_names`, by number. A number is reused when no flow has it any more. */
struct tm_interface_name {
	__u8 name[TM_NAME_BYTES];
};

/* Value of `meta`, one. The first three members keep their places in all versions. */
struct tm_meta {
	__u32 magic;
	__u32 layout_version;
	__u32 layout_bytes; /* sizeof(struct tm_meta) */
	__u32 cpus;
	__u32 flow_sets;     /* a CPU */
	__u32 service_slots; /* a CPU */
	__u32 max_flows;     /* as requested; the table has a few more */
	__u32 max_interfaces;
	__u64 netns_inode;
	__u64 netns_cookie;    /* 0: the kernel has none (before 5.14) */
	__u64 attached_at_ns;  /* CLOCK_REALTIME */
	__u64 jiffies_at;      /* jiffies and CLOCK_MONOTONIC, read together once: both */
	__u64 monotonic_ns_at; /* advance in step, so this is valid until the next boot */
	__u64 jiffy_ns;
	__u64 seed;	/* of the hashes; odd */
	__u32 group_id; /* of the readers; 0xffffffff: none */
	__u32 pad;
	__u8 program_version[32]; /* of the trafficmon that attached */
	__u8 cgroup[TM_PATH_BYTES];
	struct tm_host_attached host_hooks[TM_HOST_HOOKS]; /* in the order of pins.HOST_KINDS */
};

/* Value of `clock`: jiffies and CLOCK_MONOTONIC read together, by tm_clock under BPF_PROG_TEST_RUN. */
struct tm_clock {
	__u64 jiffies;
	__u64 monotonic_ns;
};

#endif /* TM_WIRE_H */
