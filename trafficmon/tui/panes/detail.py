# SPDX-License-Identifier: MIT
"""One row in full, on a screen above the others: it goes on being read while it is looked at."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Sparkline, Static

from trafficmon.events.select import belonging
from trafficmon.render.columns import cell_text
from trafficmon.render.eventline import between, event_line
from trafficmon.render.fields import field_text
from trafficmon.render.plain import to_json
from trafficmon.render.safe import escape_controls
from trafficmon.render.shown import COLUMNS
from trafficmon.render.table import table_lines
from trafficmon.tables.table import Record
from trafficmon.tui.contained import Contained
from trafficmon.tui.panes.cells import rate_text, span_text
from trafficmon.tui.panes.pane import Look, Question, TableOptions
from trafficmon.tui.readings.detail import Detail, read_detail
from trafficmon.tui.readings.feed import Feed
from trafficmon.tui.readings.series import Series
from trafficmon.tui.readings.session import Graph

_EVENTS, _MARGIN = 20, 8


class DetailScreen(Contained, ModalScreen[None]):
    """Shows a Detail; one without a key is only its record, as of an event."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Back"),
        Binding("c", "copy", "Copy as JSON"),
    ]

    def __init__(self, detail: Detail, feed: Feed) -> None:
        super().__init__()
        self._detail, self._feed = detail, feed
        self._title = Static(classes="graph-title", markup=False)
        self._graphs = {
            name: (
                Static(classes="detail-title"),
                Sparkline([0], summary_function=max, classes=name),
            )
            for name in ("rx", "tx", "rtt")
        }
        self._rest = Static()

    def compose(self) -> ComposeResult:
        """What it is; how it went; what belongs to it; every field."""
        with VerticalScroll(id="detail"):
            yield self._title
            for title, line in self._graphs.values():
                yield title
                yield line
            yield self._rest

    def on_mount(self) -> None:
        """What is known already, at once."""
        if self._detail.key:
            self._feed.start()
        self.show(self._detail, Look(bits=False, totals=False, span_s=60))

    def question(self, options: TableOptions) -> Question:
        """The row again; of an event there is no more to know."""
        del options
        if not self._detail.key:
            return lambda _: self._detail
        return lambda session: read_detail(session, self._detail)

    def forget(self) -> None:
        """How it went: the next reading is of another time."""
        self._detail.graph, self._detail.round_trips_us = Graph(), Series()

    def say(self, message: str) -> None:
        """In the place of the title."""
        self._title.update(escape_controls(message))

    def show(self, seen: Detail, look: Look) -> str:
        """As it is now."""
        gone = "" if seen.is_there else "   (gone: this is how it was last seen)"
        self._title.update(f"{_SINGULAR.get(seen.table, seen.table)} {_name(seen)}{gone}")
        self._line("rx", "↓ in ", seen.graph.rx, look)
        self._line("tx", "↑ out", seen.graph.tx, look)
        self._line("rtt", "round trip", seen.round_trips_us, look)
        text = Text()
        self._add_layers(text, seen)
        self._add_related(text, seen)
        self._add_events(text, seen)
        _add_fields(text, seen.record, look)
        self._rest.update(text)
        return ""

    def _line(self, name: str, label: str, series: Series, look: Look) -> None:
        title, line = self._graphs[name]
        latest, most = series.latest, series.most(look.span_s)
        title.display = line.display = latest is not None
        if latest is None or most is None:
            return
        tell = _rtt_text if name == "rtt" else lambda value: rate_text(value, bits=look.bits)
        span = span_text(series.covered_s(look.span_s), look.span_s)
        title.update(Text(f"{label}  {tell(latest)}   most {tell(most)} in {span}"))
        line.data = series.buckets(look.span_s)

    @staticmethod
    def _add_layers(text: Text, seen: Detail) -> None:
        if not seen.layers:
            return
        text.append("\nTHROUGH THE LAYERS\n", style="bold")
        for name, received, sent in seen.layers:
            summary = [cell_text(octets, "bytes") for octets in (received, sent)]
            text.append(f"{name:<18} ↓ {summary[0]:>10}   ↑ {summary[1]:>10}\n")

    def _add_related(self, text: Text, seen: Detail) -> None:
        width = min(self.app.size.width * 8 // 10, 100) - _MARGIN
        for name, records in seen.related.items():
            text.append(f"\n{name.upper()}\n", style="bold")
            if not records:
                text.append("none now\n", style="dim")
                continue
            head, *lines = table_lines(records, COLUMNS[name], width)
            text.append(f"{head}\n", style="dim")
            text.append("".join(f"{line}\n" for line in lines))

    def _add_events(self, text: Text, seen: Detail) -> None:
        if not seen.key:
            return
        events = belonging(self._feed.newest(), seen.table, seen.record)[:_EVENTS]
        text.append("\nEVENTS\n", style="bold")
        summary = [event_line(event.record()) for event in events]
        note = self._feed.note()
        nothing = "" if note else "none since events are read\n"
        text.append("".join(f"{line}\n" for line in summary) or nothing)
        if note:
            text.append(f"{escape_controls(note)}\n", style="yellow")

    def action_copy(self) -> None:
        """To the terminal's clipboard."""
        self.app.copy_to_clipboard(to_json(self._detail.record))
        self.notify("copied")


_SINGULAR = {
    "flows": "Flow",
    "connections": "Connection",
    "processes": "Process",
    "users": "User",
    "cgroups": "Cgroup",
    "hosts": "Host",
    "ports": "Port",
    "protocols": "Protocol",
    "dns": "DNS name",
    "drops": "Drops",
    "interfaces": "Interface",
    "events": "Event",
}


def _name(seen: Detail) -> str:
    """Both ends, or what the first column has."""
    if seen.table in ("flows", "connections"):
        return escape_controls(between(seen.record))
    if seen.table == "events":
        return ""
    if seen.table == "ports":
        return cell_text(f"{seen.record['protocol']} {seen.record['port']}", "text")
    first = COLUMNS[seen.table][0].name
    return cell_text(seen.record[first], "text")


def _rtt_text(value: float) -> str:
    return cell_text(value, "duration_us")


def _add_fields(text: Text, record: Record, look: Look) -> None:
    text.append("\nALL FIELDS\n", style="bold")
    width = max(map(len, record))
    for name, value in record.items():
        text.append(f"{name:<{width}}  ", style="dim")
        text.append(f"{field_text(name, value, bits=look.bits)}\n")
