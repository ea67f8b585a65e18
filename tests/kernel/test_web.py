# SPDX-License-Identifier: MIT
"""The dashboard in a browser: a real one, over real traffic."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import pytest

from tests.kernel.owned import connected, exchange, place_of
from tests.lab import programs

pytestmark = pytest.mark.kernel
_SMALLEST_PICTURE = 20_000  # bytes: an empty page has a few thousand


def test_a_browser_shows_what_the_terminal_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # else it begins where someone left off
    browser = Path(programs.__path__[0]) / "browser.py"
    picture = tmp_path / "page.png"
    with place_of(attach=True) as place:
        server, client = connected(place)
        exchange(server, client, 300_000, 70_000)
        with place.program.running("tui", "--web", until="Ctrl-C") as serving:
            address = serving.lines()[0]
            assert address.startswith("http://127.0.0.1:")
            argv = [sys.executable, str(browser), address, str(picture), "]"]
            reported = place.lab.server.run([*argv, "tmserver", "tm-server", "REMOTE"], timeout=120)
            assert "10.0.1.1" in reported.stdout
            without_token = address.partition("?")[0]
            refused = place.lab.server.run(["curl", "-s", "-w", "%{http_code}", without_token])
            assert refused.stdout.endswith("403")
    assert picture.stat().st_size > _SMALLEST_PICTURE
    assert _has_many_colours(picture.read_bytes())


def _has_many_colours(png: bytes) -> bool:
    """Rows of a page that is drawn are not like each other, and so do not press well."""
    data = b""
    at = 8
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        if kind == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += 12 + size
    return len(set(zlib.decompress(data))) > 64
