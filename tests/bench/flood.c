/* SPDX-License-Identifier: MIT */
/*
 * flood receive PORT: takes datagrams until killed.
 * flood send ADDRESS PORT COUNT: sends as many, 16 bytes each; prints the nanoseconds each took.
 * flood compare ROUNDS ADDRESS PORT [ADDRESS PORT ...]: a burst to each in each round; prints for each
 * the nanoseconds a packet of the median burst.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PAYLOAD_BYTES 16
#define BURST 100
#define WARM_UP 4 /* packets behind those to another receiver */
#define MOST_PLACES 4
#define MOST_ROUNDS 20000

static long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static int receive(const char *port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	char payload[2048];
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(s, (struct sockaddr *)&here, sizeof(here)))
		return 1;
	puts("ready");
	fflush(stdout);
	while (recv(s, payload, sizeof(payload), 0) >= 0)
		;
	return 1;
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

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int compare(int rounds, int places, char **named)
{
	static double took[MOST_PLACES][MOST_ROUNDS];
	int s[MOST_PLACES], round, i;

	if (places > MOST_PLACES || rounds < 1 || rounds > MOST_ROUNDS)
		return 2;
	for (i = 0; i < places; i++)
		if ((s[i] = open_to(named[2 * i], named[2 * i + 1])) < 0)
			return 1;
	for (round = 0; round < rounds; round++)
		for (i = 0; i < places; i++) {
			if (burst(s[i], WARM_UP) < 0)
				return 1;
			took[i][round] = burst(s[i], BURST);
			if (took[i][round] < 0)
				return 1;
		}
	for (i = 0; i < places; i++) {
		qsort(took[i], rounds, sizeof(double), by_size);
		printf("%.1f\n", took[i][rounds / 2]);
	}
	return 0;
}

int main(int count, char **arguments)
{
	double took;
	int s;

	if (count == 3 && !strcmp(arguments[1], "receive"))
		return receive(arguments[2]);
	if (count >= 5 && count % 2 && !strcmp(arguments[1], "compare"))
		return compare(atoi(arguments[2]), (count - 3) / 2, arguments + 3);
	if (count != 5 || strcmp(arguments[1], "send"))
		return 2;
	s = open_to(arguments[2], arguments[3]);
	took = s < 0 ? -1 : burst(s, atol(arguments[4]));
	if (took < 0)
		return 1;
	printf("%.1f\n", took);
	return 0;
}
