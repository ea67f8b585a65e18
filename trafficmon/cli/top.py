# SPDX-License-Identifier: MIT
"""`trafficmon top`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from trafficmon.cli import short
from trafficmon.cli.common import At, FromFile, Json, PinDir, require_recording
from trafficmon.cli.contained import Contained
from trafficmon.cli.say import complain
from trafficmon.errors import UsageError, require_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from trafficmon.host.reverse_dns import ReverseDns
    from trafficmon.model.sample import Sample
    from trafficmon.model.source import Source
    from trafficmon.pins import PinDirectory
    from trafficmon.tables.catalogue import TableQuery
    from trafficmon.tables.table import Record, Table

_HOME_AND_CLEAR = "\x1b[H\x1b[J"
_HEADER_LINES = 3
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 86400.0
_MOST_ROWS = (1 << 63) - 1  # what an array's length can be


class TopOptions(NamedTuple):
    """What to show, and how. ``every``: also the rows that the table leaves out as a rule."""

    query: TableQuery
    form: str  # text, json, csv
    every: bool
    resolver: ReverseDns | None


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
        typer.Option("--reverse-dns", help="Query DNS for names that no answer seen here had."),
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
    from trafficmon.tables import fields
    from trafficmon.tables.catalogue import TableQuery

    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other")
    require_range("-n", count, 0, _MOST_ROWS)
    require_range("--watch", watch, _SHORTEST_PAUSE_S, _LONGEST_PAUSE_S)
    form = "json" if as_json else "csv" if as_csv else "text"
    fields.require_table(table, every=every)
    fields.require_sort(table, sort, has_rates=watch is not None and form == "text")
    expression = fields.require_filter(table, filter_text)
    query = TableQuery(
        table,
        20 if count is None else count,
        sort.removeprefix("-") if sort else None,
        reverse=(sort or "").startswith("-"),
        expression=expression,
    )
    options = TopOptions(query, form, every, _resolver() if reverse_dns else None)
    require_recording(at, from_file)
    if from_file is not None:
        _show_recording(from_file, at, options, watch, fill=count is None)
        return
    from trafficmon.pins import PinDirectory, chosen

    pins = PinDirectory(chosen(pin_dir))
    if watch is None:
        _show_once(pins, options)
        return
    from trafficmon.sources.pinned import PinnedSource

    _watch(PinnedSource(pins), options, watch, fill=count is None)


def _resolver() -> ReverseDns:
    from trafficmon.host.reverse_dns import ReverseDns

    return ReverseDns()


def _show_recording(
    path: Path, at: str | None, options: TopOptions, seconds: float | None, *, fill: bool
) -> None:
    """The sample of a time; with --watch also those that follow, as far apart as they were."""
    from trafficmon.sources.recorded import opened_at
    from trafficmon.tables.catalogue import parts_of

    with opened_at(path, at, from_the_beginning=seconds is not None) as source:
        if seconds is None:
            _show(source.read(parts_of(options.query.table)), options)
        else:
            _watch(source, options, seconds, fill=fill, go_on=lambda: source.advance(seconds))


def _show_once(pins: PinDirectory, options: TopOptions) -> None:
    from trafficmon.reader.ahead import read_ahead
    from trafficmon.tables.catalogue import parts_of

    parts = parts_of(options.query.table)
    with read_ahead(pins, parts) as ahead:
        # First, and from here: a few calls deeper, Python 3.11 maps and unmaps a chunk of its frame
        # stack 400 times during this import, which takes 5 ms.
        import numpy as np  # noqa: F401

        from trafficmon.sources.pinned import PinnedSource
        from trafficmon.tables.catalogue import table_maker

        table_maker(options.query.table, every=options.every)  # imports while the maps are read
        with PinnedSource(pins, ahead) as source:
            sample = source.read(parts)
    _show(sample, options)


def _show(sample: Sample, options: TopOptions) -> None:
    from trafficmon.tables.catalogue import table_maker
    from trafficmon.tables.health import complaints

    table = table_maker(options.query.table, every=options.every)(sample)
    _write(table, options)
    _say([*table.notes, *complaints(sample)])


def _watch(
    source: Source,
    options: TopOptions,
    seconds: float,
    *,
    fill: bool,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """The live view: sorted by rates, and to the screen's size unless -n says another number."""
    from trafficmon.tables.catalogue import parts_of, table_maker
    from trafficmon.tables.health import complaints
    from trafficmon.tables.rates import RateKeeper

    name, is_text = options.query.table, options.form == "text"
    maker, keeper = table_maker(name, every=options.every), RateKeeper()
    on_screen = is_text and sys.stdout.isatty()

    said: list[str] = []
    head = f"{_HOME_AND_CLEAR}trafficmon top {name}, every {seconds:g} s; Ctrl-C ends it\n"

    def show() -> None:
        sample = source.read(parts_of(name))
        table = keeper.add_rates(maker(sample)) if is_text else maker(sample)
        notes = [*table.notes, *complaints(sample)]
        if on_screen:
            print(head)
        _write(table, _for_screen(options, len(notes)) if fill and on_screen else options)
        sys.stdout.flush()
        if on_screen or notes != said:  # in a file once, on a screen below each table
            _say(notes)
            said[:] = notes

    contained = Contained()
    while True:
        error = contained.run(show, f"reading {name}")
        if error and on_screen:  # numbers of before would be taken for new ones
            print(f"{head}\n{error}", flush=True)
        if not go_on():
            return
        time.sleep(seconds)


def _for_screen(options: TopOptions, spare: int) -> TopOptions:
    """``spare``: lines that are needed below the table."""
    import shutil

    lines = max(1, shutil.get_terminal_size().lines - _HEADER_LINES - 1 - spare)
    return options._replace(query=options.query._replace(limit=lines, by_rate=True))


def _rows(table: Table, options: TopOptions) -> Iterator[Record]:
    from trafficmon.tables.query import select

    rows = table.stream(select(table, options.query).rows)
    if options.resolver is None:
        return rows
    named = list(rows)
    options.resolver.add_names(named)
    return iter(named)


def _write(table: Table, options: TopOptions) -> None:
    rows = _rows(table, options)
    if options.form == "json":
        from trafficmon.render.jsonout import write_json

        write_json(rows, sys.stdout)
    elif options.form == "csv":
        from trafficmon.render.csvout import write_csv

        write_csv(rows, _csv_columns(table), sys.stdout)
    else:
        from trafficmon.render.shown import COLUMNS, KINDS, rate_columns
        from trafficmon.render.table import write_table

        shown = (_flat(row) for row in rows if row.get("packets") != 0)
        columns = COLUMNS[table.name] + (rate_columns(table.rated) if table.extra else ())
        columns += KINDS if options.every else ()
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
