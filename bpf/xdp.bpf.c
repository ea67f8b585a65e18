/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * XDP: what enters an interface, frame by frame as its driver received it.
 *
 * Attached in generic mode it comes after GRO and cannot tell how many frames it is shown at once:
 * then it counts the hook's own totals only, and tc counts flows (tm_count_flows).
 * Always passes: nothing is dropped, redirected or changed.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TM_CONTEXT struct xdp_md
#include "count/packet.bpf.h"

/* Frames of several buffers came with 5.18, and with them the two helpers. */
static __always_inline __u32 tm_frame_bytes(struct xdp_md *xdp)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_get_buff_len))
		return bpf_xdp_get_buff_len(xdp);
	return xdp->data_end - xdp->data;
}

static __always_inline struct tm_frame tm_open_frame(struct xdp_md *xdp)
{
	struct tm_frame frame = {
		.context = xdp,
		.data = (void *)(long)xdp->data,
		.data_end = (void *)(long)xdp->data_end,
		.length = tm_frame_bytes(xdp),
	};

	return frame;
}

static __always_inline int tm_read_beyond(struct xdp_md *xdp, __u32 offset, void *to, __u32 size)
{
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_load_bytes))
		return -1;
	return bpf_xdp_load_bytes(xdp, offset, to, size) ? -1 : 0;
}

static __always_inline bool tm_has_socket(struct xdp_md *xdp)
{
	(void)xdp;
	return false;
}

static __always_inline __u64 tm_sender_owner(struct xdp_md *xdp, const struct tm_flow_key *key)
{
	(void)xdp;
	(void)key;
	return 0;
}

/* Sockets' storage is out of XDP's reach. */
static __always_inline __u64 tm_receiver_owner(struct xdp_md *xdp, const struct tm_flow_key *key)
{
	(void)xdp;
	(void)key;
	return 0;
}

static __always_inline __u32 tm_ingress_ifindex(struct xdp_md *xdp)
{
	(void)xdp;
	return 0;
}

SEC("xdp")
int tm_xdp_rx(struct xdp_md *xdp)
{
	struct tm_packet p = { .context = xdp, .wire_packets = 1 };
	struct tm_frame frame = tm_open_frame(xdp);
	__be16 ethertype = 0;
	enum tm_hook hook = tm_count_flows ? TM_HOOK_XDP_RX : TM_HOOK_XDP_GENERIC;

	p.wire_bytes = frame.length;
	tm_read(&frame, ETH_HLEN - sizeof(ethertype), &ethertype, sizeof(ethertype));
	tm_parse(&frame, &p, hook, bpf_ntohs(ethertype), ETH_HLEN, 0);
	tm_handle_dns(&p, hook);
	tm_count(&p, hook);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
