# SPDX-License-Identifier: MIT
"""The packet's way as a picture: a box for each layer, and what is lost between two of them."""

from __future__ import annotations

from textwrap import wrap

from rich.console import Group
from rich.panel import Panel
from rich.table import Table as Grid
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from trafficmon.render.columns import UNKNOWN, cell_text
from trafficmon.render.safe import escape_controls
from trafficmon.tui.panes.cells import rate_text
from trafficmon.tui.panes.pane import Look, Question, TableOptions
from trafficmon.tui.readings.layers import LayersPicture, Stage, read_layers

_TITLES = {
    "xdp": "XDP  the driver",
    "tc": "TC  the network stack",
    "cgroup": "CGROUP  the socket",
    "app": "APP  the program",
}
_BELOW = {"tc": "XDP", "cgroup": "TC and XDP", "app": "the socket"}
_LINE, _LEAST_ROOM = "      │ ", 20


class LayersView(VerticalScroll):
    """Shows a LayersPicture."""

    def __init__(self) -> None:
        super().__init__(id="table-layers")
        self._drawn = Static(id="way")

    def compose(self) -> ComposeResult:
        """One drawing."""
        yield self._drawn

    def question(self, options: TableOptions) -> Question:
        """The layers have no order but their own."""
        del options
        return read_layers

    def say(self, message: str) -> None:
        """In the drawing's place."""
        self._drawn.update(Text(escape_controls(message)))

    def show(self, seen: LayersPicture, look: Look) -> str:
        """From the wire at the top to the program at the bottom."""
        parts: list[Text | Panel] = [Text("      the network", style="dim")]
        for place, stage in enumerate(seen.stages):
            parts += [self._between(stage) if place else _arrows(), _box(stage, look)]
        parts.append(_drops(seen))
        self._drawn.update(Group(*parts))
        return "from the wire to the program; top layers has it as a table"

    def _between(self, stage: Stage) -> Text:
        """What this layer has not seen of what the one below it has, and why."""
        summary = []
        for fewer, mark in zip(stage.less_packets, ("▼", "▲"), strict=True):
            if fewer:
                many = f"{abs(fewer):,} packets {'fewer' if fewer > 0 else 'more'}"
                summary.append((f"{mark} {many} than {_BELOW[stage.name]} since attach", "yellow"))
        summary += [(cause, "dim") for cause in (stage.causes or "").split("; ") if cause]
        text, room = Text(), max(_LEAST_ROOM, self.size.width - len(_LINE) - 2)
        for words, style in summary:
            for line in wrap(escape_controls(words), room):
                text.append(_LINE, style="dim").append(f"{line}\n", style=style)
        text.rstrip()
        return text


def _arrows() -> Text:
    return Text("      │ ▼ in   ▲ out", style="dim")


def _box(stage: Stage, look: Look) -> Panel:
    grid = Grid.grid(padding=(0, 2))
    for justify in ("left", "right", "right"):
        grid.add_column(justify=justify, no_wrap=True)
    for way, mark, style in (("rx", "▼ in", "green"), ("tx", "▲ out", "cyan")):
        grid.add_row(Text(mark, style=style), *_amounts(stage, way, look))
    counts = any(value is not None for value in stage.totals.values())
    return Panel(
        grid if counts else Text("counts nothing here", style="dim"),
        title=Text(_TITLES.get(stage.name, stage.name), style="bold"),
        title_align="left",
        border_style="green" if counts else "dim",
        width=58,
    )


def _amounts(stage: Stage, way: str, look: Look) -> tuple[Text, Text]:
    """Now, or since attach."""
    octets, packets = stage.totals[f"{way}_bytes"], stage.totals[f"{way}_packets"]
    rate = stage.rates[f"{way}_packets"]
    if look.totals:
        amount, number, unit = cell_text(octets, "bytes"), packets, "packets"
    else:
        amount = rate_text(stage.rates[f"{way}_bytes"], bits=look.bits)
        number, unit = None if rate is None else round(rate), "packets/s"
    return Text(amount), Text("" if number is None else f"{number:,} {unit}")


def _drops(seen: LayersPicture) -> Text:
    summary = Text("\n")
    if seen.drops is None:
        return summary.append("drops are not counted here (layer drops)", style="dim")
    summary.append("DROPPED BY THE KERNEL", style="bold")
    rate = UNKNOWN if seen.drop_rate is None else f"{seen.drop_rate:,.0f}"
    summary.append(f"   {rate} packets/s\n", style="bold")
    for drop in seen.drops:
        rate = UNKNOWN if drop["rate"] is None else f"{drop['rate']:,.0f}/s"
        why = escape_controls(f"{drop['reason'] or 'no reason known'} in {drop['location']}")
        summary.append(f"  {drop['packets']:>10,}  {rate:>8}  {why}\n")
    return summary
