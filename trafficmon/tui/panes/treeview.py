# SPDX-License-Identifier: MIT
"""Cgroups as a tree: each with all below it summed up, closed and opened by the arrow keys."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from trafficmon.tables.catalogue import TableQuery
from trafficmon.tui.panes.pane import Question, TableOptions
from trafficmon.tui.panes.tableview import TableView
from trafficmon.tui.readings.rows import Rows
from trafficmon.tui.readings.tree import read_tree


class TreeView(TableView):
    """Shows Rows that have labels; their keys are paths."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "fold", "Close", priority=True),
        Binding("right", "unfold", "Open", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__("cgroups")
        self._folded: frozenset[str] = frozenset()

    def question(self, options: TableOptions) -> Question:
        """All of them: a tree that is cut somewhere would be none."""
        query = TableQuery(
            self.table, None, options.sort, options.reverse, options.expression, by_rate=True
        )
        closed = self._folded
        return lambda session: read_tree(session, query, closed)

    @staticmethod
    def _summary(seen: Rows) -> str:
        """Rows are more than match: those above them stand there too."""
        summary = (
            f"{seen.matched:,} of {seen.length:,}, each with all below it, by {seen.sorted_by}"
        )
        return f"{summary}; ← closes, → opens"

    def action_fold(self) -> None:
        """Leave out what is below this row."""
        if path := self.chosen_key():
            self._folded |= {path}
            self.app.action_look_again()  # type: ignore[attr-defined]

    def action_unfold(self) -> None:
        """Show it again."""
        if path := self.chosen_key():
            self._folded -= {path}
            self.app.action_look_again()  # type: ignore[attr-defined]
