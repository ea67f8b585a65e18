# SPDX-License-Identifier: MIT
"""Standard streams that are closed, full, or of another encoding: a message or nothing at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {
    "--version": 0,
    "--help": 0,
    "top flows": 3,
    "status": 3,
    "events": 3,
    "detach": 0,
    "attach --iface tmabsent0": 2,
    "log --to nowhere": 2,
    "tui": 2,
    "tui --text": 0,
}
"""And how they end where nothing is attached."""

PRINTS = ("--version", "--help", "detach", "tui --text")


def run(
    command: str, redirection: str, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    script = f"exec {sys.executable} -m trafficmon {command} {redirection}"
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        ["bash", "-c", script],
        env={**known, "TRAFFICMON_PIN_DIR": str(folder / "pins"), "LC_ALL": "C.UTF-8"}
        | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("redirection", ["2>&-", "<&-", "2>/dev/full", "2>&- <&-"])
def test_a_closed_standard_error_is_no_failure(
    command: str, redirection: str, tmp_path: Path
) -> None:
    """Exit codes are what they are; what was to be printed is printed."""
    done = run(command, redirection, tmp_path)
    assert done.returncode == COMMANDS[command]
    assert bool(done.stdout) == (command in PRINTS)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("redirection", "reason"),
    [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")],
)
def test_output_that_cannot_be_written(
    command: str, redirection: str, reason: str, tmp_path: Path
) -> None:
    done = run(command, redirection, tmp_path)
    if command in PRINTS:
        assert done.stderr == f"trafficmon: cannot write to standard output: {reason}\n"
        assert done.returncode == 1
    else:
        assert done.returncode == COMMANDS[command]
    assert "Traceback" not in done.stderr


def test_all_streams_closed(tmp_path: Path) -> None:
    assert run("detach", "<&- >&- 2>&-", tmp_path).returncode == 1
    assert run("top flows", "<&- >&- 2>&-", tmp_path).returncode == 3


@pytest.mark.parametrize("command", ["--help", "detach", "tui --text"])
def test_a_reader_that_is_gone(command: str, tmp_path: Path) -> None:
    done = run(command, "> >(exec true); sleep 0", tmp_path)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"TERM": "dumb"},
        {"TERM": ""},
        {"TERM": "nonsense", "COLUMNS": "1", "LINES": "1"},
        {"COLUMNS": "-7"},
        {"COLUMNS": "many"},
        {"PYTHONUNBUFFERED": "1"},
        {"HOME": "/nonexistent"},
    ],
)
@pytest.mark.parametrize("command", ["--help", "log", "tui --text"])
def test_odd_surroundings(command: str, environment: dict[str, str], tmp_path: Path) -> None:
    done = run(command, "", tmp_path, **environment)
    assert done.returncode == (2 if command == "log" else 0)
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


def test_a_name_whose_bytes_are_no_utf_8(tmp_path: Path) -> None:
    for locale in ("C.UTF-8", "C"):
        done = run("top flows --filter $'user \\xff\\x1b'", "", tmp_path, LC_ALL=locale)
        assert done.returncode in (2, 3)
        done = run("top $'tm\\xff'", "", tmp_path, LC_ALL=locale)
        assert done.returncode == 2
        assert "udcff" in done.stderr or r"\xff" in done.stderr
        assert "\x1b" not in done.stderr
