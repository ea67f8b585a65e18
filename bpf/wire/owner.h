/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Processes, users and cgroups, and the totals of layers.
 */
#ifndef TM_WIRE_OWNER_H
#define TM_WIRE_OWNER_H

#include "wire/limits.h"

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

#endif /* TM_WIRE_OWNER_H */
