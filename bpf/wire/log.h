/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The log by user.
 */
#ifndef TM_WIRE_LOG_H
#define TM_WIRE_LOG_H

#include "wire/event.h"

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

#endif /* TM_WIRE_LOG_H */
