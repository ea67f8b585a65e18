# SPDX-License-Identifier: MIT
"""Numbers with units, short and for people; SI prefixes (1 kB = 1000 bytes), bits and bytes.

Numbers here are finite. Their digits take at most four characters, so that a live display does not
jump: the *_WIDTH constants hold for all that is neither negative nor beyond the largest prefix.
"""

from datetime import UTC, datetime
from typing import Final

BYTES_WIDTH: Final = len("99.9 GB")
BYTE_RATE_WIDTH: Final = len("99.9 GB/s")
BIT_RATE_WIDTH: Final = len("99.9 Gbit/s")
DURATION_WIDTH: Final = len("99.9 ms")
PERCENT_WIDTH: Final = len("100.0%")

_PREFIXES: Final = ("", "k", "M", "G", "T", "P", "E")


def format_bytes(count: float) -> str:
    """Bytes: "999 B", "1.2 MB"."""
    return _scaled(count, "B")


def format_byte_rate(bytes_per_s: float) -> str:
    """Bytes per second: "1.2 MB/s"."""
    return _scaled(bytes_per_s, "B/s")


def format_bit_rate(bits_per_s: float) -> str:
    """Bits per second: "3.4 Gbit/s"."""
    return _scaled(bits_per_s, "bit/s")


def format_duration(seconds: float) -> str:
    """A time span: "850 µs", "12.3 ms", "3.4 s", "2m05s", "3h07m", "5d04h"."""
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if round(seconds * 1e6) < 1000:
        return f"{seconds * 1e6:.0f} µs"
    if float(_short(seconds * 1e3)) < 1000:
        return f"{_short(seconds * 1e3)} ms"
    if float(_short(seconds)) < 60:
        return f"{_short(seconds)} s"
    return _clock(round(seconds))


def _clock(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes_over = divmod(minutes, 60)
    days, hours_over = divmod(hours, 24)
    if days >= 1000:
        return f"{days}d"
    if days:
        return f"{days}d{hours_over:02}h"
    if hours:
        return f"{hours}h{minutes_over:02}m"
    return f"{minutes}m{seconds:02}s"


def format_percent(percent: float) -> str:
    """A percentage with one decimal; 100.0% and 0.0% only when it is exactly that.

    Rounding must not hide the last loss: 99.99 is "99.9%", 0.01 is "0.1%".
    """
    rounded = round(percent, 1)
    if rounded == 100 and percent < 100:
        rounded = 99.9
    elif rounded == 0 and percent > 0:
        rounded = 0.1
    return f"{rounded:.1f}%"


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC, with microseconds: "2026-01-02T03:04:05.123456Z".

    Raises ValueError for a naive datetime, which names no moment.
    """
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment} has no time zone")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='microseconds')}Z"


def _scaled(value: float, unit: str) -> str:
    sign, magnitude = ("-", -value) if value < 0 else ("", value)
    if magnitude < 1000 and magnitude == int(magnitude):
        return f"{sign}{magnitude:.0f} {unit}"
    prefixes = iter(_PREFIXES)
    prefix = next(prefixes)
    while float(_short(magnitude)) >= 1000 and prefix != _PREFIXES[-1]:
        magnitude /= 1000
        prefix = next(prefixes)
    return f"{sign}{_short(magnitude)} {prefix}{unit}"


def _short(magnitude: float) -> str:
    # From 99.95 on, one decimal would round to a fifth character.
    return f"{magnitude:.1f}" if magnitude < 99.95 else f"{magnitude:.0f}"
