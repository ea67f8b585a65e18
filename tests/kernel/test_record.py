# SPDX-License-Identifier: MIT
"""A recording shows what was there: to who may read nothing else, and after a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.ordinary import NOBODY, run_ordinary
from tests.kernel.owned import Place, connected, exchange
from tests.waiting import wait_until
from trafficmon.sources.recorded import RecordedSource
from trafficmon.sources.recording.reader import Recording
from trafficmon.tables.catalogue import TABLES, parts_of

pytestmark = pytest.mark.kernel
KILLS = 50


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.rec"


def shown(place: Place, path: Path, table: str) -> list[dict[str, Any]]:
    """To a user without any right, with nothing attached."""
    command = ["top", table, "--from", str(path), "--json", "-n", "9999", *every(table)]
    done = run_ordinary(place.program.namespace, (), *command)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def every(table: str) -> list[str]:
    return ["--all"] if table == "drops" else []


@pytest.fixture
def shared() -> Iterator[Path]:
    """Where every user may look."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name) / "file.rec"


def test_all_tables_as_they_were(place: Place, shared: Path) -> None:
    server, client = connected(place)
    exchange(server, client, 30_000, 7_000)
    tables = {name: place.program.rows(name, *every(name)) for name in TABLES}
    place.program.run("record", str(shared), "--for", "0")
    exchange(server, client, 1_000, 1_000)
    place.program.run("detach")
    while place.workers:
        place.workers.pop().end()
    shared.chmod(0o644)
    for name, rows in tables.items():
        assert _settled(shown(place, shared, name)) == _settled(rows), name
    assert tables["flows"]
    assert tables["processes"]


def _settled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what is of the moment of reading."""
    return [{n: v for n, v in row.items() if n != "duration_s"} for row in rows]


def test_one_sample_an_interval(place: Place, path: Path) -> None:
    said = place.program.run("record", str(path), "--interval", "0.2", "--for", "2s").stderr
    with Recording(path) as recording:
        assert "samples" in said
        assert 8 <= len(recording) <= 11
        gaps_ns = [b - a for a, b in zip(recording.times_ns, recording.times_ns[1:], strict=False)]
    assert min(gaps_ns) > 0


def test_ctrl_c_ends_it_with_all_that_was_recorded(place: Place, path: Path) -> None:
    with place.program.running("record", str(path), "--interval", "0.2", until="recording") as one:
        time.sleep(1)
        said = one.interrupt()
    with Recording(path) as recording:
        assert f"{len(recording):,} samples, {path.stat().st_size:,} bytes" in said


def test_without_an_attachment_there_is_no_file(place: Place, path: Path) -> None:
    place.program.run("detach")
    done = place.program.run("record", str(path), check=False)
    assert done.returncode == 3
    assert not path.exists()


def test_a_file_that_is_there_stays(place: Place, path: Path) -> None:
    path.write_text("dear")
    done = place.program.run("record", str(path), check=False)
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert path.read_text() == "dear"


def test_another_users_link_on_the_way_is_not_followed(place: Place, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "link").symlink_to("victim")
    os.lchown(tmp_path / "link", NOBODY, NOBODY)
    done = place.program.run("record", str(tmp_path / "link" / "file"), check=False)
    assert done.returncode == 2
    assert "is a symbolic link that" in done.stderr
    assert list((tmp_path / "victim").iterdir()) == []


@pytest.mark.long
def test_killed_at_any_moment_all_but_the_last_sample_is_there(
    place: Place, tmp_path: Path
) -> None:
    server, client = connected(place)
    rng = random.Random(1)
    counts = []
    for turn in range(KILLS):
        path = tmp_path / f"{turn}.rec"
        exchange(server, client, 1_000, 1_000)
        argv = [sys.executable, "-m", "trafficmon", "record", str(path), "--interval", "0.1"]
        argv = ["nsenter", f"--net=/run/netns/{place.program.namespace.name}", *argv]
        argv += [f"--pin-dir={place.program.pin_dir}"]
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as running:
            _wait_for_the_first_sample(path)
            time.sleep(rng.uniform(0, 0.5))
            size = path.stat().st_size
            os.kill(running.pid, signal.SIGKILL)
        assert path.stat().st_size >= size
        with RecordedSource(path) as source:
            counts.append(len(source.recording))
            for place_ in range(counts[-1]):
                source.place = place_
                assert source.read(parts_of("flows")).flows.entries
    assert len(set(counts)) > 2, "all were killed at the same moment"


def _wait_for_the_first_sample(path: Path) -> None:
    wait_until(lambda: path.exists() and path.stat().st_size >= 2000, 30)
