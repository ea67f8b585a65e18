# SPDX-License-Identifier: MIT
"""UDP datagrams of exact number and size.

Usage: udp_exchange.py serve ADDRESS PORT [--ports N]
       udp_exchange.py query ADDRESS PORT --up BYTES --down BYTES [--count N | --seconds S]
                       [--pause-ms MS] [--source ADDRESS]
       udp_exchange.py flows ADDRESS PORT --ports N --flows N --count N --up BYTES

A datagram begins with 4 bytes that hold the size of its answer (0: none). `query` sends one, awaits
its answer, and continues with the next, so nothing is lost. `flows` sends `count` rounds of one
datagram on each of `flows` distinct pairs of ports, unanswered: every one of its sockets sends to
all the `ports` (a server's that many, from PORT on). `serve` says "ready" once its ports are bound,
and runs until it is ended.
"""

import argparse
import select
import socket
import struct
import sys
import time

_ANSWER_BYTES = struct.Struct("!I")
_MAX_DATAGRAM_BYTES = 1 << 16
_TIMEOUT_S = 5.0
_READS_AT_ONCE = 64


def _socket(address: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def _datagram(size_bytes: int, answer_bytes: int) -> bytes:
    return _ANSWER_BYTES.pack(answer_bytes).ljust(size_bytes, b"\0")


def _serve(options: argparse.Namespace) -> None:
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    for port in range(options.port, options.port + options.ports):
        receiver = _socket(options.address)
        receiver.settimeout(0)
        receiver.bind((options.address, port))
        sockets[receiver.fileno()] = receiver
        poll.register(receiver, select.EPOLLIN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for fd, _ in poll.poll():
            _answer(sockets[fd])


def _answer(receiver: socket.socket) -> None:
    """Answers what has arrived, but lets other sockets have their turn."""
    for _ in range(_READS_AT_ONCE):
        try:
            datagram, sender = receiver.recvfrom(_MAX_DATAGRAM_BYTES)
        except BlockingIOError:
            return
        (answer_bytes,) = _ANSWER_BYTES.unpack_from(datagram)
        if answer_bytes:
            receiver.sendto(bytes(answer_bytes), sender)


def _request(options: argparse.Namespace) -> None:
    end = time.monotonic() + options.seconds if options.seconds else None
    done = 0
    with _socket(options.address) as client:
        client.settimeout(_TIMEOUT_S)
        if options.source:
            client.bind((options.source, 0))
        client.connect((options.address, options.port))
        while (time.monotonic() < end) if end else (done < options.count):
            client.send(_datagram(options.up, options.down))
            if options.down and len(client.recv(_MAX_DATAGRAM_BYTES)) != options.down:
                raise ConnectionError("the answer has the wrong size")
            time.sleep(options.pause_ms / 1000)
            done += 1
    sys.stdout.write(f"{done}\n")


def _flows(options: argparse.Namespace) -> None:
    ports = range(options.port, options.port + options.ports)
    targets = [(options.address, port) for port in ports]
    senders = [_socket(options.address) for _ in range(-(-options.flows // len(targets)))]
    datagram = _datagram(options.up, 0)
    for _ in range(options.count):
        left = options.flows
        for sender in senders:
            for target in targets[:left]:
                sender.sendto(datagram, target)
            left -= len(targets)
    for sender in senders:
        sender.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("mode", choices=["serve", "query", "flows"])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--ports", type=int, default=1)
    parser.add_argument("--flows", type=int, default=1)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--up", type=int, default=_ANSWER_BYTES.size)
    parser.add_argument("--down", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--pause-ms", type=float, default=0.0)
    parser.add_argument("--source")
    return parser.parse_args()


def _main() -> None:
    options = _options()
    {"serve": _serve, "query": _request, "flows": _flows}[options.mode](options)


if __name__ == "__main__":
    _main()
