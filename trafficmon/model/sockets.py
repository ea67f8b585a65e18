# SPDX-License-Identifier: MIT
"""Numbers of the socket interface that SOCKET_ROW holds."""

from __future__ import annotations

AF_INET, AF_INET6, AF_PACKET = 2, 10, 17  # include/linux/socket.h
SOCK_RAW = 3  # include/linux/net.h
IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP = 1, 6, 17  # include/uapi/linux/in.h
IPPROTO_ICMPV6, IPPROTO_MPTCP = 58, 262
NO_RTT_US = 0xFFFFFFFF  # srtt_us and min_rtt_us before the first round trip
TCP_CLOSE, TCP_LISTEN = 7, 10  # include/net/tcp_states.h
