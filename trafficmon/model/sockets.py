# SPDX-License-Identifier: MIT
"""Numbers of the socket interface that SOCKET_ROW holds."""

from __future__ import annotations

AF_INET, AF_INET6, AF_PACKET = 2, 10, 17  # include/linux/socket.h
SOCK_RAW = 3  # include/linux/net.h
IPPROTO_TCP, IPPROTO_MPTCP = 6, 262  # include/uapi/linux/in.h
TCP_CLOSE, TCP_LISTEN = 7, 10  # include/net/tcp_states.h
