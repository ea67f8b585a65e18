# SPDX-License-Identifier: MIT
"""`trafficmon tui`."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from trafficmon.cli.common import PinDir
from trafficmon.errors import UsageError

if TYPE_CHECKING:
    from trafficmon.reader.live import Live

_NAMES_S = 0.2  # of each reading, for DNS messages that wait


def tui(
    interval: Annotated[
        float, typer.Option("--interval", help="Seconds from one reading to the next.")
    ] = 1.0,
    pin_dir: PinDir = None,
) -> None:
    """The dashboard: who uses the network, now. Reads what attach has pinned."""
    from trafficmon.dns.collect import refresh
    from trafficmon.pins import PinDirectory, chosen
    from trafficmon.reader.live import Live
    from trafficmon.tui.app import TrafficApp, is_terminal
    from trafficmon.tui.settings import usual_path

    if not 0.1 <= interval <= 3600:  # nan is refused too
        raise UsageError(f"--interval {interval:g}: from 0.1 to 3600 seconds")
    if not is_terminal():
        raise UsageError("the dashboard needs a terminal; 'trafficmon top flows' does without")
    gc.enable()  # see __main__
    pins = PinDirectory(chosen(pin_dir))

    @contextmanager
    def reading() -> Iterator[Live]:
        with Live(pins) as live:
            refresh(pins, live.meta, live.attached_ifindexes(), _NAMES_S)
            yield live

    TrafficApp(reading, usual_path(), interval_s=interval, where=str(pins.root)).run()
