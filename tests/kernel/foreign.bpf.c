/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Programs of others on the interface: they count how often they ran, and let all pass.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

enum foreign_program {
	FOREIGN_XDP = 0,
	FOREIGN_TCX = 1,
	FOREIGN_FILTER = 2,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u64);
} foreign_runs SEC(".maps");

static __always_inline void foreign_ran(__u32 program)
{
	__u64 *count = bpf_map_lookup_elem(&foreign_runs, &program);

	if (count)
		__sync_fetch_and_add(count, 1);
}

SEC("xdp")
int foreign_xdp(struct xdp_md *xdp)
{
	foreign_ran(FOREIGN_XDP);
	return XDP_PASS;
}

SEC("tc")
int foreign_tcx(struct __sk_buff *skb)
{
	foreign_ran(FOREIGN_TCX);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int foreign_filter(struct __sk_buff *skb)
{
	foreign_ran(FOREIGN_FILTER);
	return TC_ACT_UNSPEC;
}

SEC("cgroup_skb/ingress")
int foreign_cgroup(struct __sk_buff *skb)
{
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
