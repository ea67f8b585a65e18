# SPDX-License-Identifier: MIT
"""A pleasant mix of traffic to look at: clients of a web, DNS and shell server, IPv4 and IPv6."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.lab import processes
from tests.lab.cgroup import entering
from tests.lab.lab import Lab
from tests.lab.processes import Process
from tests.lab.requirements import require_programs
from tests.lab.traffic import program, serving
from tests.lab.veth import Endpoint, IpVersion, add_host

_NAMES = ("www.example.org", "mail.example.org", "missing.example.org", "api.example.net")
_IPERF3_PORT = 5201
_IPERF3_BITS_PER_SECOND = 20_000_000
_GRACE_S = 30.0


class _Habit(NamedTuple):
    """What one client does over and over: it is host `host` of the lab's network."""

    host: int
    version: IpVersion
    program: str
    port: int
    pause_ms: int
    up_bytes: int = 0
    down_bytes: int = 0


_HABITS = (
    _Habit(11, 4, "tcp_exchange", 443, 40, up_bytes=700, down_bytes=40_000),
    _Habit(12, 6, "tcp_exchange", 443, 200, up_bytes=2_000, down_bytes=300_000),
    _Habit(13, 4, "tcp_exchange", 80, 20, up_bytes=300, down_bytes=5_000),
    _Habit(13, 4, "udp_exchange", 443, 10, up_bytes=1_200, down_bytes=1_200),
    _Habit(14, 6, "tcp_exchange", 22, 500, up_bytes=800_000, down_bytes=2_000),
    _Habit(11, 4, "dns_exchange", 53, 60),
    _Habit(12, 6, "dns_exchange", 53, 90),
    _Habit(14, 4, "dns_exchange", 53, 250),
)
_HOSTS = range(11, 16)
_SERVICES = {22: "ssh", 53: "dns"}
# What a unit of systemd's would look like: a cgroup and a name of its own.
_IN_ITS_CGROUP = """
import os, runpy, sys
name, home = sys.argv[1:3]
del sys.argv[:3]
open("/proc/self/comm", "w").write(name + "d")
open(home + "/cgroup.procs", "w").write(str(os.getpid()))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_background_traffic(lab: Lab, seconds: float) -> None:
    """Runs the mix for that long, then returns; raises LabError when one of its programs failed."""
    with background_traffic(lab, seconds) as clients:
        for client in clients:
            processes.check(processes.finish(client, seconds + _GRACE_S))


@contextmanager
def background_traffic(
    lab: Lab, seconds: float, cgroup: Path | None = None
) -> Iterator[list[Process]]:
    """Starts the mix, for that long or until the context is left; yields the clients' programs.

    The clients are 10.0.1.11 to .15 and fd00:0:0:1::b to ::f, the ports of the server 22, 53, 80,
    443 and 5201. The servers are in cgroups below ``cgroup``, one for each kind.
    """
    require_programs("iperf3", "ping")
    with ExitStack() as stack:
        hosts = {host: add_host(lab.client_end, lab.server_end, host) for host in _HOSTS}
        for server in sorted({(habit.program, habit.version, habit.port) for habit in _HABITS}):
            stack.enter_context(_serving(lab, *server, cgroup))
        iperf3 = _iperf3_server(lab, cgroup)
        stack.enter_context(serving(lab.server_end, iperf3, "Server listening on"))
        commands = [_client(lab, hosts[habit.host], habit, seconds) for habit in _HABITS]
        commands.append(_iperf3_client(lab, hosts[_HOSTS[-1]], seconds))
        commands.append(_ping(lab, hosts[_HOSTS[-1]], seconds))
        clients = [lab.client.popen(command) for command in commands]
        for client in clients:
            stack.callback(lab.client.end, client)
        yield clients


def _serving(
    lab: Lab, name: str, version: IpVersion, port: int, cgroup: Path | None
) -> AbstractContextManager[Process]:
    argv = program(name, "serve", lab.server_end.address(version), port)
    service = _SERVICES.get(port, "web")
    if cgroup is not None:
        home = cgroup / f"{service}.service"
        home.mkdir(exist_ok=True)
        argv = [*argv[:2], "-c", _IN_ITS_CGROUP, service, str(home), *argv[2:]]
    return serving(lab.server_end, argv)


def _client(lab: Lab, host: Endpoint, habit: _Habit, seconds: float) -> list[str]:
    mode = "connect" if habit.program == "tcp_exchange" else "query"
    address = lab.server_end.address(habit.version)
    names = _NAMES if habit.program == "dns_exchange" else ()
    options: list[object] = ["--source", host.address(habit.version)]
    options += ["--seconds", seconds, "--pause-ms", habit.pause_ms]
    if habit.program != "dns_exchange":
        options += ["--up", habit.up_bytes, "--down", habit.down_bytes]
    return program(habit.program, mode, address, habit.port, *names, *options)


# No one reads what these say meanwhile, so they must not say more than a pipe holds: no interval
# reports by iperf3, no line for every reply by ping.
def _iperf3_server(lab: Lab, cgroup: Path | None) -> list[str]:
    listen = ["--server", "--bind", lab.server_end.ipv4, "--port", str(_IPERF3_PORT)]
    argv = ["iperf3", *listen, "--interval", "0", "--forceflush"]
    return argv if cgroup is None else entering(cgroup, argv)


def _iperf3_client(lab: Lab, host: Endpoint, seconds: float) -> list[str]:
    connect = ["--client", lab.server_end.ipv4, "--bind", host.ipv4, "--port", str(_IPERF3_PORT)]
    load = ["--bitrate", str(_IPERF3_BITS_PER_SECOND), "--time", str(math.ceil(seconds))]
    return ["iperf3", *connect, *load, "--interval", "0"]


def _ping(lab: Lab, host: Endpoint, seconds: float) -> list[str]:
    return ["ping", "-q", "-I", host.ipv6, "-w", str(math.ceil(seconds)), lab.server_end.ipv6]
