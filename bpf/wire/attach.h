/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What attach has made, and where.
 */
#ifndef TM_WIRE_ATTACH_H
#define TM_WIRE_ATTACH_H

#include "wire/limits.h"
#include "wire/flow.h"

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
	__u32 group_id; /* of the readers, or TM_NO_GROUP */
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

#endif /* TM_WIRE_ATTACH_H */
