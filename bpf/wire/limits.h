/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Bounds of arrays and maps in the records.
 */
#ifndef TM_WIRE_LIMITS_H
#define TM_WIRE_LIMITS_H

#ifdef __bpf__ /* user space has the types from linux/types.h */
#include "vmlinux.h"
#endif

enum tm_limit {
	TM_SIZE_BUCKETS = 8, /* by enum tm_size_bound, and longer */
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
	TM_INTERFACE_ROWS = 2, /* of hook_counters: counted in totals, and excluded from them */
};

/* packets_by_size: the longest packets of each bucket but the last, bytes. */
enum tm_size_bound {
	TM_SIZE_BOUND_0 = 64,
	TM_SIZE_BOUND_1 = 128,
	TM_SIZE_BOUND_2 = 256,
	TM_SIZE_BOUND_3 = 512,
	TM_SIZE_BOUND_4 = 1024,
	TM_SIZE_BOUND_5 = 1518,
	TM_SIZE_BOUND_6 = 9000,
};

enum tm_group_mark {
	TM_NO_GROUP = 0xffffffff, /* tm_meta.group_id */
};

#endif /* TM_WIRE_LIMITS_H */
