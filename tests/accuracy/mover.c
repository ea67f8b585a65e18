/* SPDX-License-Identifier: MIT */
/*
 * Moves bytes by the ways that Python has no call for, and counts them itself.
 *
 * mover uring-send|uring-receive ADDRESS PORT BYTES: a TCP connection, by io_uring.
 * mover mmsg-send|mmsg-receive ADDRESS PORT COUNT: datagrams of 400 bytes, in tens.
 * Prints "ready" once it can be sent to, begins with a line of input, prints the bytes it has moved,
 * and ends with its input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 8
#define PIECE 8192
#define BATCH 10
#define DATAGRAM_BYTES 400

struct ring {
	int fd;
	uint32_t *submit_tail, *submit_mask, *submit_array;
	uint32_t *done_head, *done_tail, *done_mask;
	struct io_uring_sqe *entries;
	struct io_uring_cqe *done;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *map(int fd, size_t bytes, off_t what)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	if (at == MAP_FAILED)
		fail("mmap");
	return at;
}

static void set_up(struct ring *ring)
{
	struct io_uring_params how = { 0 };
	char *submit, *done;

	ring->fd = syscall(SYS_io_uring_setup, ENTRIES, &how);
	if (ring->fd < 0)
		fail("io_uring_setup");
	submit = map(ring->fd, how.sq_off.array + how.sq_entries * 4, IORING_OFF_SQ_RING);
	done = map(ring->fd, how.cq_off.cqes + how.cq_entries * sizeof(struct io_uring_cqe),
		   IORING_OFF_CQ_RING);
	ring->entries =
		map(ring->fd, how.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring->submit_tail = (void *)(submit + how.sq_off.tail);
	ring->submit_mask = (void *)(submit + how.sq_off.ring_mask);
	ring->submit_array = (void *)(submit + how.sq_off.array);
	ring->done_head = (void *)(done + how.cq_off.head);
	ring->done_tail = (void *)(done + how.cq_off.tail);
	ring->done_mask = (void *)(done + how.cq_off.ring_mask);
	ring->done = (void *)(done + how.cq_off.cqes);
}

/* One operation, and its result. */
static int move(struct ring *ring, int operation, int s, void *buffer, unsigned int bytes)
{
	uint32_t tail = *ring->submit_tail, index = tail & *ring->submit_mask, head;
	struct io_uring_sqe *entry = &ring->entries[index];
	int result, begun = 0;

	memset(entry, 0, sizeof(*entry));
	entry->opcode = operation;
	entry->fd = s;
	entry->addr = (uintptr_t)buffer;
	entry->len = bytes;
	ring->submit_array[index] = index;
	__atomic_store_n(ring->submit_tail, tail + 1, __ATOMIC_RELEASE);
	head = *ring->done_head;
	do { /* it may come back before anything is done */
		if (syscall(SYS_io_uring_enter, ring->fd, !begun, 1, IORING_ENTER_GETEVENTS, NULL,
			    0) < 0)
			fail("io_uring_enter");
		begun = 1;
	} while (head == __atomic_load_n(ring->done_tail, __ATOMIC_ACQUIRE));
	result = ring->done[head & *ring->done_mask].res;
	__atomic_store_n(ring->done_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

static long by_ring(int s, int operation, long wanted)
{
	static char buffer[PIECE];
	struct ring ring = { 0 };
	long moved = 0;
	int some = 1;

	set_up(&ring);
	while (moved < wanted && some > 0) {
		long rest = wanted - moved;

		some = move(&ring, operation, s, buffer, rest < PIECE ? rest : PIECE);
		moved += some > 0 ? some : 0;
	}
	return moved;
}

static long in_batches(int s, int sends, long count)
{
	static char buffers[BATCH][DATAGRAM_BYTES];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec pieces[BATCH];
	long moved = 0, done = 0;
	int i, some;

	for (i = 0; i < BATCH; i++) {
		pieces[i] = (struct iovec){ buffers[i], DATAGRAM_BYTES };
		messages[i].msg_hdr.msg_iov = &pieces[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (done < count) {
		some = sends ? sendmmsg(s, messages, BATCH, 0)
			     : recvmmsg(s, messages, BATCH, MSG_WAITFORONE, NULL);
		if (some <= 0)
			fail("mmsg");
		for (i = 0; i < some; i++)
			moved += messages[i].msg_len;
		done += some;
	}
	return moved;
}

int main(int count, char **arguments)
{
	struct sockaddr_in there = { .sin_family = AF_INET };
	int by_uring, sends, s, room = 8 << 20;
	long wanted, moved;

	if (count != 5)
		return 2;
	by_uring = !strncmp(arguments[1], "uring", 5);
	sends = strstr(arguments[1], "send") != NULL;
	inet_pton(AF_INET, arguments[2], &there.sin_addr);
	there.sin_port = htons(atoi(arguments[3]));
	wanted = atol(arguments[4]);
	s = socket(AF_INET, by_uring ? SOCK_STREAM : SOCK_DGRAM, 0);
	setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (by_uring || sends) {
		if (connect(s, (void *)&there, sizeof(there)))
			fail("connect");
	} else if (bind(s, (void *)&there, sizeof(there))) {
		fail("bind");
	}
	puts("ready");
	fflush(stdout);
	getchar();
	if (by_uring)
		moved = by_ring(s, sends ? IORING_OP_SEND : IORING_OP_RECV, wanted);
	else
		moved = in_batches(s, sends, wanted);
	printf("%ld\n", moved);
	fflush(stdout);
	getchar();
	return 0;
}
