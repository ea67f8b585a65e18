/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The sender of a packet: a socket is handed over with the first packet of a call, not at the end of the
 * call, which may be gigabytes later.
 *
 * A packet leaves in a call of the process that wrote it, or where an ACK or a timer released it: in a
 * softirq, in the context of any process; or in that of a process that injects packets of others (it writes
 * to a TUN device, or returns a packet to NFQUEUE). So the current process alone proves nothing. Proof is,
 * with TCP, that a process holds the socket's lock, since packets from outside wait then; with others, that
 * the process is in a system call on this socket.
 */
#ifndef TM_OWNER_SENDER_BPF_H
#define TM_OWNER_SENDER_BPF_H

#include "common/headers.bpf.h"
#include <bpf/bpf_tracing.h>

#include "owner/socket_storage.bpf.h"
#include "owner/takeover.bpf.h"
#include "owner/tcp_missed_calls.bpf.h"

#define TM_PF_KTHREAD 0x00200000U /* include/linux/sched.h */

/* 1: programs on packets may call bpf_get_current_task() (5.14 or so) */
const volatile __u32 tm_may_check_sender;
const volatile __u32 tm_has_regs; /* 1: and bpf_task_pt_regs() (5.15) */

/* The sequence number of the packet's first byte. */
static __always_inline __u32 tm_tcp_sequence(struct __sk_buff *context)
{
	const struct sk_buff *skb = (const void *)context;
	unsigned char *head = BPF_CORE_READ(skb, head);
	__u16 header = BPF_CORE_READ(skb, transport_header);
	__be32 sequence_be = 0;

	bpf_probe_read_kernel(&sequence_be, sizeof(sequence_be),
			      head + header + TM_TCP_SEQUENCE_AT);
	return bpf_ntohl(sequence_be);
}

/* System calls that lock a socket and write nothing: include/uapi/asm-generic/unistd.h; x86 has its own. */
#if defined(__TARGET_ARCH_x86)
#define tm_syscall_number(regs) BPF_CORE_READ((regs), orig_ax)
enum tm_non_writing_syscall {
	TM_NR_READ = 0,
	TM_NR_CLOSE = 3,
	TM_NR_IOCTL = 16,
	TM_NR_READV = 19,
	TM_NR_RECVFROM = 45,
	TM_NR_RECVMSG = 47,
	TM_NR_SHUTDOWN = 48,
	TM_NR_SETSOCKOPT = 54,
	TM_NR_GETSOCKOPT = 55,
	TM_NR_RECVMMSG = 299,
};
#else
#define tm_syscall_number(regs) BPF_CORE_READ((regs), syscallno)
enum tm_non_writing_syscall {
	TM_NR_IOCTL = 29,
	TM_NR_CLOSE = 57,
	TM_NR_READ = 63,
	TM_NR_READV = 65,
	TM_NR_RECVFROM = 207,
	TM_NR_SETSOCKOPT = 208,
	TM_NR_GETSOCKOPT = 209,
	TM_NR_SHUTDOWN = 210,
	TM_NR_RECVMSG = 212,
	TM_NR_RECVMMSG = 243,
};
#endif

/*
 * A process that gets an option, say, sends what another has written, if ACKs arrived meanwhile. A list of
 * calls that do not write, not of those that do: io_uring writes too, and future calls may.
 */
static __always_inline bool tm_syscall_may_write(void)
{
	struct pt_regs *regs;

	if (!tm_has_regs)
		return true;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	switch (tm_syscall_number(regs)) {
	case TM_NR_READ:
	case TM_NR_CLOSE:
	case TM_NR_IOCTL:
	case TM_NR_READV:
	case TM_NR_RECVFROM:
	case TM_NR_RECVMSG:
	case TM_NR_SHUTDOWN:
	case TM_NR_SETSOCKOPT:
	case TM_NR_GETSOCKOPT:
	case TM_NR_RECVMMSG:
		return false;
	}
	return true;
}

/*
 * Whether the process that holds @tcp sends new bytes of its own. Not if the packet has none (an ACK, a
 * retransmission), nor if it comes late, from NFQUEUE: the kernel has advanced snd_nxt after each packet.
 * Nor if all calls that wrote have returned, which is known where the app layer counts on sockets.
 */
static __always_inline bool tm_is_sending(struct __sk_buff *skb, const struct tm_socket *socket,
					  struct tcp_sock *tcp)
{
	struct sock *sk = (struct sock *)tcp;
	__u32 state = sk->__sk_common.skc_state;
	__s32 unfinished;

	if (!sk->sk_lock.owned || tcp->snd_nxt == tcp->write_seq)
		return false;
	if (tm_tcp_sequence(skb) != tcp->snd_nxt || !tm_syscall_may_write())
		return false;
	if (state == BPF_TCP_SYN_SENT)
		return true; /* connect() */
	if (state != BPF_TCP_ESTABLISHED && state != BPF_TCP_CLOSE_WAIT)
		return false;
	if (!tm_app_on_sockets ||
	    !(socket->write_seq_flags & (TM_WRITE_SEQ_FIRST | TM_WRITE_SEQ_AT_ATTACH)))
		return true;
	unfinished = tcp->write_seq - socket->first_write_seq - (__u32)socket->own.app_tx_bytes;
	return unfinished > 0;
}

/* Whether the first argument of the current system call is the packet's socket. */
static __always_inline bool tm_is_syscall_on_socket(struct __sk_buff *skb)
{
	struct sock *sk = tm_skb_sock(skb);
	struct task_struct *task;
	struct fdtable *table;
	struct pt_regs *regs;
	struct file *file;
	__u32 number;

	if (!tm_has_regs)
		return false;
	task = bpf_get_current_task_btf();
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	number = PT_REGS_PARM1_CORE_SYSCALL(regs);
	table = BPF_CORE_READ(task, files, fdt);
	if (number >= BPF_CORE_READ(table, max_fds))
		return false;
	if (bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + number) || !file)
		return false;
	return BPF_CORE_READ(file, private_data) == BPF_CORE_READ(sk, sk_socket);
}

/*
 * tm_check_sender - the current process, which is not the owner of @socket, becomes it if it has written
 * @skb. @used: the socket that processes use; of MPTCP it is not the packet's.
 */
static __noinline int tm_check_sender(struct __sk_buff *skb, struct tm_socket *socket,
				      struct tm_socket *used)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tcp;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (tcp ? !tm_is_sending(skb, socket, tcp) : !tm_is_syscall_on_socket(skb))
		return 0;
	if (BPF_CORE_READ(task, flags) & TM_PF_KTHREAD)
		return 0;
	return tm_take_over(used);
}

#endif /* TM_OWNER_SENDER_BPF_H */
