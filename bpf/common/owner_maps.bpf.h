/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The maps of owners, sockets and drops: shared by their objects, and with tc, which makes all maps.
 */
#ifndef TM_COMMON_OWNER_MAPS_BPF_H
#define TM_COMMON_OWNER_MAPS_BPF_H

#include "common/program.bpf.h"

#define TM_ROOT_CGROUP_ID 1 /* kernfs numbers from 1, the root first */

/* Neither hash nor eviction: the kernel frees it with the socket. The value is copied on accept. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct tm_socket);
} sockets SEC(".maps");

/* Preallocated: it is written from tracing programs, which may interrupt the memory allocator. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct tm_owner);
} owners SEC(".maps");

/* Written once for each process and cgroup; memory is allocated for each. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct tm_process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct tm_cgroup_path);
} cgroup_paths SEC(".maps");

/* A value of zeroes to make such rows from: the stack has no room for one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_cgroup_path);
} zeroes SEC(".maps");

/*
 * Locks for the transfer of sockets' counts, by socket id: the CPU that inserts the key has the lock, and
 * deletes the key. Of atomic operations 5.10 has but the plain add, and tracing programs cannot take a spin
 * lock; to insert a key that does not exist is atomic on every kernel.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u8);
} socket_locks SEC(".maps");

/*
 * owner_id of sockets in other network namespaces, by their own addresses and ports (interface_id 0; of UDP
 * also without the remote ones). Needed from a socket's first packet until that is forwarded, and when
 * the owner of a flow is looked up again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tm_flow_key);
	__type(value, __u64);
} foreign_owners SEC(".maps");

/*
 * Where the app layer cannot reach the storage (app_fallback.bpf.c): the process that used a socket last,
 * by the socket's cookie. Else it is empty and takes no memory. A row is deleted with its socket.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct tm_last_user);
} last_users SEC(".maps");

/* Calls between the two kprobes, by thread. The thread's next call overwrites one whose end was missed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct tm_inflight_call);
} inflight_calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tm_layer_counters);
} layers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct tm_drop_key);
	__type(value, struct tm_drop);
} drops SEC(".maps");

/* Functions by tm_drop_key.location, from 5.13 on. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct tm_place);
} drop_places SEC(".maps");

#endif /* TM_COMMON_OWNER_MAPS_BPF_H */
