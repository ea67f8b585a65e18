# SPDX-License-Identifier: MIT
"""Real traffic by real programs, exact in bytes and bounded in time; each function awaits its end.

`client` and `server` are the two endpoints of any link, a VLAN's too. `user` is whom the client's
program runs as.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import processes
from tests.lab.processes import Process
from tests.lab.requirements import LabError, require_programs
from tests.lab.veth import Endpoint, IpVersion

_PROGRAMS = Path(__file__).parent / "programs"
_TIMEOUT_S = 60.0
_MAX_PORTS = 200  # of the server of `udp_flows`
TCP_MIN_UP_BYTES = 16
UDP_MIN_UP_BYTES = 4

User = str | int | None


def program(name: str, *arguments: object) -> list[str]:
    """The command line of one of the lab's own programs, in a bare interpreter of its own."""
    return [sys.executable, "-IS", str(_PROGRAMS / f"{name}.py"), *map(str, arguments)]


@contextmanager
def serving(server: Endpoint, argv: list[str], listening: str = "ready") -> Iterator[Process]:
    """Runs a server until the context is left; it is there once it has said `listening`.

    Raises LabError at the end if it has ended by itself.
    """
    process = server.namespace.popen(argv)
    try:
        processes.read_until(process, process.stdout, listening)
        yield process
        processes.check_alive(process)
    finally:
        server.namespace.end(process)


def tcp(
    client: Endpoint,
    server: Endpoint,
    *,
    up_bytes: int = TCP_MIN_UP_BYTES,
    down_bytes: int = 0,
    connections: int = 1,
    version: IpVersion = 4,
    port: int = 8080,
    user: User = None,
) -> None:
    """TCP connections, one after the other, with so much payload up (to the server) and down.

    Raises LabError when a byte is missing, or `up_bytes` is less than TCP_MIN_UP_BYTES.
    """
    if up_bytes < TCP_MIN_UP_BYTES:
        raise LabError(f"up_bytes is {up_bytes}, but a request has at least {TCP_MIN_UP_BYTES}")
    address = server.address(version)
    sizes = ["--up", up_bytes, "--down", down_bytes, "--connections", connections]
    with serving(server, program("tcp_exchange", "serve", address, port)):
        connect = program("tcp_exchange", "connect", address, port, *sizes)
        client.namespace.run(connect, _TIMEOUT_S, user=user)


def iperf3(
    client: Endpoint,
    server: Endpoint,
    *,
    seconds: float = 1.0,
    version: IpVersion = 4,
    port: int = 5201,
    down: bool = False,
    udp_bits_per_second: int | None = None,
    user: User = None,
) -> None:
    """One run of iperf3: TCP as fast as it goes, or UDP at that rate; `down` is to the client."""
    require_programs("iperf3")
    address = server.address(version)
    argv = ["iperf3", "--client", address, "--port", str(port), "--time", str(seconds)]
    argv += ["--reverse"] if down else []
    argv += ["--udp", "--bitrate", str(udp_bits_per_second)] if udp_bits_per_second else []
    listen = ["iperf3", "--server", "--bind", address, "--port", str(port), "--forceflush"]
    with serving(server, listen, "Server listening on"):
        client.namespace.run(argv, _TIMEOUT_S, user=user)


def udp(
    client: Endpoint,
    server: Endpoint,
    *,
    up_bytes: int = UDP_MIN_UP_BYTES,
    down_bytes: int = 0,
    count: int = 1,
    version: IpVersion = 4,
    port: int = 9000,
    user: User = None,
) -> None:
    """`count` datagrams in one flow, each awaiting its answer of `down_bytes` payload (0: none).

    More payload than the MTU takes goes in fragments. Raises LabError when an answer is missing, or
    `up_bytes` is less than UDP_MIN_UP_BYTES.
    """
    _check_udp_size(up_bytes)
    address = server.address(version)
    with serving(server, program("udp_exchange", "serve", address, port)):
        sizes = ["--up", up_bytes, "--down", down_bytes, "--count", count]
        client.namespace.run(
            program("udp_exchange", "query", address, port, *sizes), _TIMEOUT_S, user=user
        )


def udp_flows(
    client: Endpoint,
    server: Endpoint,
    flows: int,
    packets_per_flow: int = 1,
    *,
    payload_bytes: int = UDP_MIN_UP_BYTES,
    version: IpVersion = 4,
    first_port: int = 20000,
    user: User = None,
) -> None:
    """Many flows by few sockets: distinct pairs of ports in rotation, one packet each per round.

    Every datagram leaves the client; what does not find room in the server's sockets is lost there.
    """
    _check_udp_size(payload_bytes)
    address = server.address(version)
    ports = min(flows, _MAX_PORTS)
    with serving(server, program("udp_exchange", "serve", address, first_port, "--ports", ports)):
        sizes = [
            "--ports",
            ports,
            "--flows",
            flows,
            "--count",
            packets_per_flow,
            "--up",
            payload_bytes,
        ]
        client.namespace.run(
            program("udp_exchange", "flows", address, first_port, *sizes), _TIMEOUT_S, user=user
        )


def dns(
    client: Endpoint,
    server: Endpoint,
    names: list[str],
    *,
    version: IpVersion = 4,
    user: User = None,
) -> None:
    """DNS queries for IPv4 addresses, answered: by NXDOMAIN where a name begins with "missing"."""
    address = server.address(version)
    with serving(server, program("dns_exchange", "serve", address, 53)):
        client.namespace.run(
            program("dns_exchange", "query", address, 53, *names), _TIMEOUT_S, user=user
        )


def ping(
    client: Endpoint,
    server: Endpoint,
    *,
    count: int = 3,
    payload_bytes: int = 56,
    version: IpVersion = 4,
) -> None:
    """ICMP or ICMPv6 echo requests and their replies; raises LabError when one is missing."""
    require_programs("ping")
    argv = [
        "ping",
        "-n",
        "-q",
        "-c",
        str(count),
        "-i",
        "0.1",  # for as long, at least, it waits for the last reply
        "-s",
        str(payload_bytes),
        server.address(version),
    ]
    said = client.namespace.run(argv, _TIMEOUT_S).stdout
    if not re.search(rf"\b{count} received", said):
        raise LabError(f"ping lost replies: {said}")


def _check_udp_size(payload_bytes: int) -> None:
    if payload_bytes < UDP_MIN_UP_BYTES:
        raise LabError(
            f"the payload is {payload_bytes} bytes, but a datagram has at least {UDP_MIN_UP_BYTES}"
        )
