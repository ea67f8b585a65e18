/* SPDX-License-Identifier: MIT */
/*
 * flood receive PORT: takes datagrams until killed.
 * flood send ADDRESS PORT COUNT: sends as many, 16 bytes each; prints the nanoseconds each took.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PAYLOAD_BYTES 16

static long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

int main(int count, char **arguments)
{
	struct sockaddr_in there = { .sin_family = AF_INET };
	char payload[2048] = { 0 };
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	long begun, packets, i;

	if (count == 3 && !strcmp(arguments[1], "receive")) {
		there.sin_port = htons(atoi(arguments[2]));
		if (bind(s, (struct sockaddr *)&there, sizeof(there)))
			return 1;
		puts("ready");
		fflush(stdout);
		while (recv(s, payload, sizeof(payload), 0) >= 0)
			;
		return 1;
	}
	if (count != 5 || inet_pton(AF_INET, arguments[2], &there.sin_addr) != 1)
		return 2;
	there.sin_port = htons(atoi(arguments[3]));
	packets = atol(arguments[4]);
	if (connect(s, (struct sockaddr *)&there, sizeof(there)))
		return 1;
	begun = now_ns();
	for (i = 0; i < packets; i++)
		if (send(s, payload, PAYLOAD_BYTES, 0) < 0)
			return 1;
	printf("%.1f\n", (double)(now_ns() - begun) / packets);
	return 0;
}
