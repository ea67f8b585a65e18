# SPDX-License-Identifier: MIT
"""The command line: exit codes, and that no arguments end in a traceback."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.command import run
from trafficmon import __version__
from trafficmon.errors import VerifierError
from trafficmon.pins import ENVIRONMENT

ABSENT = "tmabsent0"  # no interface is called so
COMMANDS = ("attach", "detach", "status", "doctor", "top")
WORDS = (
    "--json", "--csv", "--filter", "--sort", "--watch", "-n", "--iface", "--xdp", "--tc",
    "--layer", "--max-flows", "--group", "--cgroup", "--replace", "--pin-dir", "--help", "--", "-",
    "", " ", "0", "-1", "1e999", "nan", "\udcff", "\u202e", "\x1b[2J", "a" * 5000, "flows", "auto",
    "native,generic", "port 1 and (", ABSENT, "/nowhere", "99999999999999999999", "--nonsense",
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_attachment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "pins"))


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"trafficmon {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nonsense",), 2, "nonsense"),
        (("top",), 2, "TABLE"),
        (("top", "nonsense"), 2, "invalid value for TABLE: 'nonsense' (choose from flows,"),
        (("top", "flows", "--json", "--csv"), 2, "exclude each other"),
        (("top", "flows", "-n", "-1"), 2, "invalid value for -n: -1 (from 0 to"),
        (("top", "flows", "-n", "many"), 2, "-n"),
        (("top", "flows", "--watch", "0"), 2, "invalid value for --watch: "),
        (("top", "flows", "--watch", "nan"), 2, "invalid value for --watch: "),
        (("top", "flows", "--watch", "inf"), 2, "invalid value for --watch: "),
        (("top", "flows", "--watch", "1e300"), 2, "invalid value for --watch: "),
        (("top", "flows"), 3, "trafficmon attach"),
        (("status",), 3, "trafficmon attach"),
        (("attach", "--iface", ABSENT), 2, f"invalid value for --iface: {ABSENT!r} (choose from "),
        (("detach", "--nonsense"), 2, "nonsense"),
    ],
)
def test_exit_codes(
    arguments: tuple[str, ...],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert says in output.err
    assert output.err.startswith("trafficmon: ")
    assert output.err.count("\n") <= 2


def test_detach_of_nothing_is_harmless(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "detach") == 0
    assert capsys.readouterr().out == "nothing was attached\n"


def refuse(pin_dir: object) -> None:
    raise VerifierError(13, "tm_tc_rx", "first line\nthe telling line\n")


def test_debug_shows_the_traceback_and_the_verifiers_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("trafficmon.pins.chosen", refuse)
    assert run(monkeypatch, "status") == 1
    assert "first line" not in capsys.readouterr().err
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    with pytest.raises(VerifierError):
        run(monkeypatch, "--debug", "status")
    assert "first line\nthe telling line" in capsys.readouterr().err


def random_arguments(rng: random.Random) -> list[str]:
    command = rng.choice(COMMANDS)
    words = [word for word in rng.choices(WORDS, k=rng.randrange(6)) if word != "doctor"]
    named = ["--iface", ABSENT] if command == "attach" else []
    return [command, *named, *words]


@pytest.mark.parametrize("seed", range(8))
def test_no_arguments_end_in_a_traceback(
    seed: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr("trafficmon.attachment.doctor.examine", list)  # takes no arguments
    for _ in range(60):
        arguments = random_arguments(rng)
        code = run(monkeypatch, *arguments)
        output = capsys.readouterr().err
        assert code in {0, 1, 2, 3, 4}, arguments
        assert "internal error" not in output, arguments
        assert "Traceback" not in output, arguments
        assert output.count("\n") <= 3, arguments


def test_a_reader_that_has_seen_enough() -> None:
    """`trafficmon … | head`: done, and not a word."""
    script = (
        f"PYTHONUNBUFFERED=1 {sys.executable} -m trafficmon doctor | true; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
