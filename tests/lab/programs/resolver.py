# SPDX-License-Identifier: MIT
"""A resolver over UDP and TCP that answers by the name's first label, and logs what it was queried.

Usage: resolver.py ADDRESS PORT LOG

Says "ready" once it listens, and runs until it is ended. LOG gets a line for each question: name,
type, udp or tcp. nx… does not exist, sf… is a failure, tc… is truncated over UDP, big… has an
answer of 1,500 bytes, cut… one with its end missing, junk… random bytes, quiet… no answer at all;
refused…, formerr…, notimp…, badvers… and odd… are other errors.
"""

import random
import socket
import socketserver
import sys
import threading
from typing import IO

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

_RCODES = {
    "nx": dns.rcode.NXDOMAIN,
    "sf": dns.rcode.SERVFAIL,
    "refused": dns.rcode.REFUSED,
    "formerr": dns.rcode.FORMERR,
    "notimp": dns.rcode.NOTIMP,
    "badvers": dns.rcode.BADVERS,  # an extended one: its upper bits are in OPT
    "odd": dns.rcode.Rcode(3841),  # one that has no name
}
_lock = threading.Lock()


def answer_to(raw: bytes, way: str, log: IO[str]) -> bytes:
    """Nothing where there is to be no answer."""
    query = dns.message.from_wire(raw)
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    type_ = dns.rdatatype.to_text(question.rdtype)
    with _lock:
        log.write(f"{name} {type_} {way}\n")
        log.flush()
    response = dns.message.make_response(query)
    kind = name.partition(".")[0].rstrip("0123456789")
    if kind == "quiet":
        return b""
    if kind == "junk":
        return random.Random(name).randbytes(len(raw) * 2)
    if kind in _RCODES:
        if kind in ("badvers", "odd"):
            response.use_edns(0)
        response.set_rcode(_RCODES[kind])
    elif kind == "tc" and way == "udp":
        response.flags |= dns.flags.TC
    elif kind == "big":
        texts = [f'"{n:03}{"x" * 200}"' for n in range(7)]
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", *texts))
    elif type_ == "AAAA":
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "AAAA", "2001:db8::7"))
    else:
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", "192.0.2.7"))
    wire = response.to_wire(max_size=65535)
    return wire[:-9] if kind == "cut" else wire


class Udp(socketserver.BaseRequestHandler):
    """A datagram, and the answer in another."""

    def handle(self) -> None:
        raw, server = self.request
        if answer := answer_to(raw, "udp", LOG):
            server.sendto(answer, self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    """Questions one after the other, each with its length before it."""

    def handle(self) -> None:
        while length := self.rfile.read(2):
            answer = answer_to(self.rfile.read(int.from_bytes(length, "big")), "tcp", LOG)
            self.wfile.write(len(answer).to_bytes(2, "big") + answer)


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


if __name__ == "__main__":
    ADDRESS, PORT = sys.argv[1], int(sys.argv[2])
    if ":" in ADDRESS:
        socketserver.UDPServer.address_family = socket.AF_INET6
        _TcpServer.address_family = socket.AF_INET6
    LOG = open(sys.argv[3], "a")  # noqa: PTH123, SIM115 - until the end
    with (
        socketserver.UDPServer((ADDRESS, PORT), Udp) as udp,
        _TcpServer((ADDRESS, PORT), Tcp) as tcp,
    ):
        threading.Thread(target=tcp.serve_forever, daemon=True).start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        udp.serve_forever()
