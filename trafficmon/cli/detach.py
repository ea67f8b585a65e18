# SPDX-License-Identifier: MIT
"""`trafficmon detach`."""

from __future__ import annotations

from typing import Annotated

import typer

from trafficmon.cli import short
from trafficmon.cli.common import PinDir
from trafficmon.cli.say import say


def detach(
    iface: Annotated[
        list[str] | None,
        typer.Option("--iface", help="Only from this interface; repeatable.  [default: from all]"),
    ] = None,
    pin_dir: PinDir = None,
) -> None:
    """Stop counting and remove everything that attach made."""
    short.begin()
    from trafficmon.attachment.detach import detach as detaching
    from trafficmon.pins import PinDirectory, chosen

    pins = PinDirectory(chosen(pin_dir))
    done = detaching(pins, iface or [])
    if done.interfaces:
        say(f"detached from {', '.join(done.interfaces)}")
    elif done.anything:
        say("removed the rest of an incomplete attachment")
    else:
        say("nothing was attached")
    for pin in done.foreign:
        say(f"note: {pin} does not belong to trafficmon; it was not removed")
    for line in done.notes:
        say(f"note: {line}")
