# SPDX-License-Identifier: MIT
"""Settings that are damaged, as a whole or in part, or no file at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.drive import drawn, press, run
from tests.tui.fake import FakeSource
from trafficmon.tui.app import TABS, TrafficApp
from trafficmon.tui.settings import Settings

DAMAGES = (
    b"", b"{", b"[]", b"null", b"7", b'"tui"', b"\xff\xfe", b"NaN", b"[" * 100_000,
    b'{"bits": ' + b"9" * 5000 + b"}", b'{"tab": "' + b"x" * 200_000 + b'"}',
)  # fmt: skip
ODD_VALUES: tuple[dict[str, object], ...] = (
    {"sort": {"flows": 7}},
    {"sort": {"flows": []}},
    {"sort": {"flows": [1, 2, 3]}},
    {"sort": {"flows": [["a"], False]}},
    {"sort": {"flows": ["rx_bytes", "yes"]}},
    {"sort": {"flows": {"a": 1}}},
    {"sort": [["flows", "rx_bytes"]]},
    {"theme": "none", "tab": "nowhere"},
    {"theme": ["textual-dark"], "tab": 7, "bits": 1, "totals": "yes"},
    {"theme": "\ud800", "tab": "\x1b[2J"},
    {"bits": float("nan"), "sort": {"flows": [float("inf"), True]}},
    {"unknown": {"deep": [1]}, "__class__": "x", "save": "y"},
)


@pytest.mark.parametrize("content", DAMAGES)
def test_what_cannot_be_read_is_as_none(settings: Path, content: bytes) -> None:
    settings.parent.mkdir()
    settings.write_bytes(content)
    assert Settings.load(settings) == Settings()


@pytest.mark.parametrize("kind", ["directory", "fifo", "loop", "closed", "device", "below a file"])
def test_what_is_no_file_of_ours_is_as_none(
    settings: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.parent.mkdir()
    match kind:
        case "directory":
            settings.mkdir()
        case "fifo":
            os.mkfifo(settings)
        case "loop":
            settings.symlink_to(settings)
        case "closed":
            settings.write_text('{"bits": true}')
            monkeypatch.setattr("trafficmon.tui.settings.read_own", _refused)
        case "device":
            settings.symlink_to("/dev/zero")
        case _:
            settings.parent.rmdir()
            settings.parent.write_text("")
    assert Settings.load(settings) == Settings()
    Settings(bits=True).save(settings)  # as well as it can be


def _refused(*_: object) -> bytes:
    raise PermissionError


@pytest.mark.parametrize("values", ODD_VALUES)
def test_what_is_odd_is_left_out_and_the_rest_holds(
    source: FakeSource, settings: Path, values: dict[str, object]
) -> None:
    settings.parent.mkdir()
    settings.write_text(json.dumps({"totals": True, "bits": True, "tab": "flows"} | values))

    async def act(app: TrafficApp, pilot: Pilot[None]) -> None:
        await press(app, pilot, "s", "r", "T", "right_square_bracket")
        assert "by" in await drawn(app, pilot, " by ")
        assert not [note for note in app._notifications if "internal" in note.message]

    run(source, settings, act)
    kept = Settings.load(settings)
    assert kept.tab in TABS
    assert kept.bits is True or "bits" in values


def test_links_are_not_written_through(settings: Path, tmp_path: Path) -> None:
    """Under sudo the directory may be another's, who waits for what root will write to."""
    other = tmp_path / "other"
    other.write_text("keep")
    settings.parent.mkdir()
    settings.symlink_to(other)
    for name in ("tui.new", "tui.json.new"):
        (settings.parent / name).symlink_to(other)
    Settings(bits=True).save(settings)
    assert other.read_text() == "keep"
    assert Settings.load(settings).bits
    assert settings.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets directories that it may write to")
def test_nothing_is_written_below_a_directory_of_another_user(settings: Path) -> None:
    settings.parent.mkdir()
    os.chown(settings.parent, 12345, 12345)
    Settings(bits=True).save(settings)
    assert not list(settings.parent.iterdir())
    below = settings.parent / "more" / "tui.json"
    Settings(bits=True).save(below)
    assert not list(settings.parent.iterdir())
