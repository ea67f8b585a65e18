# SPDX-License-Identifier: MIT
"""A reader in a time namespace: times are the wall's, names those of the processes."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.owned import Place, close_all, connected, exchange, place_of
from tests.lab import processes

pytestmark = pytest.mark.kernel

# No clock may begin before 0, so backwards only as far as the machine has been up.
_BACK_S = int(float(Path("/proc/uptime").read_text().split()[0])) // 2


def shifted(place: Place, offset_s: int, *arguments: str) -> list[str]:
    """The command, with both clocks moved."""
    moved = [f"--monotonic={offset_s}", f"--boottime={offset_s}"]
    program = [sys.executable, "-m", "trafficmon", *arguments]
    environment = ["env", f"TRAFFICMON_PIN_DIR={place.program.pin_dir}"]
    return ["unshare", "--time", *moved, "--fork", *environment, *program]


def rows(place: Place, offset_s: int, table: str) -> list[dict[str, Any]]:
    argv = shifted(place, offset_s, "top", table, "--json", "-n", "1000")
    found: list[dict[str, Any]] = json.loads(place.lab.server.run(argv, timeout=60).stdout)
    return found


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("offset_s", [86_400, -_BACK_S], ids=["ahead", "back"])
def test_times_and_names_in_a_time_namespace(offset_s: int) -> None:
    if not Path("/proc/self/ns/time").exists():
        pytest.skip("this kernel has no time namespaces (5.6)")
    begin = time.time()
    with place_of(attach=True) as place:
        server, client = connected(place)
        exchange(server, client, 1000, 1000)
        (connection,) = (r for r in rows(place, offset_s, "connections") if r["remote_addr"])
        (flow,) = rows(place, offset_s, "flows")
        (process,) = (r for r in rows(place, offset_s, "processes") if r["pid"] == server.pid)
        assert process == place.process(server)
        argv = shifted(place, offset_s, "events", "--json", "--type", "conn,packet", "--count", "1")
        events = place.lab.server.popen(argv)
        processes.read_until(events, events.stderr, "listening", timeout=30)
        close_all(client, server)
        reported = json.loads(processes.finish(events, 30).stdout)
        end = time.time()
    assert process["exe"]
    assert 0 <= connection["duration_s"] <= end - begin
    times = (connection["opened_at"], flow["first_seen"], flow["last_seen"], reported["time"])
    for text in times:
        assert begin - 1 <= moment(text) <= end + 1
