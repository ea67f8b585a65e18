# SPDX-License-Identifier: MIT
"""The dashboard over 100,000 changing flows: keys to screen, and what it takes of a CPU."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.app import App

from tests.bench.report import Row, publish
from tests.kernel.program import attached
from tests.lab.lab import Lab
from tests.lab.pktgen import PacketGenerator
from trafficmon.pins import PinDirectory
from trafficmon.tui.app import TrafficApp
from trafficmon.tui.readings.pinned import pinned

pytestmark = pytest.mark.bench

FLOWS, KEYS, SECONDS = 100_000, 200, 10.0
MEDIAN_MS, WORST_MS, CPU_PERCENT = 50, 150, 15


async def measure(app: App[None], *, keys: int) -> dict[str, Any]:
    """In a process of its own: CPU at rest, then milliseconds of each key."""
    async with app.run_test(size=(140, 40)) as pilot:
        await asyncio.sleep(3)
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        await asyncio.sleep(SECONDS)
        after, took_s = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        took = []
        for number in range(keys):
            await asyncio.sleep(0.03)
            start = time.perf_counter()
            await pilot.press("down" if number % 40 < 20 else "up")
            took.append(1000 * (time.perf_counter() - start))
    return {"cpu_percent": 100 * cpu_s / took_s, "key_ms": took}


def in_a_process(namespace: Any, what: str, *arguments: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.bench.test_dashboard", what, *arguments]
    told = namespace.run(["env", f"PYTHONPATH={Path.cwd()}", *argv], timeout=120)
    result: dict[str, Any] = json.loads(told.stdout)
    return result


@pytest.mark.timeout(300)
def test_a_hundred_thousand_flows(tmp_path: Path) -> None:
    rows: list[Row] = []
    with (
        Lab() as lab,
        PacketGenerator() as generator,
        attached(
            lab.server, lab.server_if, options=("--layer", "tc", "--max-flows", "262144")
        ) as it,
    ):
        sending = threading.Thread(
            target=lambda: generator.send(lab.client_end, lab.server_end, flows=FLOWS, seconds=60.0)
        )
        sending.start()
        time.sleep(2)
        for name, arguments in (("nothing", ()), ("dashboard", (str(it.pin_dir), str(tmp_path)))):
            told = in_a_process(lab.server, name, *arguments)
            keys = np.array(told["key_ms"])
            rows.append(
                {
                    "app": name,
                    "CPU %": told["cpu_percent"],
                    "key ms, median": float(np.median(keys)),
                    "worst": float(keys.max()),
                }
            )
        sending.join()
    publish("dashboard", f"the dashboard over {FLOWS:,} flows, a reading a second", rows)
    ours = rows[1]
    assert float(ours["key ms, median"]) <= MEDIAN_MS
    assert float(ours["worst"]) <= WORST_MS
    assert float(ours["CPU %"]) <= CPU_PERCENT


def main() -> None:
    """The child."""
    what, *arguments = sys.argv[1:]
    app: App[None] = App()
    if what == "dashboard":
        pins, folder = PinDirectory(Path(arguments[0])), Path(arguments[1])
        (folder / "tui.json").write_text(json.dumps({"tab": "flows"}))
        source, feed = pinned(pins)
        app = TrafficApp(source, feed, folder / "tui.json")
    print(json.dumps(asyncio.run(measure(app, keys=KEYS))))


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
