# SPDX-License-Identifier: MIT
"""What was learned from DNS, kept with the attachment: counts by name, and names of addresses.

An SQLite file below /run, because readers come and go while the attachment stays: each adds what
it read in the ring buffer, and up to where, in one transaction; so one that is killed leaves
nothing half-done, and nothing is added twice. The file is root's alone: who may open it for reading
may also lock it, and nothing could be added as long as he likes. Members of the readers' group have
a copy, which is replaced as a whole. Detach removes both. Strangers choose names, so both tables
have a limit: the longest unseen go first.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from trafficmon.host.lock import RUN_DIR, dns_copy, dns_file, make_run_dir
from trafficmon.model.dns import NameCounts, NameKey
from trafficmon.model.sightings import Sighting, add

_MOST_NAMES = 50_000
_MOST_ADDRESSES = 100_000
_MOST_OF_AN_ADDRESS = 64
_LATENCIES_KEPT = 512
_PATIENCE_S = 1.0
_UNSIGNED = 1 << 64
_SCHEMA = """
CREATE TABLE IF NOT EXISTS attachment (attached_at_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS names (
    kind TEXT, name TEXT, type TEXT,
    queries INTEGER, responses INTEGER, rcodes TEXT,
    last_seen REAL, latencies_us BLOB,
    PRIMARY KEY (kind, name, type)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS names_by_age ON names (last_seen);
CREATE TABLE IF NOT EXISTS addresses (
    address TEXT, seen REAL, name TEXT, asker INTEGER, last_seen REAL, expires REAL,
    PRIMARY KEY (address, seen, name, asker)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS addresses_by_age ON addresses (last_seen);
CREATE TABLE IF NOT EXISTS ring (position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS losses (what TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID;
"""


@contextmanager
def _as_os_error() -> Iterator[None]:
    """So that who uses the book need not import SQLite, which takes its time."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(errno.EIO, str(error)) from error


@dataclass
class Learned:
    """What one reading has brought: to be added to the book."""

    names: dict[NameKey, NameCounts] = field(default_factory=dict)
    addresses: dict[str, list[Sighting]] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is anything to keep."""
        return bool(self.names or self.addresses or self.losses)

    def lose(self, what: str, count: int = 1) -> None:
        """Count what was lost."""
        if count:
            self.losses[what] = self.losses.get(what, 0) + count


class Book:
    """The file of one pin directory."""

    def __init__(self, connection: sqlite3.Connection, copy: Path | None = None) -> None:
        self._connection, self._copy = connection, copy
        self._group_id: int | None = None

    @classmethod
    def for_writing(cls, pin_dir: Path, attached_at_ns: int, group_id: int | None) -> Self:
        """Open or make it; one of an earlier attachment begins anew. OSError where it cannot be."""
        make_run_dir()
        path = dns_file(pin_dir)
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(made, 0o600)
        finally:
            os.close(made)
        copy = None if group_id is None else dns_copy(pin_dir)
        with _as_os_error():
            connection = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
            book = cls(connection, copy)
            try:
                book._begin(attached_at_ns)
            except BaseException:
                book.close()
                raise
        book._group_id = group_id
        return book

    @classmethod
    def for_reading(cls, pin_dir: Path, attached_at_ns: int) -> Self | None:
        """What there is of this attachment; None where there is nothing, or not for us."""
        for path, options in ((dns_file(pin_dir), ""), (dns_copy(pin_dir), "&immutable=1")):
            if not os.access(path, os.R_OK):
                continue
            where = f"file:{quote(str(path))}?mode=ro{options}"
            with suppress(sqlite3.Error):
                book = cls(sqlite3.connect(where, timeout=_PATIENCE_S, uri=True))
                with suppress(sqlite3.Error):
                    if book._attached_at() == attached_at_ns:
                        return book
                book.close()
        return None

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, attached_at_ns: int) -> None:
        self._connection.execute("PRAGMA synchronous = OFF")  # /run is memory
        self._connection.executescript(_SCHEMA)
        if self._attached_at() == attached_at_ns:
            return
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            for table in ("attachment", "ring", "names", "addresses", "losses"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
            connection.execute("INSERT INTO attachment VALUES (?)", (attached_at_ns,))

    def _attached_at(self) -> int | None:
        row = self._connection.execute("SELECT attached_at_ns FROM attachment").fetchone()
        return int(row[0]) if row else None

    def position(self) -> int:
        """Up to where records of the ring buffer are in the book."""
        with _as_os_error():
            row = self._connection.execute("SELECT position FROM ring").fetchone()
        return int(row[0]) if row else 0

    def add(self, *several: Learned, position: int | None = None) -> None:
        """All of ``several``, or nothing, with where in the ring buffer they ended.

        OSError where they cannot be kept.
        """
        with _as_os_error(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            if position is not None:
                connection.execute("DELETE FROM ring")
                connection.execute("INSERT INTO ring VALUES (?)", (position,))
            for learned in several:
                self._add_one(learned)
            self._forget("names", "last_seen", _MOST_NAMES)
            self._forget("addresses", "last_seen", _MOST_ADDRESSES)

    def _add_one(self, learned: Learned) -> None:
        for key, counts in learned.names.items():
            self._add_name(key, counts)
        for address, sightings in learned.addresses.items():
            self._add_address(address, sightings)
        self._connection.executemany(
            "INSERT INTO losses VALUES (?, ?) ON CONFLICT DO UPDATE SET "
            "count = count + excluded.count",
            learned.losses.items(),
        )

    def _add_name(self, key: NameKey, counts: NameCounts) -> None:
        row = self._connection.execute(
            "SELECT latencies_us, rcodes FROM names WHERE kind = ? AND name = ? AND type = ?", key
        ).fetchone()
        latencies = array("I", row[0] if row else b"")
        latencies.extend(counts.latencies_us)
        rcodes = counts.rcodes + _rcodes(row[1] if row else "")
        self._connection.execute(
            "INSERT INTO names VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "queries = queries + excluded.queries, responses = responses + excluded.responses, "
            "rcodes = excluded.rcodes, "
            "last_seen = max(last_seen, excluded.last_seen), latencies_us = excluded.latencies_us",
            (
                *key,
                counts.queries,
                counts.responses,
                " ".join(f"{name}={count}" for name, count in rcodes.items()),
                counts.last_seen,
                latencies[-_LATENCIES_KEPT:].tobytes(),
            ),
        )

    def _add_address(self, address: str, sightings: list[Sighting]) -> None:
        """After the newest that is known of it, which is extended where the name is the same."""
        row = self._connection.execute(
            "SELECT name, asker, seen, last_seen, expires FROM addresses WHERE address = ? "
            "ORDER BY last_seen DESC LIMIT 1",
            (address,),
        ).fetchone()
        together = [_sighting(row)] if row else []
        add(together, sightings)
        self._connection.executemany(
            "INSERT INTO addresses VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "last_seen = max(last_seen, excluded.last_seen), "
            "expires = max(expires, excluded.expires)",
            [(address, s.seen, s.name, _signed(s.asker), s.last_seen, s.expires) for s in together],
        )
        self._connection.execute(
            "DELETE FROM addresses WHERE address = ? AND seen < (SELECT seen FROM addresses "
            "WHERE address = ? ORDER BY seen DESC LIMIT 1 OFFSET ?)",
            (address, address, _MOST_OF_AN_ADDRESS - 1),
        )

    def _forget(self, table: str, age: str, most: int) -> None:
        """The rows longest unseen, beyond ``most``. The names of both are this module's."""
        (count,) = self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        if count <= most:
            return
        keys = "kind, name, type" if table == "names" else "address, seen, name, asker"
        self._connection.execute(
            f"DELETE FROM {table} WHERE ({keys}) IN "  # noqa: S608
            f"(SELECT {keys} FROM {table} ORDER BY {age} LIMIT ?)",
            (count - most,),
        )
        self._connection.execute(
            "INSERT INTO losses VALUES (?, ?) ON CONFLICT DO UPDATE SET count = count + ?",
            (f"{table}_forgotten", count - most, count - most),
        )

    def publish(self) -> None:
        """Make the copy of the readers' group, if there is one, anew. OSError where it fails."""
        if self._copy is None or self._group_id is None:
            return
        fresh = self._copy.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with _as_os_error(), os.fdopen(os.open(fresh, flags, 0o600), "wb") as stream:
                stream.write(self._connection.serialize())
                os.fchown(stream.fileno(), -1, self._group_id)
                os.fchmod(stream.fileno(), 0o640)
            fresh.replace(self._copy)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise

    def names(self) -> list[tuple[NameKey, NameCounts]]:
        """All counts."""
        rows = self._connection.execute("SELECT * FROM names")
        return [(_key(row), _counts(row)) for row in rows]

    def losses(self) -> dict[str, int]:
        """What was lost, by cause."""
        return dict(self._connection.execute("SELECT what, count FROM losses"))

    def addresses(self) -> dict[str, list[Sighting]]:
        """By address the names it was given for, in order of time."""
        found: dict[str, list[Sighting]] = {}
        try:
            rows = self._connection.execute(
                "SELECT address, name, asker, seen, last_seen, expires FROM addresses ORDER BY seen"
            )
        except sqlite3.Error:  # removed just now; a name is not worth failing for
            return found
        for address, *sighting in rows:
            found.setdefault(address, []).append(_sighting(sighting))
        return found

    def sightings(self, address: str) -> list[Sighting]:
        """Of one address, in order of time."""
        try:
            rows = self._connection.execute(
                "SELECT name, asker, seen, last_seen, expires FROM addresses WHERE address = ? "
                "ORDER BY seen",
                (address,),
            ).fetchall()
        except sqlite3.Error:  # removed just now; a name is not worth failing for
            return []
        return [_sighting(row) for row in rows]

    def version(self) -> int:
        """Another number once another connection has changed the book; -1 where it is removed."""
        with suppress(sqlite3.Error):
            row = self._connection.execute("PRAGMA data_version").fetchone()
            return int(row[0])
        return -1


def _key(row: tuple[Any, ...]) -> NameKey:
    kind, name, type_ = row[:3]
    return kind, name, type_


def _counts(row: tuple[Any, ...]) -> NameCounts:
    queries, responses, rcodes, last_seen, latencies = row[3:]
    return NameCounts(queries, responses, _rcodes(rcodes), last_seen, array("I", latencies))


def _rcodes(text: str) -> Counter[str]:
    """As `names` has them: NAME=COUNT, with blanks between."""
    pairs = (one.split("=") for one in text.split())
    return Counter({name: int(count) for name, count in pairs})


def _sighting(row: Sequence[Any]) -> Sighting:
    name, asker, *times = row
    return Sighting(name, asker % _UNSIGNED, *times)


def _signed(number: int) -> int:
    """An owner_id as SQLite has it: its integers are signed."""
    return number - _UNSIGNED if number >= _UNSIGNED // 2 else number


def discard(pin_dir: Path) -> None:
    """Remove the file of an attachment that ends."""
    book, copy = dns_file(pin_dir), dns_copy(pin_dir)
    journal = book.with_name(f"{book.name}-journal")
    with suppress(OSError):
        for path in (book, journal, copy, copy.with_suffix(".new")):
            path.unlink(missing_ok=True)
        RUN_DIR.rmdir()  # others have theirs there: then it is not empty
