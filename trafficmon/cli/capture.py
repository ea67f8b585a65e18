# SPDX-License-Identifier: MIT
"""`trafficmon capture`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from trafficmon.cli.common import PinDir
from trafficmon.cli.contained import Contained
from trafficmon.cli.say import complain
from trafficmon.errors import UsageError, require_range

if TYPE_CHECKING:
    from trafficmon.filter.nodes import Expression

_MOST_ONE_OF, _MOST = 1 << 31, 1 << 63


def capture(
    filter_text: Annotated[
        str | None,
        typer.Option("--filter", help="host 10.0.0.1 and port 443, user alice, dir out, …"),
    ] = None,
    snaplen: Annotated[int, typer.Option("--snaplen", help="Bytes of each packet.")] = 256,
    count: Annotated[
        int | None, typer.Option("-c", help="Exit after N packets.  [default: at Ctrl-C]")
    ] = None,
    write: Annotated[
        str | None, typer.Option("-w", help="Write pcapng there; - is standard output.")
    ] = None,
    sample: Annotated[int, typer.Option("--sample", help="Sample one packet in N at random.")] = 1,
    pin_dir: PinDir = None,
) -> None:
    """Copy packets of the attached interfaces, each with its process, user and cgroup."""
    from trafficmon.capture.packets import CaptureOptions, packet_capture
    from trafficmon.capture.sinks import PacketLines, PcapngFile, write_packets
    from trafficmon.host import capabilities, signals
    from trafficmon.pins import PinDirectory, chosen

    expression, snap_bytes = _expression(filter_text), _snap_bytes(snaplen)
    require_range("--sample", sample, 1, _MOST_ONE_OF, "1: all")
    require_range("-c", count, 1, _MOST)
    if write == "-" and sys.stdout.isatty():
        raise UsageError("-w - writes binary data: redirect it, or pipe it: … -w - | tshark -r -")
    capabilities.require("capture", capabilities.CAP_BPF, capabilities.CAP_NET_ADMIN)
    options, contained = CaptureOptions(expression, snap_bytes, sample), Contained()
    with ExitStack() as open_:
        stop_if_interrupted = open_.enter_context(signals.deferred())
        pins = PinDirectory(chosen(pin_dir))
        opened = open_.enter_context(packet_capture(pins, options, contained))
        sink = (
            PcapngFile(write, opened.interfaces, snap_bytes, filter_text or "")
            if write
            else PacketLines(sys.stdout)
        )
        open_.callback(sink.close)
        complain("capturing; Ctrl-C ends it")
        captured, lost = write_packets(opened, sink, count, stop_if_interrupted, contained)
    complain(
        f"{captured:,} packets captured, {lost:,} lost because they came faster than they were "
        "written"
    )


def _expression(text: str | None) -> Expression | None:
    """FilterError and UsageError before anything is opened: also for what the kernel cannot do."""
    from trafficmon.capture.steps import steps_of
    from trafficmon.filter.parser import parse

    expression = parse(text) if text and text.strip() else None
    steps_of(expression, {}, lambda _: None)
    return expression


def _snap_bytes(snaplen: int) -> int:
    from trafficmon.layout import SAMPLE_BYTES

    if snaplen == 0:  # as tcpdump has it: all
        return SAMPLE_BYTES
    require_range("--snaplen", snaplen, 1, SAMPLE_BYTES, "0: all that can be copied")
    return snaplen
