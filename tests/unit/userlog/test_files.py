# SPDX-License-Identifier: MIT
"""Files of the log: whole lines, through no link, rotated, and gone on with."""

from __future__ import annotations

import csv
import dataclasses
import errno
import os
import socket
from pathlib import Path

import pytest

from trafficmon.userlog.row import FIELDS, Row
from trafficmon.userlog.sinks.base import Totals
from trafficmon.userlog.sinks.files import FileSink
from trafficmon.userlog.sinks.forms import Csv, Form, JsonLines

ROW = Row(1000, "eth0", True, 5, "10.0.0.2", "10.0.0.1", 1_700_000_000_000_000_042, 5, 0)
NAME = "traffic_user_eth0_1000.log"


def sink(
    directory: Path, *, form: Form | None = None, most: int = 10**6, keep: int = 2
) -> FileSink:
    made = FileSink(directory, form or Csv(), most, keep)
    made.open()
    return made


def lines(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


def test_a_row_is_a_line_below_the_header(tmp_path: Path) -> None:
    assert sink(tmp_path).write([ROW]) == []
    assert lines(tmp_path / NAME) == [
        list(FIELDS),
        ["in", "5", "10.0.0.2", "10.0.0.1", "1700000000.000000042", "5", "0"],
    ]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("form", [Csv(), JsonLines()])
def test_totals_are_gone_on_from(tmp_path: Path, form: Form) -> None:
    sink(tmp_path, form=form).write([ROW])
    again = FileSink(tmp_path, form, 10**6, 2)
    assert again.open() == {1000: Totals(5, 0, ROW.at_ns)}


def test_a_torn_line_is_taken_off(tmp_path: Path) -> None:
    sink(tmp_path).write([ROW])
    path = tmp_path / NAME
    whole = path.read_bytes()
    path.write_bytes(whole + b"in,99,10.0")
    made = FileSink(tmp_path, Csv(), 10**6, 2)
    assert made.open() == {1000: Totals(5, 0, ROW.at_ns)}
    made.write([ROW])
    assert path.read_bytes() == whole + whole.splitlines(keepends=True)[1]


def test_a_torn_header_too(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"direction,by")
    sink(tmp_path).write([ROW])
    assert len(lines(tmp_path / NAME)) == 2


@pytest.mark.parametrize("is_there_before", [False, True])
@pytest.mark.parametrize("kind", ["link", "dangling", "hard", "fifo", "directory", "socket"])
def test_what_is_no_file_of_its_own_is_left_alone(
    tmp_path: Path, kind: str, is_there_before: bool
) -> None:
    victim, directory = tmp_path / "victim", tmp_path / "logs"
    victim.write_text("mine")
    directory.mkdir()
    path = directory / NAME
    if is_there_before:
        make_strange(path, kind, victim)
        made = sink(directory)
    else:
        made = sink(directory)
        make_strange(path, kind, victim)
    assert made.write([ROW]) == [ROW]
    assert made.failure is not None
    assert made.failure.filename == NAME
    assert "not a file of this log's own" in (made.failure.strerror or "")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "new").exists()
    assert made.write([dataclasses.replace(ROW, uid=1001)]) == []  # others' rows continue


def make_strange(path: Path, kind: str, victim: Path) -> None:
    match kind:
        case "directory":
            path.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))
        case "link":
            path.symlink_to(victim)
        case "dangling":
            path.symlink_to(path.parent.parent / "new")
        case "hard":
            path.hardlink_to(victim)
        case "fifo":
            os.mkfifo(path)


def test_rotation_keeps_so_many(tmp_path: Path) -> None:
    made = sink(tmp_path, most=150, keep=2)
    for _ in range(6):
        made.write([ROW])
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, f"{NAME}.1", f"{NAME}.2"]
    assert all(lines(path)[0] == list(FIELDS) for path in tmp_path.iterdir())


def test_totals_are_found_after_a_rotation(tmp_path: Path) -> None:
    sink(tmp_path).write([ROW])
    (tmp_path / NAME).rename(tmp_path / f"{NAME}.1")
    (tmp_path / NAME).touch()
    assert FileSink(tmp_path, Csv(), 10**6, 2).open() == {1000: Totals(5, 0, ROW.at_ns)}


def test_files_that_others_moved_away_are_made_anew(tmp_path: Path) -> None:
    made = sink(tmp_path)
    made.write([ROW])
    (tmp_path / NAME).rename(tmp_path / "old")
    made.write([ROW])
    assert not (tmp_path / NAME).exists()
    made.reopen()
    made.write([ROW])
    assert len(lines(tmp_path / NAME)) == 2
    assert len(lines(tmp_path / "old")) == 3


def test_no_half_lines_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = sink(tmp_path)
    made.write([ROW])
    before = (tmp_path / NAME).read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
    assert made.write([ROW]) == [ROW]
    assert made.failure is not None
    assert made.failure.errno == errno.ENOSPC
    monkeypatch.setattr(os, "write", real)
    assert (tmp_path / NAME).read_bytes() == before
    assert made.write([ROW]) == []
    assert made.failure is None


def test_a_name_of_the_kernels_stays_in_the_directory(tmp_path: Path) -> None:
    made = sink(tmp_path / "logs")
    made.write([Row(0, "../up", False, 1, None, None, 0, 0, 1)])
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["traffic_user_.._up_0.log"]
