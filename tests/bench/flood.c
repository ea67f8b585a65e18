/* SPDX-License-Identifier: MIT */
/*
 * flood receive PORT: takes datagrams until killed; nearly each of them wakes it.
 * flood drain PORT: the same without being woken: it looks 2,000 times a second.
 * flood send ADDRESS PORT COUNT: sends as many, 16 bytes each; prints the nanoseconds each took.
 * flood bursts ADDRESS PORT COUNT: sends as many for each line of input; prints what each then took.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PAYLOAD_BYTES 16
#define WARM_UP_OF 10

static long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static int receive(const char *port, int is_woken)
{
	const struct timespec pause = { .tv_nsec = 500000 };
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int room = 16 << 20;
	char payload[2048];
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(s, (struct sockaddr *)&here, sizeof(here)))
		return 1;
	puts("ready");
	fflush(stdout);
	if (!is_woken && setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		return 1;
	for (;;) {
		while (recv(s, payload, sizeof(payload), is_woken ? 0 : MSG_DONTWAIT) >= 0)
			;
		if (is_woken)
			return 1;
		nanosleep(&pause, NULL);
	}
}

/* A connected socket, or less than 0. */
static int open_to(const char *address, const char *port)
{
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (inet_pton(AF_INET, address, &there.sin_addr) != 1)
		return -1;
	return connect(s, (struct sockaddr *)&there, sizeof(there)) ? -1 : s;
}

/* Nanoseconds a packet, or less than 0. */
static double burst(int s, long packets)
{
	char payload[PAYLOAD_BYTES] = { 0 };
	long begun = now_ns(), i;

	for (i = 0; i < packets; i++)
		if (send(s, payload, sizeof(payload), 0) < 0)
			return -1;
	return (double)(now_ns() - begun) / packets;
}

/* Some before those that are measured: the caches are another's, and the receiver sleeps. */
static int bursts(int s, long packets)
{
	char line[16];
	double took;

	while (fgets(line, sizeof(line), stdin)) {
		took = burst(s, packets / WARM_UP_OF);
		if (took >= 0)
			took = burst(s, packets);
		if (took < 0)
			return 1;
		printf("%.1f\n", took);
		fflush(stdout);
	}
	return 0;
}

int main(int count, char **arguments)
{
	double took;
	int s;

	if (count == 3 && !strcmp(arguments[1], "receive"))
		return receive(arguments[2], 1);
	if (count == 3 && !strcmp(arguments[1], "drain"))
		return receive(arguments[2], 0);
	if (count != 5)
		return 2;
	s = open_to(arguments[2], arguments[3]);
	if (s < 0)
		return 1;
	if (!strcmp(arguments[1], "bursts"))
		return bursts(s, atol(arguments[4]));
	if (strcmp(arguments[1], "send"))
		return 2;
	took = burst(s, atol(arguments[4]));
	if (took < 0)
		return 1;
	printf("%.1f\n", took);
	return 0;
}
