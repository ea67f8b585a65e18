# SPDX-License-Identifier: MIT
"""`trafficmon record`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trafficmon.cli.common import PinDir
from trafficmon.cli.say import complain

if TYPE_CHECKING:
    from trafficmon.sources.recording.writer import RecordingWriter

_SHORTEST_S, _LONGEST_S = 0.1, 86400.0
_LEAST_BYTES, _MOST_BYTES = 1 << 16, 1 << 50


def record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Must not exist.")],
    interval: Annotated[
        str, typer.Option("--interval", help="From sample to sample: 1, 0.5s, 1m.")
    ] = "1",
    duration: Annotated[
        str | None, typer.Option("--for", help="End after 60s, 5m, 1h.  [default: at Ctrl-C]")
    ] = None,
    max_size: Annotated[
        str, typer.Option("--max-size", help="End when the file is that large.")
    ] = "1G",
    anonymize: Annotated[
        bool,
        typer.Option("--anonymize", help="Replace names and addresses, the same by the same."),
    ] = False,
    pin_dir: PinDir = None,
) -> None:
    """Record samples into FILE: `top --from FILE` and `tui --from FILE` show them, anywhere."""
    from trafficmon.host import signals
    from trafficmon.model.parts import Part
    from trafficmon.pins import PinDirectory, chosen
    from trafficmon.quantities import duration_s, size_bytes
    from trafficmon.render.safe import escape_controls
    from trafficmon.sources.anonymize import Anonymizer
    from trafficmon.sources.pinned import PinnedSource
    from trafficmon.sources.recording.writer import About, RecordingWriter
    from trafficmon.sources.sampling import sampled

    interval_s = duration_s("--interval", interval, _SHORTEST_S, _LONGEST_S)
    for_s = None if duration is None else duration_s("--for", duration, 0, 366 * _LONGEST_S)
    most_bytes = size_bytes("--max-size", max_size, _LEAST_BYTES, _MOST_BYTES)
    anonymized = Anonymizer().sample if anonymize else lambda sample: sample
    pins = PinDirectory(chosen(pin_dir))
    with signals.deferred() as check, PinnedSource(pins) as source:
        samples = sampled(source, ~Part(0), interval_s, for_s, check)
        first = next(samples)  # what cannot be read leaves no file behind
        with RecordingWriter(file, About(interval_s, anonymize), most_bytes) as writer:
            complain(f"recording into {escape_controls(str(file))}; Ctrl-C ends it")
            with _summary(writer), suppress(KeyboardInterrupt):
                for sample in chain([first], samples):
                    writer.add(anonymized(sample))


@contextmanager
def _summary(writer: RecordingWriter) -> Iterator[None]:
    """However it ends."""
    try:
        yield
    finally:
        complain(f"{writer.samples:,} samples, {writer.written_bytes:,} bytes")
