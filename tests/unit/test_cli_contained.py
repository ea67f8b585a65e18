# SPDX-License-Identifier: MIT
"""Commands that run on: the unexpected costs one round, is reported once, and kept in a file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tui.fake import FakeSource
from tests.unit.command import run
from trafficmon.cli.contained import Contained
from trafficmon.errors import NotAttachedError
from trafficmon.sources import pinned
from trafficmon.tables import owners
from trafficmon.tables.table import Table


@pytest.fixture(autouse=True)
def error_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "trafficmon" / "errors.log"


def test_top_watch_continues_after_a_round_that_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error_log: Path
) -> None:
    source, made = FakeSource(), owners.process_table
    rounds: list[float] = []

    def odd(opened: Any) -> Table:
        if len(rounds) in (1, 2):
            raise KeyError("nobody\x1b[2J")
        return made(opened)

    def sleep(seconds: float) -> None:
        assert seconds == 3
        rounds.append(seconds)
        if len(rounds) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(pinned, "PinnedSource", lambda *_: source)
    monkeypatch.setattr(owners, "process_table", odd)
    monkeypatch.setattr(time, "sleep", sleep)
    assert run(monkeypatch, "top", "processes", "--watch", "3", "--json") == 130
    output = capsys.readouterr()
    arrays = output.out.replace("]\n[", "]\x00[").split("\x00")
    assert [len(json.loads(one)) for one in arrays] == [3, 3, 3]
    assert output.err.count("internal error while reading processes (KeyError") == 1
    assert str(error_log) in output.err
    assert "\x1b" not in output.err
    assert "Traceback" in error_log.read_text()


def test_what_ends_a_command_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    contained = Contained()

    def ends() -> None:
        raise NotAttachedError("it was taken out")

    with pytest.raises(NotAttachedError):
        contained.run(ends, "reading")
    assert contained.run(lambda: 1 // 0, "dividing")
    assert contained.run(lambda: 1, "counting") is None
    assert capsys.readouterr().err.count("\n") == 1
