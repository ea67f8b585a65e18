# SPDX-License-Identifier: MIT
"""Every option of every command with values it cannot take: exit 2, and nothing was opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.unit.command import run
from trafficmon.cli import main
from trafficmon.pins import PinDirectory

WHOLE = ("-1", "99999999999999999999999", "x", "1.5", "", "nan", "0x10", "--", "1e3")
REAL = ("nan", "inf", "-inf", "-1", "0", "x", "", "1e999", "1e300", "0.0001", "\udcff")
TEXTS: dict[str, dict[str, tuple[str, ...]]] = {
    "attach": {
        "--xdp": ("fast", "", ",", "auto,native", "NATIVE", "\udcff", "\x1b[2J"),
        "--tc": ("old", "", "tcx,clsact"),
        "--app": ("some", "", "\udcff"),
        "--layer": ("tcp", "", ",", "dns", "\x1b"),
        "--group": ("nosuchgroup", "", "\udcff"),
        "--cgroup": ("/nowhere", "/tmp"),
        "--iface": ("tmabsent0", "", "a" * 300, "\udcff"),
    },
    "top": {
        "--sort": ("colour", "", "-", "rate", "--rx_bytes", "\udcff"),
        "--filter": ("port", "port (", "ipv6", "user \udcff and", "(" * 70, "x" * 5000, "&", "'"),
    },
    "events": {"--type": ("tcp", "", ",", "alert", "conn,tcp", "\udcff")},
    "capture": {
        "--filter": ("port", "proto x", "user nosuchuser", " or ".join(["port 1"] * 99), "'"),
    },
    "log": {"--to": ("nowhere", "", "tcp:", "tcp:host", "tcp:host:99999", "unix:", "tcp::1")},
}
BASE = {"attach": ["--iface", "lo"], "top": ["flows"], "log": ["--dir", "/nowhere"]}
PORT = ("tui", "--port")


class TouchedError(Exception):
    """What lies in a pin directory was looked for."""


def touched(*_: object) -> None:
    raise TouchedError


@pytest.fixture(autouse=True)
def pins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRAFFICMON_PIN_DIR", str(tmp_path / "pins"))
    for name in ("map", "link", "host_link", "program", "host_program", "exists", "is_complete"):
        monkeypatch.setattr(PinDirectory, name, touched)
    monkeypatch.setattr("trafficmon.host.capabilities.require", touched)


def numbers() -> Iterator[tuple[str, str, str]]:
    group: Any = typer.main.get_command(main.app)
    for command, made in group.commands.items():
        for option in made.params:
            bad = {"int": WHOLE, "integer": WHOLE, "float": REAL}.get(option.type.name, ())
            yield from ((command, option.opts[0], value) for value in bad)


def texts() -> Iterator[tuple[str, str, str]]:
    for command, options in TEXTS.items():
        for option, values in options.items():
            yield from ((command, option, value) for value in values)


CASES = [*numbers(), *texts(), *(("top", "TABLE", name) for name in ("nope", "", "\udcff", "flow"))]


def test_all_kinds_of_options_are_tried() -> None:
    tried = {(command, option) for command, option, _ in CASES}
    assert {("top", "-n"), ("top", "--watch"), ("tui", "--port"), ("capture", "-c")} <= tried
    assert {("events", "--limit"), ("log", "--keep"), ("attach", "--max-flows")} <= tried


@pytest.mark.parametrize(("command", "option", "value"), CASES)
def test_a_value_that_cannot_be(
    command: str,
    option: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if option == "--cgroup" and value == "/tmp":
        monkeypatch.setattr(
            "trafficmon.host.cgroups.version_2_root", lambda: Path("/sys/fs/cgroup")
        )
    base = [] if option in ("TABLE", "--iface", "--to") else BASE.get(command, [])
    more = ["--web"] if (command, option) == PORT else []
    requested = [value] if option == "TABLE" else [option, value]
    assert run(monkeypatch, command, *base, *requested, *more) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("trafficmon: ")
    assert 1 <= output.err.count("\n") <= 3, output.err
    assert "Traceback" not in output.err
    assert "internal error" not in output.err
    assert "\x1b" not in output.err
    if option not in ("--filter", "--iface", "--cgroup", "--group", "TABLE"):
        assert option in output.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tui", "--port", "99999", "--web"), "--port: 99999 (from 0 to 65535)"),
        (("attach", "--iface", "lo", "--xdp", "foo"), "--xdp: 'foo' (choose from auto, native, "),
        (("top", "flows", "-n", "x"), "-n: 'x' is not a valid int"),
        (("top", "flows", "--watch", "0"), "--watch: 0 (from 0.01 to 86400)"),
        (
            ("log", "--dir", "/x", "--interval", "nan"),
            "--interval: nan (from 0.1 to ",
        ),
    ],
)
def test_the_form_of_a_message(
    arguments: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err.startswith(f"trafficmon: invalid value for {said}")
