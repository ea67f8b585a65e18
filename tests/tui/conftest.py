# SPDX-License-Identifier: MIT
"""What the dashboard's tests have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.fake import FakeSource


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    return tmp_path / "config" / "tui.json"


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours and keys as in a terminal that has them, wherever the tests run."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")


@pytest.fixture(autouse=True)
def error_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where errors that no one expected are written."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "trafficmon" / "errors.log"
