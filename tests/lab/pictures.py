# SPDX-License-Identifier: MIT
"""`make pictures`: the README's pictures, drawn by the program itself over the demo's real traffic.

With an argument (the pin directory) it is its own child, in the server's namespace.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.cgroup import own_cgroup
from tests.lab.demo import background_traffic
from tests.lab.lab import Lab
from trafficmon.dns.collect import refresh
from trafficmon.pins import PinDirectory
from trafficmon.reader.live import Live
from trafficmon.tui.app import TrafficApp

_PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
_SIZE, _SECONDS = (120, 34), 25.0
_TABS = ("flows", "processes", "layers")


def main() -> None:
    """Make the lab, attach, and let the child draw."""
    pin_dir = Path(f"/sys/fs/bpf/trafficmon-pictures-{os.getpid()}")
    with (
        Lab(offloads=True) as lab,
        own_cgroup("pictures") as cgroup,
        background_traffic(lab, 90.0, cgroup),
    ):
        run = ["nsenter", f"--net={lab.server.path}", "env", f"TRAFFICMON_PIN_DIR={pin_dir}"]
        command = [*run, sys.executable, "-m"]
        try:
            attach = ["trafficmon", "attach", "--iface", lab.server_if, "--cgroup", str(cgroup)]
            subprocess.run([*command, *attach], check=True)
            subprocess.run([*command, "tests.lab.pictures", str(pin_dir)], check=True)
        finally:
            subprocess.run([*command, "trafficmon", "detach"], check=True)


async def draw(pins: PinDirectory) -> None:
    """The overview after a while, then some tabs."""

    @contextmanager
    def reading() -> Iterator[Live]:
        with Live(pins) as live:
            refresh(pins, live.meta, live.attached_ifindexes(), 0.2)
            yield live

    _PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        app = TrafficApp(reading, Path(folder) / "tui.json")
        async with app.run_test(size=_SIZE) as pilot:
            await asyncio.sleep(_SECONDS)
            await pilot.pause()
            app.save_screenshot("overview.svg", str(_PICTURES))
            for tab in _TABS:
                app.query_one("#tabs").active = tab  # type: ignore[attr-defined]
                await asyncio.sleep(3)
                await pilot.pause()
                app.save_screenshot(f"{tab}.svg", str(_PICTURES))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(draw(PinDirectory(Path(sys.argv[1]))))
    else:
        main()
