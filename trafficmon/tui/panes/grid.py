# SPDX-License-Identifier: MIT
"""Rows and columns, drawn line by line: what is not on the screen costs nothing.

Textual's DataTable is made for tables that stay. Filled anew each second with 500 rows it took a
third of a core, most of it for measuring and drawing cells outside of the screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from trafficmon.render.columns import Align
from trafficmon.render.width import clip, pad
from trafficmon.tui.contained import Contained

_GAP = 2
_HEAD_LINES = 1
_ODD = ("grid--even", "grid--odd")


class Cell(NamedTuple):
    """Text that is safe for a terminal, and how it is shown beside how its row is."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Head:
    """A column: ``name`` for the program, ``title`` for people."""

    name: str
    title: str
    width: int
    align: Align = "left"


class Grid(Contained, ScrollView, can_focus=True):
    """Rows, one of them under the cursor, below a line of heads that stays."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid--head", "grid--cursor", *_ODD}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "to_end(0)", "First row", show=False),
        Binding("end", "to_end(1)", "Last row", show=False),
        Binding("enter", "select", "Open", show=False),
    ]

    class Selected(Message):
        """Enter, or a click on the row under the cursor."""

    class Sorted(Message):
        """A click on a column's head."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    class NearEnd(Message):
        """The last of the rows are on the screen: if there are more, they are requested."""

    def __init__(self) -> None:
        super().__init__()
        self._heads: list[Head] = []
        self._rows: list[list[Cell]] = []
        self.cursor_row = 0

    def load(self, heads: list[Head], rows: list[list[Cell]], cursor_row: int) -> None:
        """Show these in the place of those before; what was scrolled to stays there."""
        self._heads, self._rows = heads, rows
        self.cursor_row = max(0, min(cursor_row, len(rows) - 1))
        width = sum(head.width + _GAP for head in heads)
        self.virtual_size = Size(width, len(rows) + _HEAD_LINES)
        self.refresh()

    @property
    def last_seen_row(self) -> int:
        """The lowest row on the screen, or the cursor's."""
        return max(self.cursor_row, self.scroll_offset.y + self._room - 1)

    @property
    def _room(self) -> int:
        """Rows that are on the screen at once."""
        return max(1, self.size.height - _HEAD_LINES)

    # ---- drawing -------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """A line of the screen."""
        x, top = self.scroll_offset
        row = y - _HEAD_LINES + top
        if y < _HEAD_LINES:
            style = self.get_component_rich_style("grid--head")
            cells = [Cell(head.title) for head in self._heads]
        elif row < len(self._rows):
            is_cursor = row == self.cursor_row and self.has_focus
            style = self.get_component_rich_style("grid--cursor" if is_cursor else _ODD[row % 2])
            cells = self._rows[row]
        else:
            return Strip.blank(self.size.width, self.rich_style)
        return self._strip(cells, style).crop_extend(x, x + self.size.width, style)

    def _strip(self, cells: list[Cell], style: Style) -> Strip:
        segments = [Segment(" ", style)]
        for head, cell in zip(self._heads, cells, strict=True):
            text = pad(clip(cell.text, head.width), head.width, right_aligned=head.align == "right")
            own = style + Style.parse(cell.style) if cell.style else style
            segments += (Segment(text, own), Segment(" " * _GAP, style))
        return Strip(segments)

    # ---- moving --------------------------------------------------------------------------------

    def _go_to(self, row: int) -> None:
        self.cursor_row = max(0, min(row, len(self._rows) - 1))
        top = self.scroll_offset.y
        if self.cursor_row < top:
            self.scroll_to(y=self.cursor_row, animate=False, immediate=True)
        elif self.cursor_row >= top + self._room:
            self.scroll_to(y=self.cursor_row - self._room + 1, animate=False, immediate=True)
        self.refresh()
        self._tell_if_near_end()

    def _tell_if_near_end(self) -> None:
        if self.last_seen_row + self._room >= len(self._rows):
            self.post_message(self.NearEnd())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Also by the wheel and the bar."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._tell_if_near_end()

    def action_move(self, rows: int) -> None:
        """The cursor, so many rows down."""
        self._go_to(self.cursor_row + rows)

    def action_page(self, pages: int) -> None:
        """The cursor, so many screens down."""
        self._go_to(self.cursor_row + pages * self._room)

    def action_to_end(self, end: int) -> None:
        """The first row, or the last there is."""
        self._go_to(end * len(self._rows))

    def action_select(self) -> None:
        """What is under the cursor."""
        if self._rows:
            self.post_message(self.Selected())

    def on_click(self, event: events.Click) -> None:
        """Heads sort; a row gets the cursor, and is opened when it has it."""
        x, top = self.scroll_offset
        if event.y < _HEAD_LINES:
            if (head := self._head_at(event.x + x - 1)) is not None:
                self.post_message(self.Sorted(head.name))
            return
        row = event.y - _HEAD_LINES + top
        if row >= len(self._rows):
            return
        if row == self.cursor_row:
            self.action_select()
        else:
            self._go_to(row)

    def _head_at(self, x: int) -> Head | None:
        for head in self._heads:
            if x < head.width + _GAP:
                return head
            x -= head.width + _GAP
        return None

    def on_focus(self) -> None:
        """The cursor is shown."""
        self.refresh()

    def on_blur(self) -> None:
        """And is not."""
        self.refresh()
