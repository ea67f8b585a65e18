# SPDX-License-Identifier: MIT
"""The value after a keyword: text to a checked number, network or pattern.

Each function raises UsageError with the remedy; the parser adds the place.
"""

import re
import socket
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from trafficmon.errors import UsageError
from trafficmon.filter.errors import quoted
from trafficmon.filter.lexer import quote

_MAX_PORT: Final = 65535
_MAX_UID: Final = 2**32 - 1
_MAX_PID: Final = 2**31 - 1
_COMM_BYTES: Final = 15  # TASK_COMM_LEN without its closing zero
_PORT_RANGE: Final = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
_NETWORK: Final = re.compile(r"[0-9a-fA-F:.]+(/[0-9]{1,3})?")


def is_number(text: str) -> bool:
    """Whether `text` is nothing but the digits 0 to 9 (int() takes more than that)."""
    return text.isascii() and text.isdigit()


def network(text: str) -> IPv4Network | IPv6Network:
    """An address or a prefix such as 10.0.0.0/8; host bits beyond the prefix are dropped."""
    if "%" in text:
        raise UsageError(
            f"{quoted(text)} has a zone: write the address alone, and 'iface' for the zone"
        )
    # ip_network also takes netmasks, and 10.0.0.0/0.255.255.255 as a mask turned round.
    if not _NETWORK.fullmatch(text):
        raise UsageError(_not_an_address(text))
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise UsageError(_not_an_address(text)) from None


def is_network(text: str) -> bool:
    """Whether `text` would do as the value of host."""
    try:
        network(text)
    except UsageError:
        return False
    return True


def port_range(text: str) -> tuple[int, int]:
    """Lowest and highest port of a number, a range 8000-8100, or a service of /etc/services."""
    if is_number(text):
        port = _number(text, "port", _MAX_PORT)
        return port, port
    match = _PORT_RANGE.fullmatch(text)
    if match is None:
        port = _service_port(text)
        return port, port
    low, high = (_number(part, "port", _MAX_PORT) for part in match.groups())
    if low > high:
        raise UsageError(f"the range {low}-{high} is empty: write {high}-{low}")
    return low, high


def uid(text: str) -> int:
    """A numeric user id."""
    return _number(text, "uid", _MAX_UID, "; for a name use 'user'")


def pid(text: str) -> int:
    """A process id."""
    return _number(text, "pid", _MAX_PID, "; for a name use 'comm'")


def comm(text: str) -> str:
    """A pattern for the kernel's name of a process, which is cut after 15 bytes."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > _COMM_BYTES and not any(char in text for char in "*?["):
        kept = encoded[:_COMM_BYTES].decode("utf-8", "ignore")
        remedy = f"write 'comm {quote(kept)}'" if _is_plain(kept) else "write a pattern such as ab*"
        raise UsageError(f"the kernel keeps {_COMM_BYTES} bytes of a comm: {remedy}")
    return text


def _is_plain(text: str) -> bool:
    return text.isprintable() and "'" not in text


def _number(text: str, what: str, highest: int, otherwise: str = "") -> int:
    digits = text.lstrip("0") or "0"
    if is_number(text) and len(digits) <= len(str(highest)) and int(digits) <= highest:
        return int(digits)
    raise UsageError(
        f"invalid {what} {quoted(text)}: write a number from 0 to {highest}{otherwise}"
    )


def _service_port(name: str) -> int:
    try:
        return socket.getservbyname(name)
    except (OSError, ValueError):  # ValueError: a zero or a lone surrogate in the name
        raise UsageError(
            f"unknown service {quoted(name)}: write a port from 0 to {_MAX_PORT}"
        ) from None


def _not_an_address(text: str) -> str:
    remedy = "write one such as 10.0.0.1, 10.0.0.0/8 or 2001:db8::/32 (names are not looked up)"
    return f"invalid address {quoted(text)}: {remedy}"
