/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * XDP: what enters an interface, frame by frame as its driver received it.
 *
 * In generic mode it runs after GRO and cannot know how many frames a packet stands for: then it counts
 * the hook's own totals only, and tc counts flows (tm_count_flows).
 * Always returns XDP_PASS: nothing is dropped, redirected or changed.
 */
#include "parse/hook_xdp.bpf.h"
#include "count/packet.bpf.h"

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
