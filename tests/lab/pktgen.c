/* SPDX-License-Identifier: MIT */
/*
 * pktgen - puts N distinct 5-tuples on an interface in rotation, as fast as AF_PACKET takes them
 *
 * Usage: pktgen -i IFACE -s SRC_MAC -d DST_MAC -S SRC_ADDR -D DST_ADDR [options]
 *   -n FLOWS     distinct flows, distinguished by source port, then source address (default 1)
 *   -l BYTES     frame length with Ethernet header, without FCS (default 64)
 *   -t SECONDS   send for that long, or
 *   -c PACKETS   send that many
 *   -j THREADS   each rotates through its own share of the flows (default 1)
 *   -p PORT      destination port (default 9)
 *   -T           TCP (ACK) instead of UDP
 *   -b           bypass the queueing layer: no tc egress, no capture of what is sent
 *
 * Prints one line of JSON: packets, bytes and refused (not taken by the interface), and seconds.
 * Every thread builds its frames with all checksums before the clock starts, and sends them with sendmmsg.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/if.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define FIRST_PORT 1024
#define PORTS 64000
#define MAX_THREADS 64
#define SOCKET_BUFFER_BYTES (16 << 20)

struct options {
	int ifindex;
	unsigned char source_mac[ETH_ALEN];
	unsigned char target_mac[ETH_ALEN];
	int version;
	unsigned char source[16];
	unsigned char target[16];
	uint64_t flows;
	size_t frame_bytes;
	double seconds;
	uint64_t packets;
	unsigned int threads;
	uint16_t port;
	int tcp;
	int bypass;
};

struct sender {
	const struct options *options;
	pthread_barrier_t *start;
	pthread_t thread;
	int fd;
	unsigned char *frames;
	uint64_t first_flow;
	uint64_t flows;
	uint64_t to_send; /* 0: until the time is over */
	uint64_t sent;
	uint64_t refused;
	double seconds;
};

static void die(const char *what)
{
	fprintf(stderr, "pktgen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void usage(const char *what)
{
	fprintf(stderr, "pktgen: %s (see the top of pktgen.c)\n", what);
	exit(2);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* The ones' complement sum of big-endian 16-bit words, not yet folded; an odd last byte is padded with 0. */
static uint32_t sum_words(const unsigned char *data, size_t bytes, uint32_t sum)
{
	for (size_t i = 0; i < bytes; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	return sum;
}

static uint16_t folded_be(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Fills in the address of a flow: ports run first, the last 32 bits of the address after them. */
static uint16_t flow_source(const struct options *o, uint64_t flow, unsigned char *address)
{
	size_t bytes = o->version == 4 ? 4 : 16;
	uint32_t low;

	memcpy(address, o->source, bytes);
	memcpy(&low, address + bytes - 4, 4);
	low = htonl(ntohl(low) + (uint32_t)(flow / PORTS));
	memcpy(address + bytes - 4, &low, 4);
	return (uint16_t)(FIRST_PORT + flow % PORTS);
}

static size_t transport_bytes(const struct options *o)
{
	return o->tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr);
}

static size_t header_bytes(const struct options *o)
{
	size_t network = o->version == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	return ETH_HLEN + network + transport_bytes(o);
}

static void build_ipv4(const struct options *o, unsigned char *packet, const unsigned char *source)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tot_len = htons((uint16_t)(o->frame_bytes - ETH_HLEN)),
		.frag_off = htons(0x4000), /* don't fragment */
		.ttl = 64,
		.protocol = o->tcp ? IPPROTO_TCP : IPPROTO_UDP,
	};

	memcpy(&ip.saddr, source, sizeof(ip.saddr));
	memcpy(&ip.daddr, o->target, sizeof(ip.daddr));
	ip.check = folded_be(sum_words((unsigned char *)&ip, sizeof(ip), 0));
	memcpy(packet, &ip, sizeof(ip));
}

static void build_ipv6(const struct options *o, unsigned char *packet, const unsigned char *source)
{
	struct ipv6hdr ip = {
		.version = 6,
		.payload_len = htons((uint16_t)(o->frame_bytes - ETH_HLEN - sizeof(ip))),
		.nexthdr = o->tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.hop_limit = 64,
	};

	memcpy(&ip.saddr, source, sizeof(ip.saddr));
	memcpy(&ip.daddr, o->target, sizeof(ip.daddr));
	memcpy(packet, &ip, sizeof(ip));
}

/* The payload, already there, is part of `segment_bytes` and of the checksum. */
static void build_tcp(const struct options *o, unsigned char *segment, size_t segment_bytes,
		      uint16_t port, uint32_t sum)
{
	struct tcphdr tcp = {
		.source = htons(port),
		.dest = htons(o->port),
		.doff = sizeof(tcp) / 4,
		.ack = 1,
		.window = htons(0xffff),
	};

	memcpy(segment, &tcp, sizeof(tcp));
	tcp.check = folded_be(sum_words(segment, segment_bytes, sum));
	memcpy(segment, &tcp, sizeof(tcp));
}

static void build_udp(const struct options *o, unsigned char *segment, size_t segment_bytes,
		      uint16_t port, uint32_t sum)
{
	struct udphdr udp = {
		.source = htons(port),
		.dest = htons(o->port),
		.len = htons((uint16_t)segment_bytes),
	};

	memcpy(segment, &udp, sizeof(udp));
	udp.check = folded_be(sum_words(segment, segment_bytes, sum));
	if (!udp.check) /* which would say that there is none */
		udp.check = 0xffff;
	memcpy(segment, &udp, sizeof(udp));
}

static void build_frame(const struct options *o, unsigned char *frame, uint64_t flow)
{
	size_t address_bytes = o->version == 4 ? 4 : 16;
	size_t bytes = o->frame_bytes - header_bytes(o) + transport_bytes(o);
	unsigned char source[16];
	uint16_t port = flow_source(o, flow, source);
	uint16_t ethertype_be = htons(o->version == 4 ? ETH_P_IP : ETH_P_IPV6);
	uint32_t sum = (o->tcp ? IPPROTO_TCP : IPPROTO_UDP) + (uint32_t)bytes;

	memset(frame, 0, o->frame_bytes);
	memcpy(frame, o->target_mac, ETH_ALEN);
	memcpy(frame + ETH_ALEN, o->source_mac, ETH_ALEN);
	memcpy(frame + 2 * ETH_ALEN, &ethertype_be, sizeof(ethertype_be));
	if (o->version == 4)
		build_ipv4(o, frame + ETH_HLEN, source);
	else
		build_ipv6(o, frame + ETH_HLEN, source);
	sum = sum_words(source, address_bytes, sum);
	sum = sum_words(o->target, address_bytes, sum);
	if (o->tcp)
		build_tcp(o, frame + o->frame_bytes - bytes, bytes, port, sum);
	else
		build_udp(o, frame + o->frame_bytes - bytes, bytes, port, sum);
}

static int open_wire(const struct options *o)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = o->ifindex };
	int buffer_bytes = SOCKET_BUFFER_BYTES, on = 1;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0)
		die("AF_PACKET socket");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("bind to the interface");
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)))
		die("SO_SNDBUFFORCE");
	if (o->bypass && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)))
		die("PACKET_QDISC_BYPASS");
	return fd;
}

static void prepare(struct sender *s)
{
	const struct options *o = s->options;

	s->fd = open_wire(o);
	s->frames = malloc(s->flows * o->frame_bytes);
	if (!s->frames)
		die("memory for the frames");
	for (uint64_t i = 0; i < s->flows; i++)
		build_frame(o, s->frames + i * o->frame_bytes, s->first_flow + i);
}

/* Sends the first `count` messages; a frame that the interface refuses is counted and left out. */
static void send_batch(struct sender *s, struct mmsghdr *messages, unsigned int count)
{
	unsigned int done = 0;

	while (done < count) {
		int taken = sendmmsg(s->fd, messages + done, count - done, 0);

		if (taken >= 0) {
			done += (unsigned int)taken;
			s->sent += (uint64_t)taken;
		} else if (errno == ENOBUFS) {
			done++;
			s->refused++;
		} else if (errno != EINTR && errno != EAGAIN) {
			die("sendmmsg");
		}
	}
}

static void *run(void *argument)
{
	struct sender *s = argument;
	const struct options *o = s->options;
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec pieces[BATCH];
	uint64_t next = 0, tried = 0;
	double begin, end;

	for (unsigned int i = 0; i < BATCH; i++) {
		pieces[i].iov_len = o->frame_bytes;
		messages[i].msg_hdr.msg_iov = &pieces[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	pthread_barrier_wait(s->start);
	begin = now();
	end = begin + o->seconds;
	while (s->to_send ? tried < s->to_send : now() < end) {
		unsigned int count = BATCH;

		if (s->to_send && s->to_send - tried < BATCH)
			count = (unsigned int)(s->to_send - tried);
		for (unsigned int i = 0; i < count; i++) {
			pieces[i].iov_base = s->frames + next * o->frame_bytes;
			next = next + 1 == s->flows ? 0 : next + 1;
		}
		send_batch(s, messages, count);
		tried += count;
	}
	s->seconds = now() - begin;
	return NULL;
}

static void parse_mac(const char *text, unsigned char *mac)
{
	unsigned char *m = mac;
	int bytes =
		sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4, m + 5);

	if (bytes != ETH_ALEN)
		usage("a MAC address is six bytes in hex");
}

static void parse_address(const char *text, int version, unsigned char *address)
{
	if (inet_pton(version == 4 ? AF_INET : AF_INET6, text, address) != 1)
		usage("both addresses are to be of one IP version");
}

static uint64_t parse_number(const char *text, uint64_t otherwise)
{
	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void check(const struct options *o)
{
	if (o->frame_bytes < header_bytes(o))
		usage("the frame is shorter than its headers");
	if (!o->flows || !o->threads || o->threads > MAX_THREADS)
		usage("1 flow or more, and 1 to 64 threads");
	if ((o->seconds > 0) == (o->packets > 0))
		usage("one of -t and -c is needed");
	if (o->packets && o->packets < o->threads)
		usage("a packet for every thread at least");
}

static void parse(int argc, char **argv, struct options *o)
{
	const char *given[128] = { NULL }; /* by option letter */
	int option;

	while ((option = getopt(argc, argv, "i:s:d:S:D:n:l:t:c:j:p:Tb")) != -1) {
		if (option == '?')
			usage("unknown option");
		given[option] = optarg ? optarg : "";
	}
	if (!given['i'] || !given['s'] || !given['d'] || !given['S'] || !given['D'])
		usage("-i, -s, -d, -S and -D are needed");
	o->ifindex = (int)if_nametoindex(given['i']);
	if (!o->ifindex)
		die(given['i']);
	o->version = strchr(given['S'], ':') ? 6 : 4;
	parse_mac(given['s'], o->source_mac);
	parse_mac(given['d'], o->target_mac);
	parse_address(given['S'], o->version, o->source);
	parse_address(given['D'], o->version, o->target);
	o->flows = parse_number(given['n'], 1);
	o->frame_bytes = parse_number(given['l'], 64);
	o->seconds = given['t'] ? strtod(given['t'], NULL) : 0;
	o->packets = parse_number(given['c'], 0);
	o->threads = (unsigned int)parse_number(given['j'], 1);
	o->port = (uint16_t)parse_number(given['p'], 9);
	o->tcp = given['T'] != NULL;
	o->bypass = given['b'] != NULL;
	check(o);
}

/* Shares flows and packets out among the threads; with fewer flows than threads, threads share flows. */
static void share(struct sender *s, const struct options *o, unsigned int i,
		  pthread_barrier_t *start)
{
	uint64_t first = o->flows * i / o->threads, after = o->flows * (i + 1) / o->threads;

	s->options = o;
	s->start = start;
	s->first_flow = after > first ? first : i % o->flows;
	s->flows = after > first ? after - first : 1;
	s->to_send = o->packets * (i + 1) / o->threads - o->packets * i / o->threads;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct sender senders[MAX_THREADS] = { 0 };
	uint64_t sent = 0, refused = 0;
	double seconds = 0;
	pthread_barrier_t start;

	parse(argc, argv, &o);
	pthread_barrier_init(&start, NULL, o.threads);
	for (unsigned int i = 0; i < o.threads; i++) {
		share(&senders[i], &o, i, &start);
		prepare(&senders[i]);
	}
	for (unsigned int i = 0; i < o.threads; i++) {
		errno = pthread_create(&senders[i].thread, NULL, run, &senders[i]);
		if (errno)
			die("thread");
	}
	for (unsigned int i = 0; i < o.threads; i++) {
		pthread_join(senders[i].thread, NULL);
		sent += senders[i].sent;
		refused += senders[i].refused;
		seconds = senders[i].seconds > seconds ? senders[i].seconds : seconds;
	}
	printf("{\"packets\": %llu, \"bytes\": %llu, \"refused\": %llu, \"seconds\": %.6f}\n",
	       (unsigned long long)sent, (unsigned long long)(sent * o.frame_bytes),
	       (unsigned long long)refused, seconds);
	return 0;
}
