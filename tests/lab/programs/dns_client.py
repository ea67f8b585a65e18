# SPDX-License-Identifier: MIT
"""Queries a resolver for names, one after the other, and waits for each answer.

Usage: dns_client.py SERVER PORT udp|tcp < LINES, each "NAME TYPE [edns]" or "raw HEX"
"""

import socket
import sys

import dns.message

_PATIENCE_S = 2.0


def wire_of(line: str, number: int) -> bytes:
    """A question, or garbage as it is."""
    name, *rest = line.split()
    if name == "raw":
        return bytes.fromhex(rest[0]) if rest else b""
    query = dns.message.make_query(name, rest[0], id=number & 0xFFFF)
    if "edns" in rest:
        query.use_edns(0, payload=4096)
    return query.to_wire()


def main() -> None:
    """Garbage, and what has no answer that could be reported, is not waited for."""
    server, port, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    kind = socket.SOCK_STREAM if way == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as client:
        client.settimeout(_PATIENCE_S)
        client.connect((server, port))
        for number, line in enumerate(sys.stdin):
            wire = wire_of(line, number)
            if way == "tcp":
                client.sendall(len(wire).to_bytes(2, "big") + wire)
                read_message(client)
                continue
            client.send(wire)
            if not line.startswith(("quiet", "raw", "junk")):
                try:
                    while client.recv(65535)[:2] != wire[:2]:
                        pass
                except TimeoutError:
                    sys.stderr.write(f"no answer to {line}")


def read_message(client: socket.socket) -> bytes:
    """One, with its length before it."""
    return _read(client, int.from_bytes(_read(client, 2), "big"))


def _read(client: socket.socket, count: int) -> bytes:
    """Not by MSG_WAITALL, which a socket with a timeout does not heed."""
    got = b""
    while len(got) < count:
        some = client.recv(count - len(got))
        if not some:
            raise EOFError(f"{len(got)} of {count} bytes")
        got += some
    return got


if __name__ == "__main__":
    main()
