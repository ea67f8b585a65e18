/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Captured packets, and the filter that selects them.
 */
#ifndef TM_WIRE_CAPTURE_H
#define TM_WIRE_CAPTURE_H

#include "wire/event.h"

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

#endif /* TM_WIRE_CAPTURE_H */
