# SPDX-License-Identifier: MIT
"""Rows to sockets and to the system's log."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from trafficmon.userlog.row import Row
from trafficmon.userlog.sinks.stream import SocketSink, SyslogSink

ROW = Row(1000, "eth0", True, 5, None, None, 42, 5, 0)


def test_a_listener_gets_json_lines(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        sink = SocketSink.unix(path)
        sink.open()
        assert sink.write([ROW, ROW]) == []
        with listener.accept()[0] as peer, peer.makefile() as stream:
            reported = [json.loads(stream.readline()) for _ in range(2)]
        sink.close()
    assert reported[0]["uid"] == 1000
    assert reported[0]["src_ip"] is None
    assert reported[0]["timestamp"] == "0.000000042"


def test_without_a_listener_rows_come_back_and_it_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "s")
    sink = SocketSink.unix(path)
    assert sink.write([ROW]) == [ROW]
    assert sink.failure is not None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        assert sink.write([ROW]) == [ROW]  # not yet
        monkeypatch.setattr("trafficmon.userlog.sinks.stream._AGAIN_AFTER_S", 0)
        assert sink.write([ROW]) == []
        sink.close()


def test_the_systems_log(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        sink = SyslogSink(path)
        sink.open()
        assert sink.write([ROW]) == []
        text = listener.recv(4096).rstrip(b"\0").decode()
        sink.close()
    assert text.startswith("<30>trafficmon: {")
    assert json.loads(text.partition(": ")[2])["bytes"] == 5


def test_without_a_systems_log(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SyslogSink(str(tmp_path / "none")).open()


def test_a_systems_log_that_went_away(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        sink = SyslogSink(path)
        sink.open()
    Path(path).unlink()
    assert sink.write([ROW, ROW]) == [ROW, ROW]
    assert sink.failure is not None
    sink.close()
