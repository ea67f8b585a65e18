# SPDX-License-Identifier: MIT
"""The dashboard in a real terminal, over real traffic: what a person would see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kernel.owned import Place, connected, exchange
from tests.waiting import wait_until

pytestmark = pytest.mark.kernel
_PATIENCE_S = 30.0
_ENV = ("env", "-u", "COLUMNS", "-u", "LINES")


class Terminal:
    """tmux, with a server of its own."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._server = f"tm-{os.getpid()}-{id(self)}"
        inside = ["nsenter", f"--net={place.lab.server.path}"]
        environment = [f"TRAFFICMON_PIN_DIR={place.program.pin_dir}", f"XDG_CONFIG_HOME={folder}"]
        program = [sys.executable, "-m", "trafficmon", "tui", "--interval", "0.5"]
        size = ["-x", "120", "-y", "40"]
        self._tmux("new-session", "-d", *size, *inside, *_ENV, *environment, *program)

    def _tmux(self, *arguments: str) -> str:
        argv = ["tmux", "-L", self._server, "-f", "/dev/null", *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def until(self, pattern: str) -> str:
        """The screen, once it shows that."""
        shown: list[str] = []

        def matches() -> bool:
            shown[:] = [self.screen()]
            return re.search(pattern, shown[0]) is not None

        try:
            wait_until(matches, _PATIENCE_S, step_s=0.1)
        except AssertionError:
            pytest.fail(f"no {pattern!r} in:\n{shown[0]}")
        return shown[0]

    def is_running(self) -> bool:
        argv = ["tmux", "-L", self._server, "has-session"]
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0

    def end(self) -> None:
        subprocess.run(
            ["tmux", "-L", self._server, "kill-server"], check=False, capture_output=True
        )


def test_from_the_first_look_to_the_last(place: Place, tmp_path: Path) -> None:
    server, client = connected(place)
    exchange(server, client, 300_000, 70_000)
    terminal = Terminal(place, tmp_path)
    try:
        seen = terminal.until(r"tmserver +↓")
        assert "tm-server" in seen
        assert re.search(r"connections +[1-9]", seen)
        terminal.press("]")
        terminal.until(r"tcp +10\.0\.1\.2 +5000 +10\.0\.1\.1")
        terminal.press("t")
        terminal.until(r"3\d\d kB +\d\d\.\d kB .* tm-server")
        terminal.press("/", "comm nobody", "Enter")
        terminal.until(r"0 of 0 that match")
        terminal.press("Escape")
        terminal.until(r"tcp +10\.0\.1\.2 +5000")
        place.program.run("detach")
        terminal.until(r"nothing is attached")
        place.attach()
        terminal.until(r"Flows +Connections")
        terminal.press("q")
        wait_until(lambda: not terminal.is_running(), _PATIENCE_S, step_s=0.1)
    finally:
        terminal.end()
    assert (tmp_path / "trafficmon" / "tui.json").exists()


def test_events_of_a_real_connection(place: Place, tmp_path: Path) -> None:
    """They are made from when the tab is opened, and end with the dashboard."""
    terminal = Terminal(place, tmp_path)
    try:
        terminal.until(r"tmserver +↓")
        terminal.press("[", "[")
        terminal.until(r"Events")
        time.sleep(1)  # until the feed reads
        terminal.press("/", "port 5000", "Enter")  # the kernel's drops are the whole machine's
        server, client = connected(place)
        exchange(server, client, 30_000, 7_000)
        client.do("c.close()")
        server.do("c.close()")
        seen = terminal.until(r"conn +closed +tcp 10\.0\.1\.2:5000 <- 10\.0\.1\.1:\d+ ")
        assert "tm-server[" in seen
        terminal.press("Enter")
        terminal.until(r"ALL FIELDS")
        terminal.press("Escape", "q")
    finally:
        terminal.end()


def test_without_a_terminal(place: Place) -> None:
    done = place.program.run("tui", check=False)
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr
