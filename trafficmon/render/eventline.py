# SPDX-License-Identifier: MIT
"""An event as one line of text."""

from collections.abc import Mapping

from trafficmon.render.safe import escape_controls
from trafficmon.render.units import format_bytes, format_duration

Event = Mapping[str, object]

_ENDS = {
    "closed_here": "closed by this host",
    "closed_there": "closed by the other end",
    "reset_here": "reset by this host",
    "reset_there": "reset by the other end",
    "timed_out": "timed out",
    "refused": "refused",
    "unreachable": "unreachable",
}


def event_line(event: Event) -> str:
    """Time, type, ends, owner and figures."""
    return "  ".join(part for part in event_parts(event) if part)


def event_parts(event: Event) -> tuple[str, str, str, str]:
    """The same in four: time, type, event, and the rest in one."""
    line = {"conn": _conn, "packet": _packet, "drop": _drop, "dns": _dns}.get(str(event["type"]))
    what = "  ".join(part for part in (line(event) if line else ()) if part)
    parts = (str(event["time"])[11:-1], str(event["type"]), str(event["event"]), what)
    time, type_, name, what = map(escape_controls, parts)
    return time, type_, name, what


def between(event: Event, left: str = "local", right: str = "remote", arrow: str = "-") -> str:
    """Protocol and both ends, then the remote name."""
    name = event.get("remote_name")
    ends = [_end(event[f"{side}_addr"], event[f"{side}_port"]) for side in (left, right)]
    return f"{event['protocol']} {ends[0]} {arrow} {ends[1]}" + (f" ({name})" if name else "")


def _end(address: object, port: object) -> str:
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if ":" in str(address) else f"{address}:{port}"


def owner(event: Event) -> str:
    """Process and user; empty where they are not known."""
    if event.get("pid") is None:
        return ""
    user = event["user"] if event["user"] is not None else event["uid"]
    return f"{event['comm']}[{event['pid']}] of {user}"


def _number(event: Event, name: str) -> float:
    value = event[name]
    return value if isinstance(value, int | float) else 0


def _arrow(event: Event) -> str:
    return "<-" if event["direction"] == "in" else "->"


def _conn(event: Event) -> list[str]:
    arrow = "<-" if event["role"] == "passive" else "->"
    parts = [between(event, arrow=arrow), owner(event)]
    if event["event"] != "closed":
        return parts
    parts.append(f"rx {format_bytes(_number(event, 'rx_bytes'))}")
    parts.append(f"tx {format_bytes(_number(event, 'tx_bytes'))}")
    if event["duration_s"] is not None:
        parts.append(format_duration(_number(event, "duration_s")))
    if event["rtt_us"] is not None:
        parts.append(f"rtt {format_duration(_number(event, 'rtt_us') / 1e6)}")
    if event["retransmits"]:
        parts.append(f"{event['retransmits']} retransmits")
    return [*parts, _ENDS.get(str(event["reason"]), "")]


def _packet(event: Event) -> list[str]:
    return [
        f"{event['interface']} {between(event, arrow=_arrow(event))}",
        owner(event),
        format_bytes(_number(event, "bytes")),
    ]


def _drop(event: Event) -> list[str]:
    ends = between(event, "src", "dst", "->") if event["src_addr"] is not None else ""
    why = f"{event['reason'] or 'no reason given'} in {event['location']}"
    return [why, str(event["interface"] or ""), ends, format_bytes(_number(event, "bytes"))]


def _dns(event: Event) -> list[str]:
    parts = [
        f"{event['name']} {event['record_type']}",
        f"{event['interface']} {between(event, arrow=_arrow(event))}",
    ]
    if event["event"] == "response":
        answers = event["answers"] if isinstance(event["answers"], list) else []
        data = ", ".join(str(answer["data"]) for answer in answers[:4])
        parts.append(f"{event['rcode']}{': ' if data else ''}{data}{', …' * (len(answers) > 4)}")
    if event["latency_us"] is not None:
        parts.append(format_duration(_number(event, "latency_us") / 1e6))
    return [*parts, owner(event)]
