# SPDX-License-Identifier: MIT
"""`trafficmon events`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from trafficmon.cli.common import PinDir
from trafficmon.cli.contained import Contained
from trafficmon.cli.say import complain
from trafficmon.errors import UsageError, invalid_choice, require_range

if TYPE_CHECKING:
    from trafficmon.events.event import Event
    from trafficmon.events.stream import Losses

_DEFAULT_TYPES = "conn,dns,packet,drop,alert"


def events(
    types: Annotated[
        str, typer.Option("--type", help="Of these: conn, dns, packet, drop, alert.")
    ] = _DEFAULT_TYPES,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    count: Annotated[
        int | None, typer.Option("--count", help="Exit after N events.  [default: at Ctrl-C]")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            help="Of each kind, a second and CPU; 0: any number.",
            show_default="50000",
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also drops of packets that nothing is missing for.")
    ] = False,
    pin_dir: PinDir = None,
) -> None:
    """Show what happens as it happens: connections, DNS, handshakes, drops."""
    from trafficmon.events.follow import EventOptions, event_stream, is_of_interest
    from trafficmon.host import signals
    from trafficmon.pins import PinDirectory, chosen

    names = _types(types)
    require_range("--count", count, 1, 1 << 63)
    require_range("--limit", limit, 0, (1 << 32) - 1, "0: any number")
    options = EventOptions(names) if limit is None else EventOptions(names, limit)
    with ExitStack() as open_:
        pins, contained = PinDirectory(chosen(pin_dir)), Contained()
        stream = open_.enter_context(event_stream(pins, options, contained))
        if "dns" in names and not stream.copies_dns:
            complain("note: no interface's DNS messages are copied (layer dns)")
        stop_if_interrupted = open_.enter_context(signals.deferred())
        open_.callback(lambda: _note_losses(stream.losses()))
        complain("listening; Ctrl-C ends it")
        wants = None if every else is_of_interest
        for batch in stream.batches(wants, count=count, check=stop_if_interrupted):
            _write(batch, _json_line if as_json else _text_line, contained)


def _types(text: str) -> tuple[str, ...]:
    from trafficmon.events.decode import TYPES
    from trafficmon.suggest import closest

    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in TYPES:
            raise invalid_choice("--type", name, TYPES, closest(name, TYPES))
    if not names:
        raise invalid_choice("--type", text, TYPES)
    if names == ("alert",):
        raise UsageError(
            "invalid value for --type: 'alert' alone; alerts are made by 'trafficmon agent', which "
            "this version does not have"
        )
    return names


def _write(batch: list[Event], line: Callable[[Event], str], contained: Contained) -> None:
    lines = contained.each(line, batch, "showing an event")
    sys.stdout.write("".join(f"{one}\n" for one in lines))
    sys.stdout.flush()


def _json_line(event: Event) -> str:
    from trafficmon.render.plain import to_json

    return to_json(event.record())


def _text_line(event: Event) -> str:
    from trafficmon.render.eventline import event_line

    return event_line(event.record())


def _note_losses(losses: Losses) -> None:
    if losses.lost or losses.limited:
        complain(
            f"note: {losses.lost:,} events were lost (they came faster than they were read), "
            f"{losses.limited:,} were beyond --limit"
        )
    if losses.undecoded:
        complain(f"note: {losses.undecoded:,} events could not be decoded")
