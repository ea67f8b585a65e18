/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The kernel's types that our BPF programs name, and nothing else; written by hand (see README.md
 * beside this file). User-space ABI (struct __sk_buff, struct xdp_md, the enums) is fixed by the
 * kernel's promise; kernel-internal structs are declared with the members we read only, and CO-RE
 * relocates those to wherever the running kernel has them.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef _Bool bool;

enum {
	false = 0,
	true = 1,
};

/* include/uapi/linux/bpf.h */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
};

enum {
	BPF_F_NO_PREALLOC = 1U << 0,
};

enum xdp_action {
	XDP_ABORTED = 0,
	XDP_DROP = 1,
	XDP_PASS = 2,
};

struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};

struct __sk_buff {
	__u32 len;
	__u32 pkt_type;
	__u32 mark;
	__u32 queue_mapping;
	__u32 protocol;
	__u32 vlan_present;
	__u32 vlan_tci;
	__u32 vlan_proto;
	__u32 priority;
	__u32 ingress_ifindex;
	__u32 ifindex;
	__u32 tc_index;
	__u32 cb[5];
	__u32 hash;
	__u32 tc_classid;
	__u32 data;
	__u32 data_end;
	__u32 napi_id;
	__u32 family;
	__u32 remote_ip4;
	__u32 local_ip4;
	__u32 remote_ip6[4];
	__u32 local_ip6[4];
	__u32 remote_port;
	__u32 local_port;
	__u32 data_meta;
	__u64 flow_keys; /* a pointer in the kernel's own header; never read here */
	__u64 tstamp;
	__u32 wire_len;
	__u32 gso_segs;
	__u64 sk; /* likewise */
	__u32 gso_size;
};

/* bpf_skb_load_bytes_relative() */
enum bpf_hdr_start_off {
	BPF_HDR_START_MAC = 0,
};

/* include/uapi/linux/pkt_cls.h: go on with the next program, and with the packet */
enum {
	TC_ACT_UNSPEC = -1,
};

/* include/uapi/linux/if_ether.h */
enum {
	ETH_HLEN = 14,
	ETH_P_IP = 0x0800,
	ETH_P_8021Q = 0x8100,
	ETH_P_IPV6 = 0x86dd,
	ETH_P_MPLS_UC = 0x8847,
	ETH_P_MPLS_MC = 0x8848,
	ETH_P_PPP_SES = 0x8864,
	ETH_P_8021AD = 0x88a8,
};

/* include/uapi/linux/in.h, in6.h */
enum {
	IPPROTO_HOPOPTS = 0,
	IPPROTO_TCP = 6,
	IPPROTO_UDP = 17,
	IPPROTO_DCCP = 33,
	IPPROTO_ROUTING = 43,
	IPPROTO_FRAGMENT = 44,
	IPPROTO_AH = 51,
	IPPROTO_DSTOPTS = 60,
	IPPROTO_SCTP = 132,
};

/* include/linux/skbuff.h: kernel-internal, read by CO-RE wherever the running kernel has it */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sk_buff {
	unsigned char *head;
	unsigned char *data;
	unsigned int end;	      /* sk_buff_data_t, of 64-bit kernels: an offset from head */
	__u16 inner_transport_header; /* likewise */
	__u8 encapsulation : 1;
};

struct skb_shared_info {
	unsigned int gso_type;
};

#pragma clang attribute pop

enum {
	SKB_GSO_TCPV4 = 1 << 0,
	SKB_GSO_TCPV6 = 1 << 4,
};

/* The helpers whose absence on older kernels a program has to notice (bpf_core_enum_value_exists). */
enum bpf_func_id {
	BPF_FUNC_xdp_get_buff_len = 188, /* 5.18, 0165cc817075 */
	BPF_FUNC_xdp_load_bytes = 189,	 /* 5.18, 3f364222d032 */
};

#endif /* __VMLINUX_H__ */
