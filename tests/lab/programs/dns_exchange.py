# SPDX-License-Identifier: MIT
"""DNS queries and answers over UDP, as a stub resolver and its server exchange them.

Usage: dns_exchange.py serve ADDRESS PORT
       dns_exchange.py query ADDRESS PORT [--source ADDRESS] [--seconds S] [--pause-ms MS] NAME…

`serve` says "ready" once it is bound, and runs until it is ended. It answers a question for an IPv4
address with 192.0.2.1, and NXDOMAIN where the name begins with "missing.". `query` requests each
NAME in turn, once, or over and over for S seconds, and awaits every answer.
"""

import argparse
import itertools
import socket
import struct
import sys
import time

_HEADER = struct.Struct("!HHHHHH")  # id, flags, questions, answers, authorities, additionals
_RECURSION_DESIRED = 0x0100
_RESPONSE = 0x8180
_NXDOMAIN = 3
_TYPE_A, _CLASS_IN, _TTL_S = 1, 1, 60
_NAME_IS_AT_12 = 0xC00C
_TIMEOUT_S = 5.0


def _question(number: int, name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = _HEADER.pack(number & 0xFFFF, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack("!HH", _TYPE_A, _CLASS_IN)


def _answer_to(query: bytes) -> bytes:
    number = _HEADER.unpack_from(query)[0]
    question = query[_HEADER.size :]
    if question.startswith(b"\x07missing"):
        return _HEADER.pack(number, _RESPONSE | _NXDOMAIN, 1, 0, 0, 0) + question
    address = socket.inet_aton("192.0.2.1")
    record = (
        struct.pack("!HHHIH", _NAME_IS_AT_12, _TYPE_A, _CLASS_IN, _TTL_S, len(address)) + address
    )
    return _HEADER.pack(number, _RESPONSE, 1, 1, 0, 0) + question + record


def _socket(address: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)


def _serve(options: argparse.Namespace) -> None:
    with _socket(options.address) as server:
        server.bind((options.address, options.port))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            query, sender = server.recvfrom(512)
            server.sendto(_answer_to(query), sender)


def _query(options: argparse.Namespace) -> None:
    names = options.names if not options.seconds else itertools.cycle(options.names)
    end = time.monotonic() + options.seconds
    for number, name in enumerate(names):
        if options.seconds and time.monotonic() > end:
            return
        with _socket(options.address) as resolver:  # a port for every question, as resolvers do
            resolver.settimeout(_TIMEOUT_S)
            if options.source:
                resolver.bind((options.source, 0))
            resolver.connect((options.address, options.port))
            resolver.send(_question(number, name))
            resolver.recv(512)
        time.sleep(options.pause_ms / 1000)


def _main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("mode", choices=["serve", "query"])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("names", nargs="*", default=["www.example.org"])
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--pause-ms", type=float, default=0.0)
    parser.add_argument("--source")
    options = parser.parse_args()
    if options.mode == "serve":
        _serve(options)
    else:
        _query(options)


if __name__ == "__main__":
    _main()
