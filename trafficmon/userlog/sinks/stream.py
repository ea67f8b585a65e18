# SPDX-License-Identifier: MIT
"""Rows to a socket, as JSON lines; and to the system's log."""

from __future__ import annotations

import logging
import logging.handlers
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from trafficmon.render.plain import to_json
from trafficmon.userlog.row import Row
from trafficmon.userlog.sinks.base import Totals
from trafficmon.userlog.sinks.forms import JsonLines, as_object

_PATIENCE_S = 2.0
_AGAIN_AFTER_S = 5.0


class SocketSink:
    """A connection that is made again when it breaks; what could not be sent is returned."""

    failure: OSError | None = None

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect, self._form = connect, JsonLines()
        self._socket: socket.socket | None = None
        self._failed_at = float("-inf")

    @classmethod
    def unix(cls, path: str) -> SocketSink:
        """A listening socket in the file system."""

        def connect() -> socket.socket:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(_PATIENCE_S)
            try:
                made.connect(path)
            except OSError:
                made.close()
                raise
            return made

        return cls(connect)

    @classmethod
    def tcp(cls, host: str, port: int) -> SocketSink:
        """A listening socket on this host or another."""
        return cls(lambda: socket.create_connection((host, port), _PATIENCE_S))

    def open(self) -> dict[int, Totals]:
        """Nothing yet: the connection is made with the first rows."""
        return {}

    def write(self, rows: Sequence[Row]) -> list[Row]:
        """All or nothing: the other end gets whole lines."""
        try:
            if self._socket is None:
                if time.monotonic() - self._failed_at < _AGAIN_AFTER_S:
                    return list(rows)
                self._socket = self._connect()
            self._socket.sendall(b"".join(map(self._form.line, rows)))
        except OSError as error:
            self.failure, self._failed_at = error, time.monotonic()
            self.close()
            return list(rows)
        self.failure = None
        return []

    def reopen(self) -> None:
        """Connect anew with the next rows."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class SyslogSink:
    """One message a row, of facility daemon, at the level info."""

    failure: OSError | None = None

    def __init__(self, address: str | tuple[str, int] = "/dev/log") -> None:
        self._address = address
        self._handler: logging.handlers.SysLogHandler | None = None

    def open(self) -> dict[int, Totals]:
        """OSError where no syslog daemon listens."""
        if isinstance(self._address, str) and not Path(self._address).exists():
            raise FileNotFoundError(2, "no syslog listens there", self._address)
        facility = logging.handlers.SysLogHandler.LOG_DAEMON
        self._handler = _Raising(self._address, facility)
        self._handler.ident = "trafficmon: "
        return {}

    def write(self, rows: Sequence[Row]) -> list[Row]:
        """Rows that the system's log did not take."""
        self.failure = None
        for place, row in enumerate(rows):
            record = logging.makeLogRecord(
                {"msg": to_json(as_object(row)), "levelno": logging.INFO, "levelname": "INFO"}
            )
            try:
                if self._handler is not None:
                    self._handler.handle(record)
            except OSError as error:
                self.failure = error
                return list(rows[place:])
        return []

    def reopen(self) -> None:
        """Open the socket again."""
        self.close()
        self.open()

    def close(self) -> None:
        """Close the socket."""
        if self._handler is not None:
            self._handler.close()
            self._handler = None


class _Raising(logging.handlers.SysLogHandler):
    """Says when it could not send."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        del record
        raise  # noqa: PLE0704 - called by emit(), in the midst of its exception
