# SPDX-License-Identifier: MIT
"""The first screen: who uses the network, in one second."""

from __future__ import annotations

from rich.table import Table as Grid
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Sparkline, Static

from trafficmon.render.columns import cell_text
from trafficmon.render.safe import escape_controls
from trafficmon.tables.table import Record
from trafficmon.tui.panes.cells import rate_text, span_text
from trafficmon.tui.panes.pane import Look, Question, TableOptions
from trafficmon.tui.readings.overview import Overview, read_overview
from trafficmon.tui.readings.session import Graph

_WARN_BELOW, _BAR = 99.0, 24
_NAMES = {"users": "user", "processes": "comm", "flows": "remote_addr", "hosts": "remote_addr"}


class InterfaceGraph(Vertical):
    """Rates of one interface, and how they went."""

    def __init__(self, name: str) -> None:
        super().__init__(classes="graph")
        self._interface = name
        self._title = Static(classes="graph-title")
        self._rx = Sparkline([0], summary_function=max, classes="rx")
        self._tx = Sparkline([0], summary_function=max, classes="tx")

    def compose(self) -> ComposeResult:
        """Two lines, below what they are now."""
        yield self._title
        yield self._rx
        yield self._tx

    def show(self, graph: Graph, record: Record, span_s: int, *, bits: bool) -> None:
        """The last ``span_s`` seconds."""
        title = Text()
        title.append(escape_controls(self._interface), style="bold")
        title.append(f"   ↓ {rate_text(record['rx_rate'], bits=bits)}", style="green")
        title.append(f"   ↑ {rate_text(record['tx_rate'], bits=bits)}", style="cyan")
        both = graph.rx, graph.tx
        peaks = [most for series in both if (most := series.most(span_s)) is not None]
        if peaks:
            span = span_text(max(series.covered_s(span_s) for series in both), span_s)
            peak = rate_text(max(peaks), bits=bits)
            title.append(f"   peak {peak} in {span}", style="dim")
        self._title.update(title)
        self._rx.data, self._tx.data = (series.buckets(span_s) for series in both)


class OverviewPane(VerticalScroll):
    """All of it."""

    def __init__(self) -> None:
        super().__init__(id="overview-pane")
        self._graphs: dict[str, InterfaceGraph] = {}
        self._health = Static(id="health")
        self._protocols = Static(id="protocols", classes="card")
        self._cards = {name: Static(classes="card") for name in _NAMES}

    def compose(self) -> ComposeResult:
        """Health, graphs, then cards that stand side by side where there is room."""
        yield self._health
        yield Vertical(id="graphs")
        with Horizontal(classes="cards"):
            yield self._cards["users"]
            yield self._cards["processes"]
        with Horizontal(classes="cards"):
            yield self._cards["flows"]
            yield self._cards["hosts"]
        yield self._protocols

    def question(self, options: TableOptions) -> Question:
        """Always the same."""
        del options
        return read_overview

    def say(self, message: str) -> None:
        """In the place of the first line."""
        self._health.update(escape_controls(message))

    def show(self, seen: Overview, look: Look) -> str:
        """Replace what is shown."""
        bits = look.bits
        self._health.update(_health(seen))
        for name, graph in list(seen.graphs.items()):
            if name not in seen.interfaces:
                continue
            if name not in self._graphs:
                self._graphs[name] = InterfaceGraph(name)
                self.query_one("#graphs").mount(self._graphs[name])
            self._graphs[name].show(graph, seen.interfaces[name], look.span_s, bits=bits)
        for gone in self._graphs.keys() - seen.interfaces.keys():
            self._graphs.pop(gone).remove()
        for name, card in self._cards.items():
            records = seen.top.get(name)
            card.display = records is not None
            card.update(_card(name, records or [], bits=bits))
        self._protocols.update(_shares(seen.protocols))
        return ""


def _health(seen: Overview) -> Text:
    summary = Text()
    for name, value, kind in (
        ("connections", seen.connections, "count"),
        ("RTT median", seen.rtt_median_us, "duration_us"),
        ("worst", seen.rtt_worst_us, "duration_us"),
        ("retransmits", seen.retransmits, "count"),
        ("drops", seen.drops, "count"),
    ):
        summary.append(f"{name} ", style="dim")
        summary.append(cell_text(value, kind), style="bold")  # type: ignore[arg-type]
        if name == "retransmits" and seen.retransmit_percent is not None:
            summary.append(f" ({seen.retransmit_percent:.2f} %)")
        summary.append("   ")
    covered = seen.coverage_percent
    summary.append("owners known ", style="dim")
    style = "bold" if covered is None or covered >= _WARN_BELOW else "bold red"
    summary.append("-" if covered is None else f"{covered:.2f} %", style=style)
    return summary


def _card(name: str, records: list[Record], *, bits: bool) -> Grid:
    grid = Grid.grid(padding=(0, 1), expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(
        Text(name.upper(), style="bold"), Text("↓", style="green"), Text("↑", style="cyan")
    )
    for record in records:
        cells = [Text(rate_text(record[way], bits=bits)) for way in ("rx_rate", "tx_rate")]
        grid.add_row(Text(_label(name, record)), *cells)
    return grid


def _label(name: str, record: Record) -> str:
    """What one looks for first."""
    what = record.get(_NAMES[name])
    if name == "users" and what is None:
        what = record["uid"]
    if name == "processes":
        what = f"{what or '?'} [{record['pid'] or '-'}]"
    if name in ("flows", "hosts") and record.get("remote_name"):
        what = record["remote_name"]
    if name == "flows":
        port = record["remote_port"]
        what = f"{record['protocol']} {what}{'' if port is None else f':{port}'}"
        if record.get("comm"):
            what = f"{what}  {record['comm']}"
    return escape_controls(str(what))


def _shares(protocols: list[tuple[str, float]]) -> Text:
    summary = Text("PROTOCOLS\n", style="bold")
    for name, share in protocols:
        summary.append(f"{escape_controls(name):<8}", style="not bold")
        summary.append("█" * max(1, round(share * _BAR)), style="not bold green")
        summary.append(f" {100 * share:.1f} %\n", style="not bold")
    return summary
