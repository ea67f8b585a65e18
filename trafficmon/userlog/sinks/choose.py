# SPDX-License-Identifier: MIT
"""The sink that `--to` names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trafficmon.errors import UsageError, invalid_choice
from trafficmon.userlog.sinks.base import Sink
from trafficmon.userlog.sinks.files import FileSink
from trafficmon.userlog.sinks.forms import Csv, Form, JsonLines
from trafficmon.userlog.sinks.stream import SocketSink, SyslogSink

_FORMS: dict[str, Callable[[], Form]] = {"csv": Csv, "jsonl": JsonLines}
_CHOICES = (*_FORMS, "syslog", "unix:PATH", "tcp:HOST:PORT")


def sink_of(to: str, directory: Path | None, max_bytes: int, keep: int) -> Sink:
    """``directory``, ``max_bytes`` and ``keep`` (rotated files) are of files. UsageError."""
    if to in _FORMS:
        if directory is None:
            raise UsageError(f"--to {to} needs --dir DIR; others are syslog, unix:… and tcp:…")
        return FileSink(directory, _FORMS[to](), max_bytes, keep)
    if directory is not None:
        raise UsageError(f"--dir and --to {to} exclude each other; --dir is for --to csv and jsonl")
    kind, _, place = to.partition(":")
    if to == "syslog":
        return SyslogSink()
    if kind == "unix" and place:
        return SocketSink.unix(place)
    host, _, port = place.rpartition(":")
    if kind == "tcp" and host and port.isdecimal() and int(port) < 1 << 16:
        return SocketSink.tcp(host.strip("[]"), int(port))
    raise invalid_choice("--to", to, _CHOICES)
