# SPDX-License-Identifier: MIT
"""A wire with a delay, for kernels without netem: packets between TUN devices of two namespaces.

Usage: relay.py NAMESPACE NAMESPACE DEVICE DELAY_MS DROP_EVERY (namespaces by their paths). Of the
packets with TCP payload from the second to the first each DROP_EVERYth is lost (0: none is).
Says "ready" once the devices are there, and runs until it is ended; they go with it.
"""

import ctypes
import fcntl
import heapq
import os
import select
import struct
import sys
import time

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x1, 0x1000
_CLONE_NEWNET = 0x40000000
_MAX_PACKET_BYTES = 1 << 16
_TCP = 6


def _open_tun(namespace: str, device: str) -> int:
    with open(namespace, "rb") as there:  # noqa: PTH123 - a namespace, not a file
        if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
    return fd


def _has_tcp_payload(packet: bytes) -> bool:
    if packet[0] >> 4 == 4:
        start, protocol = (packet[0] & 15) * 4, packet[9]
    else:
        start, protocol = 40, packet[6]
    return protocol == _TCP and len(packet) > start + (packet[start + 12] >> 4) * 4


class _Wire:
    """Packets under way, the next to arrive first."""

    def __init__(self, ends: tuple[int, int], delay_s: float, drop_every: int) -> None:
        self._ends, self._delay_s, self._drop_every = ends, delay_s, drop_every
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._count = self._with_payload = 0

    def take(self, side: int) -> None:
        """All that has been sent there."""
        while True:
            try:
                packet = os.read(self._ends[side], _MAX_PACKET_BYTES)
            except BlockingIOError:
                return
            if not self._is_lost(side, packet):
                self._count += 1
                due = time.monotonic() + self._delay_s
                heapq.heappush(self._under_way, (due, self._count, 1 - side, packet))

    def _is_lost(self, side: int, packet: bytes) -> bool:
        if side == 0 or not self._drop_every or not _has_tcp_payload(packet):
            return False
        self._with_payload += 1
        return self._with_payload % self._drop_every == 0

    def deliver(self) -> float | None:
        """What is due. Returns the seconds until something else is, None when nothing is left."""
        while self._under_way:
            wait = self._under_way[0][0] - time.monotonic()
            if wait > 0:
                return wait
            _, _, side, packet = heapq.heappop(self._under_way)
            os.write(self._ends[side], packet)
        return None


def main() -> None:
    """See above."""
    first, second, device, delay_ms, drop_every = sys.argv[1:]
    ends = _open_tun(first, device), _open_tun(second, device)
    wire = _Wire(ends, float(delay_ms) / 1000, int(drop_every))
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select(ends, [], [], wire.deliver())
        for fd in readable:
            wire.take(ends.index(fd))


if __name__ == "__main__":
    main()
