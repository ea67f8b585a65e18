# SPDX-License-Identifier: MIT
"""`trafficmon` in the process of the test."""

from __future__ import annotations

import sys

import pytest

from trafficmon.cli import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command to its end; its exit code."""
    monkeypatch.setattr(sys, "argv", ["trafficmon", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)
