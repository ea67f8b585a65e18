# SPDX-License-Identifier: MIT
"""`trafficmon top`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trafficmon.cli import short
from trafficmon.cli.common import At, FromFile, Json, PinDir
from trafficmon.cli.contained import Contained
from trafficmon.cli.say import complain
from trafficmon.errors import UsageError, require_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from trafficmon.filter.nodes import Expression
    from trafficmon.model.sample import Sample
    from trafficmon.model.source import Source
    from trafficmon.pins import PinDirectory
    from trafficmon.tables.table import Record, Table

_HOME_AND_CLEAR = "\x1b[H\x1b[J"
_HEADER_LINES = 3
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 86400.0
_MOST_ROWS = (1 << 63) - 1  # what an array's length can be


@dataclass(frozen=True)
class Wish:
    """What to show of the table."""

    table: str
    count: int
    sort: str | None
    expression: Expression | None
    form: str  # text, json, csv
    reverse_dns: bool
    every: bool  # also the rows that the table leaves out as a rule


def top(
    table: Annotated[
        str,
        typer.Argument(
            help="flows, connections, users, processes, cgroups, interfaces, ports, protocols, "
            "hosts, dns, layers or drops.",
            metavar="TABLE",
        ),
    ],
    count: Annotated[
        int | None, typer.Option("-n", help="Rows.  [default: 20; fills the screen with --watch]")
    ] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", help="Field to sort by; -FIELD the other way round.")
    ] = None,
    filter_text: Annotated[
        str | None,
        typer.Option("--filter", help="host 10.0.0.1 and port 443, iface eth0, proto udp, …"),
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, with a header.")] = False,
    watch: Annotated[
        float | None, typer.Option("--watch", help="Again every so many seconds, until Ctrl-C.")
    ] = None,
    reverse_dns: Annotated[
        bool,
        typer.Option("--reverse-dns", help="Ask DNS for names that no answer seen here has told."),
    ] = False,
    every: Annotated[
        bool,
        typer.Option("--all", help="drops: also what the kernel frees when nothing is lost."),
    ] = False,
    from_file: FromFile = None,
    at: At = None,
    pin_dir: PinDir = None,
) -> None:
    """Show one table: once, or again and again."""
    if watch is None:
        short.begin()
    from trafficmon.tables import questions

    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other")
    require_range("-n", count, 0, _MOST_ROWS)
    require_range("--watch", watch, _SHORTEST_PAUSE_S, _LONGEST_PAUSE_S)
    form = "json" if as_json else "csv" if as_csv else "text"
    questions.require_table(table, every=every)
    questions.require_sort(table, sort, has_rates=watch is not None and form == "text")
    expression = questions.require_filter(table, filter_text)
    wish = Wish(table, 20 if count is None else count, sort, expression, form, reverse_dns, every)
    if from_file is not None:
        _show_recording(from_file, at, wish, watch, fill=count is None)
        return
    if at is not None:
        raise UsageError("--at needs a recording: add --from FILE")
    from trafficmon.pins import PinDirectory, chosen

    pins = PinDirectory(chosen(pin_dir))
    if watch is None:
        _show_once(pins, wish)
        return
    from trafficmon.sources.pinned import PinnedSource

    _watch(PinnedSource(pins), wish, watch, fill=count is None)


def _show_recording(
    path: Path, at: str | None, wish: Wish, seconds: float | None, *, fill: bool
) -> None:
    """The sample of a time; with --watch also those that follow, as far apart as they were."""
    from trafficmon.sources.recorded import opened_at
    from trafficmon.tables.catalogue import parts_of

    with opened_at(path, at, from_the_beginning=seconds is not None) as source:
        if seconds is None:
            _show(source.read(parts_of(wish.table)), wish)
        else:
            _watch(source, wish, seconds, fill=fill, go_on=lambda: source.advance(seconds))


def _show_once(pins: PinDirectory, wish: Wish) -> None:
    from trafficmon.reader.ahead import read_ahead
    from trafficmon.tables.catalogue import parts_of

    parts = parts_of(wish.table)
    with read_ahead(pins, parts) as ahead:
        from trafficmon.sources.pinned import PinnedSource
        from trafficmon.tables.catalogue import table_maker

        table_maker(wish.table, every=wish.every)  # imports it, while the maps are read
        with PinnedSource(pins, ahead) as source:
            sample = source.read(parts)
    _show(sample, wish)


def _show(sample: Sample, wish: Wish) -> None:
    from trafficmon.tables.catalogue import table_maker
    from trafficmon.tables.health import complaints

    table = table_maker(wish.table, every=wish.every)(sample)
    _write(table, _rows(table, wish), wish)
    _say([*table.notes, *complaints(sample)])


def _watch(
    source: Source,
    wish: Wish,
    seconds: float,
    *,
    fill: bool,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """The live view: sorted by rates, and to the screen's size unless -n says else."""
    from trafficmon.tables.catalogue import parts_of, table_maker
    from trafficmon.tables.health import complaints
    from trafficmon.tables.rates import RateKeeper

    maker = table_maker(wish.table, every=wish.every)
    keeper = RateKeeper()
    on_screen = wish.form == "text" and sys.stdout.isatty()

    said: list[str] = []
    head = f"{_HOME_AND_CLEAR}trafficmon top {wish.table}, every {seconds:g} s; Ctrl-C ends it\n"

    def show() -> None:
        sample = source.read(parts_of(wish.table))
        table = keeper.add_rates(maker(sample)) if wish.form == "text" else maker(sample)
        notes = [*table.notes, *complaints(sample)]
        spare = len(notes)
        rows = _rows(table, _for_screen(wish, table, spare) if fill and on_screen else wish)
        if on_screen:
            print(head)
        _write(table, rows, wish)
        sys.stdout.flush()
        if on_screen or notes != said:  # in a file once, on a screen below each table
            _say(notes)
            said[:] = notes

    contained = Contained()
    while True:
        told = contained.run(show, f"reading {wish.table}")
        if told and on_screen:  # numbers of before would be taken for new ones
            print(f"{head}\n{told}", flush=True)
        if not go_on():
            return
        time.sleep(seconds)


def _for_screen(wish: Wish, table: Table, spare: int) -> Wish:
    """``spare``: lines that are needed below the table."""
    import shutil

    lines = max(1, shutil.get_terminal_size().lines - _HEADER_LINES - 1 - spare)
    started = bool(table.extra["rate"].any())
    sort = wish.sort or ("rate" if started else None)
    return replace(wish, count=lines, sort=sort)


def _rows(table: Table, wish: Wish) -> Iterator[Record]:
    from trafficmon.tables.table import chosen

    mask = None
    if wish.expression is not None:
        from trafficmon.filter.evaluate import matches

        mask = matches(wish.expression, table.filter_columns())
    rows = table.stream(chosen(table, mask, wish.sort, wish.count))
    if not wish.reverse_dns:
        return rows
    from trafficmon.host.reverse_dns import add_names

    named = list(rows)
    add_names(named)
    return iter(named)


def _write(table: Table, rows: Iterator[Record], wish: Wish) -> None:
    if wish.form == "json":
        from trafficmon.render.jsonout import write_json

        write_json(rows, sys.stdout)
    elif wish.form == "csv":
        from trafficmon.render.csvout import write_csv

        write_csv(rows, _csv_columns(table), sys.stdout)
    else:
        from trafficmon.render.shown import COLUMNS, KINDS, rate_columns
        from trafficmon.render.table import write_table

        shown = (_flat(row) for row in rows if row.get("packets") != 0)
        columns = COLUMNS[wish.table] + (rate_columns(table.rated) if table.extra else ())
        columns += KINDS if wish.every else ()
        write_table(shown, columns, sys.stdout)


def _flat(row: Record) -> Record:
    """With a nested value's parts as fields of their own."""
    parts = {name: value for name, value in row.items() if isinstance(value, dict)}
    flat = {f"{name}_{key}": part for name, value in parts.items() for key, part in value.items()}
    return row | flat


def _csv_columns(table: Table) -> list[Any]:
    from trafficmon.render.csvout import Nested

    if table.name == "interfaces":
        from trafficmon.tables.interfaces import SIZE_LABELS

        nested = {"packet_size": SIZE_LABELS}
    elif table.name == "dns":
        from trafficmon.tables.dns import LATENCY_LABELS

        nested = {"latency_us": LATENCY_LABELS}
    else:
        return list(table.fields)
    return [Nested(f, nested[f]) if f in nested else f for f in table.fields]


def _say(notes: Iterable[str]) -> None:
    """On standard error."""
    for line in notes:
        complain(f"note: {line}")
