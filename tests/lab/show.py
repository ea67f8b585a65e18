# SPDX-License-Identifier: MIT
"""`make demo`: trafficmon at work on real traffic, in a private lab of network namespaces.

Attaches to the lab's server and to a cgroup of its own; nothing of this machine's own network is
touched. On a terminal the dashboard runs until `q` (ten minutes at most); elsewhere each table is
printed once.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.lab.cgroup import own_cgroup
from tests.lab.demo import background_traffic
from tests.lab.lab import Lab

_SECONDS = 600.0
_WARM_UP_S = 3.0
_TABLES = (
    "flows",
    "connections",
    "processes",
    "cgroups",
    "hosts",
    "ports",
    "protocols",
    "interfaces",
    "layers",
    "drops",
)


def main() -> None:
    """Run the demo."""
    pin_dir = Path(f"/sys/fs/bpf/trafficmon-demo-{os.getpid()}")
    print("making a lab: ten clients' programs talk to a server behind a veth pair …")
    with (
        Lab(offloads=True) as lab,
        own_cgroup("demo") as cgroup,
        background_traffic(lab, _SECONDS, cgroup),
    ):
        run = [f"--net={lab.server.path}", "env", f"TRAFFICMON_PIN_DIR={pin_dir}"]
        command = ["nsenter", *run, sys.executable, "-m", "trafficmon"]
        try:
            _call([*command, "attach", "--iface", lab.server_if, "--cgroup", str(cgroup)])
            _look(command)
        finally:
            _call([*command, "detach"])


def _look(command: list[str]) -> None:
    if sys.stdout.isatty():
        try:
            subprocess.run([*command, "tui"], timeout=_SECONDS, check=False)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            print()
        return
    time.sleep(_WARM_UP_S)
    for table in _TABLES:
        _call([*command, "top", table, "-n", "8"])
    _call([*command, "status"])


def _call(command: list[str]) -> None:
    shown = command[command.index("trafficmon") :]
    print(f"\n$ {' '.join(shown)}", flush=True)
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
