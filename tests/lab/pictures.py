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
from pathlib import Path

from tests.lab.cgroup import own_cgroup
from tests.lab.demo import background_traffic
from tests.lab.lab import Lab
from trafficmon.pins import PinDirectory
from trafficmon.tui.app import TrafficApp
from trafficmon.tui.readings.pinned import pinned

_PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
_SIZE, _SECONDS = (120, 38), 25.0
_TABS = ("flows", "connections", "processes", "cgroups", "dns", "layers", "events")
_DETAIL_S = 20.0


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
    _PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source, feed = pinned(pins)
        app = TrafficApp(source, feed, Path(folder) / "tui.json")
        async with app.run_test(size=_SIZE) as pilot:
            await asyncio.sleep(_SECONDS)
            await pilot.pause()
            app.save_screenshot("overview.svg", str(_PICTURES))
            for tab in _TABS:
                app.action_open_tab(tab)
                await asyncio.sleep(3)
                await pilot.pause()
                app.save_screenshot(f"{tab}.svg", str(_PICTURES))
            app.action_open_tab("flows")
            await asyncio.sleep(2)
            await pilot.press("enter")
            await asyncio.sleep(_DETAIL_S)
            await pilot.pause()
            app.save_screenshot("detail.svg", str(_PICTURES))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(draw(PinDirectory(Path(sys.argv[1]))))
    else:
        main()
