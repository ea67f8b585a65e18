# SPDX-License-Identifier: MIT
"""Short commands look for no garbage and end at once; those that run on are as other programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

START = """
import atexit, gc, sys
import trafficmon.__main__ as program
import trafficmon.pins as pins
choose = pins.chosen
def chosen(option):
    print("collects" if gc.isenabled() else "does not collect")
    return choose(option)
pins.chosen = chosen
atexit.register(print, "is taken down")
program.start()
"""


def said_by(tmp_path: Path, *arguments: str) -> list[str]:
    command = [sys.executable, "-c", START, *arguments, "--pin-dir", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 3, 4), done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("command", ["status", "status --json", "top flows", "top ports --json"])
def test_short_commands_take_the_short_cuts(tmp_path: Path, command: str) -> None:
    assert said_by(tmp_path, *command.split()) == ["does not collect"]


@pytest.mark.parametrize(
    "command", ["events", "capture", "log", "tui --text", "top flows --watch 1"]
)
def test_commands_that_run_on_do_not(tmp_path: Path, command: str) -> None:
    more = ("--dir", str(tmp_path)) if command == "log" else ()
    first, *_, last = said_by(tmp_path, *command.split(), *more)
    assert first == "collects"
    assert last.endswith("is taken down")


def test_a_caller_of_a_command_keeps_its_process() -> None:
    script = (
        "import gc; from trafficmon.cli.main import app; "
        "code = app(['status', '--pin-dir', '/none'], standalone_mode=False)"
    )
    checked = f"try:\n    {script}\nexcept Exception:\n    print(gc.isenabled())"
    done = subprocess.run(
        [sys.executable, "-c", checked], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "True\n", done.stderr
