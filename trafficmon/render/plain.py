# SPDX-License-Identifier: MIT
"""Values of a record as plain text and as JSON."""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from numbers import Integral, Real

from trafficmon.render.safe import escape_bytes
from trafficmon.render.units import format_time


def to_json(value: object) -> str:
    r"""`value` as JSON on one line, in printable ASCII alone.

    Not-a-number and infinity, which JSON has no word for, become null. Everything beyond ASCII is
    escaped, so that neither a terminal nor a stream's encoding can be hurt. Bytes of names that are
    not UTF-8 are \xff in it: strict readers refuse a lone surrogate (RFC 8259, 8.2).
    """
    try:
        text = _dump(value)
    except ValueError:
        text = _dump(_plain(value))
    return _dump(_plain(value)) if "\\ud" in text or "\\\\x" in text else text


def to_text(value: object) -> str:
    """`value`, which is not None, as text without any rounding; not yet safe for a terminal."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | Mapping | list | tuple):
        return to_json(value)
    if isinstance(value, datetime):
        return format_time(value)
    return str(value)


def is_unknown(value: object) -> bool:
    """Whether there is nothing to show: null, or a number that is none."""
    return value is None or (isinstance(value, Real) and not math.isfinite(value))


def _dump(value: object) -> str:
    return _ENCODER.encode(value)


def _foreign(value: object) -> object:
    """What json does not know; numpy's numbers are among it without numpy being imported."""
    match value:
        case datetime():
            return format_time(value)
        case IPv4Address() | IPv6Address():
            return str(value)
        case Integral():
            return int(value)
        case Real():
            return float(value)
        case _:
            raise TypeError(f"a record holds {value!r}, which JSON cannot")


def _plain(value: object) -> object:
    match value:
        case Mapping():
            return {_plain(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case str():
            return escape_bytes(value)
        case Real() if not math.isfinite(value):
            return None
        case _:
            return value


_ENCODER = json.JSONEncoder(allow_nan=False, default=_foreign)
"""Made once: json.dumps() makes one for each call with options."""
