/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What is counted on an interface: by hook, by service and by flow, with the caches in front of the tables.
 */
#ifndef TM_WIRE_FLOW_H
#define TM_WIRE_FLOW_H

#include "wire/limits.h"

/* Where a packet was seen. Each has a row of hook_counters per interface. */
enum tm_hook {
	TM_HOOK_XDP_RX = 0,
	TM_HOOK_TC_RX = 1,
	TM_HOOK_TC_TX = 2,
	TM_HOOK_XDP_GENERIC =
		3, /* seen after GRO, and counted at tc again: this hook's totals only */
	TM_HOOKS = 4,
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

#endif /* TM_WIRE_FLOW_H */
