/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The hook's contract: what a program on packets has to provide to the parser and to all that counts.
 *
 * hook_skb.bpf.h keeps it for tc, and hook_xdp.bpf.h for XDP, which defines TM_XDP. What follows is all
 * that differs between the two. All others include hook.bpf.h, which chooses.
 */
#ifndef TM_PARSE_CONTEXT_BPF_H
#define TM_PARSE_CONTEXT_BPF_H

#include "common/program.bpf.h"

#ifdef TM_XDP
#define TM_CONTEXT struct xdp_md
#else
#define TM_CONTEXT struct __sk_buff
#endif

/* data..data_end is the linear part of the frame; @length counts all of it. */
struct tm_frame {
	TM_CONTEXT *context;
	void *data;
	void *data_end;
	__u32 length;
};

static struct tm_frame tm_open_frame(TM_CONTEXT *context);

/* Copies from anywhere in the frame, also from after its linear part. Returns 0, or -1. */
static int tm_read_beyond(TM_CONTEXT *context, __u32 offset, void *to, __u32 size);

/* ifindex by which a forwarded packet came in; 0: it comes from this host, or it is coming in */
static __u32 tm_ingress_ifindex(TM_CONTEXT *context);

/* Whether the packet has a socket already, as outgoing packets of this host do. */
static bool tm_has_socket(TM_CONTEXT *context);

/* owner_id of the process that sends the packet, or 0. @key: the packet's flow. */
static __u64 tm_sender_owner(TM_CONTEXT *context, const struct tm_flow_key *key);

/* owner_id of the process whose socket will receive the packet, or 0. @key: the packet's flow. */
static __u64 tm_receiver_owner(TM_CONTEXT *context, const struct tm_flow_key *key);

#endif /* TM_PARSE_CONTEXT_BPF_H */
