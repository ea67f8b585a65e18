# SPDX-License-Identifier: MIT
"""`trafficmon capture`."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from trafficmon.cli.common import PinDir
from trafficmon.cli.contained import Contained
from trafficmon.cli.say import complain
from trafficmon.errors import TrafficmonError, UsageError, require_range

if TYPE_CHECKING:
    from trafficmon.capture.session import Counts, Sample, Session
    from trafficmon.filter.nodes import Expression
    from trafficmon.host.interfaces import Interface

_LOOK_EVERY_S = 0.1
_MOST_LOOKS = 64  # at the end, for what waits: traffic may go on
_MOST_ONE_OF, _MOST = 1 << 31, 1 << 63


def capture(
    filter_text: Annotated[
        str | None,
        typer.Option("--filter", help="host 10.0.0.1 and port 443, user alice, dir out, …"),
    ] = None,
    snaplen: Annotated[int, typer.Option("--snaplen", help="Bytes of each packet.")] = 256,
    count: Annotated[
        int | None, typer.Option("-c", help="End after so many.  [default: at Ctrl-C]")
    ] = None,
    write: Annotated[
        str | None, typer.Option("-w", help="Write pcapng there; - is standard output.")
    ] = None,
    sample: Annotated[
        int, typer.Option("--sample", help="Take one packet of so many, by chance.")
    ] = 1,
    pin_dir: PinDir = None,
) -> None:
    """Copy packets of the attached interfaces, each with its process, user and cgroup."""
    from trafficmon.capture.session import Wish, session
    from trafficmon.host import capabilities, signals
    from trafficmon.pins import PinDirectory, chosen
    from trafficmon.reader.presence import Presence

    wish = Wish(_expression(filter_text), _snap_bytes(snaplen), _one_of(sample))
    require_range("-c", count, 1, _MOST)
    if write == "-" and sys.stdout.isatty():
        raise UsageError("-w - writes binary data: redirect it, or pipe it: … -w - | tshark -r -")
    capabilities.require("capture", capabilities.CAP_BPF, capabilities.CAP_NET_ADMIN)
    pins = PinDirectory(chosen(pin_dir))
    with ExitStack() as open_:
        stop_if_interrupted = open_.enter_context(signals.deferred())
        made, interfaces = open_.enter_context(session(pins, wish))
        sink = _File(write, interfaces, wish.snap_bytes, filter_text or "") if write else _Lines()
        open_.callback(sink.close)
        presence = Presence(pins)

        def go_on() -> None:
            presence.require()
            stop_if_interrupted()

        _loop(made, sink, count, go_on)


def _expression(text: str | None) -> Expression | None:
    """FilterError and UsageError before anything is opened: also for what the kernel cannot ask."""
    from trafficmon.capture.steps import steps_of
    from trafficmon.filter.parser import parse

    expression = parse(text) if text and text.strip() else None
    steps_of(expression, {}, lambda _: None)
    return expression


def _snap_bytes(asked: int) -> int:
    from trafficmon.layout import SAMPLE_BYTES

    if asked == 0:  # as tcpdump has it: all
        return SAMPLE_BYTES
    require_range("--snaplen", asked, 1, SAMPLE_BYTES, "0: all that can be copied")
    return asked


def _one_of(asked: int) -> int:
    require_range("--sample", asked, 1, _MOST_ONE_OF, "1: all")
    return asked


def _loop(
    made: Session, sink: _File | _Lines, count: int | None, go_on: Callable[[], None]
) -> None:
    taken, contained = 0, Contained()

    def take() -> int:
        before = taken
        contained.run(take_what_came, "writing packets")
        return taken - before

    def take_what_came() -> None:
        nonlocal taken
        samples = made.read()[: None if count is None else count - taken]
        sink.write(samples)
        taken += len(samples)

    complain("capturing; Ctrl-C ends it")
    try:
        while count is None or taken < count:
            select.select([made.fd], [], [], _LOOK_EVERY_S)
            take()
            go_on()
    except KeyboardInterrupt:
        for _ in range(_MOST_LOOKS):
            if not take():
                break
    counts = made.counts()
    sink.finish(counts)
    lost = sum(one.lost for one in counts.values())
    complain(
        f"{taken:,} packets captured, {lost:,} lost because they came faster than they were written"
    )


class _Lines:
    """To people: a line for each packet."""

    def write(self, samples: list[Sample]) -> None:
        from trafficmon.render.packetline import packet_line

        for sample in samples:
            print(packet_line(_told(sample)))
        sys.stdout.flush()

    def finish(self, counts: dict[str, Counts]) -> None:
        """Nothing to add."""

    def close(self) -> None:
        """Nothing to close."""


def _told(sample: Sample) -> dict[str, object]:
    from trafficmon.events.tell import flow_ends
    from trafficmon.tables.times import time_text

    return {
        "time": time_text(sample.at_ns / 1e9, "microseconds"),
        "interface": sample.interface,
        "direction": "in" if sample.is_rx else "out",
        **(flow_ends(sample.head["key"]) if sample.head["key"]["flags"] else {"protocol": None}),
        "bytes": sample.length,
        **sample.owner,
    }


class _File:
    """pcapng, to a file or a pipe."""

    def __init__(
        self, path: str, interfaces: dict[int, Interface], snap_bytes: int, expression: str
    ) -> None:
        from trafficmon import __version__
        from trafficmon.capture.pcapng import LINKTYPE_ETHERNET, LINKTYPE_RAW, PcapngWriter

        self._stream = _opened(path)
        system = f"{os.uname().sysname} {os.uname().release}"
        self._writer = PcapngWriter(self._stream, f"trafficmon {__version__}", system)
        self._numbers = {
            one.name: self._writer.add_interface(
                one.name,
                LINKTYPE_ETHERNET if one.link_header_bytes else LINKTYPE_RAW,
                snap_bytes,
                expression,
            )
            for one in interfaces.values()
        }
        self._written = dict.fromkeys(self._numbers, 0)
        self._stream.flush()

    def write(self, samples: list[Sample]) -> None:
        from trafficmon.capture.comment import comment_of
        from trafficmon.capture.pcapng import Packet

        for one in samples:
            number = self._numbers[one.interface]
            comment = comment_of(_who(one))
            self._writer.write(
                Packet(number, one.at_ns, one.data, one.length, one.is_rx, one.dropped, comment)
            )
            self._written[one.interface] += 1
        self._stream.flush()

    def finish(self, counts: dict[str, Counts]) -> None:
        for name, number in self._numbers.items():
            told = counts[name].offered, counts[name].lost, self._written[name]
            self._writer.add_statistics(number, time.time_ns(), told)
        self._stream.flush()

    def close(self) -> None:
        if self._stream is not sys.stdout.buffer:
            self._stream.close()


def _opened(path: str) -> BinaryIO:
    """Not through another user's symbolic link, and not into a file that he may read."""
    from pathlib import Path

    from trafficmon import ownership

    if path == "-":
        return sys.stdout.buffer
    where = Path(path)
    ownership.resolve(where)  # of another user's link on the way UsageError
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW * (not where.is_symlink())
    try:
        fd = os.open(path, flags, 0o600)
        try:
            ownership.require_own_file(fd, where)
            if not where.is_symlink():
                os.ftruncate(fd, 0)
        except BaseException:
            os.close(fd)
            raise
    except OSError as error:
        raise TrafficmonError(f"{path} cannot be written: {error.strerror}") from error
    return os.fdopen(fd, "wb")


def _who(sample: Sample) -> dict[str, str | int | None]:
    owner = sample.owner
    names = {"process": "comm", "pid": "pid", "user": "user", "uid": "uid", "cgroup": "cgroup"}
    return {name: owner[field] for name, field in names.items()}
