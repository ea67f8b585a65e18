# SPDX-License-Identifier: MIT
"""The application: tabs, keys, and a reading each second that never keeps input waiting."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import DataTable, Footer, Input, Static, TabbedContent, TabPane
from textual.worker import get_current_worker

from trafficmon.errors import LayoutError, MissingPrivilegeError, NotAttachedError, TrafficmonError
from trafficmon.filter.completion import complete
from trafficmon.filter.errors import FilterError
from trafficmon.filter.nodes import Expression
from trafficmon.filter.parser import parse
from trafficmon.render.csvout import write_csv
from trafficmon.render.jsonout import write_json
from trafficmon.render.safe import escape_controls
from trafficmon.tui.model import Model, Overview, Rows, Source, Wish
from trafficmon.tui.overview import OverviewPane
from trafficmon.tui.screens import DetailScreen
from trafficmon.tui.settings import Settings
from trafficmon.tui.tableview import TableView

TABLES = (
    "flows",
    "connections",
    "processes",
    "users",
    "cgroups",
    "hosts",
    "ports",
    "protocols",
    "dns",
    "drops",
    "layers",
    "interfaces",
)
_MOST_ROWS = 500
_SPANS = (60, 300, 3600)
_REMEDIES: dict[type[TrafficmonError], str] = {
    NotAttachedError: "In another terminal: sudo trafficmon attach --iface eth0",
    MissingPrivilegeError: "Run it as root, or as a member of the group given to attach --group",
    LayoutError: "sudo trafficmon attach --replace takes over; counters restart",
}


class _Words(Suggester):
    """The filter language's next word."""

    def __init__(self) -> None:
        super().__init__(use_cache=False)

    async def get_suggestion(self, value: str) -> str | None:
        """The first of those that may stand there."""
        words = complete(value, len(value))
        begun = value.rpartition(" ")[2]
        for word in words:
            if begun and word.startswith(begun.lower()):
                return value[: len(value) - len(begun)] + word
        return None


class TrafficApp(App[None]):
    """The dashboard."""

    TITLE = "trafficmon"
    AUTO_FOCUS = ""  # it would be the filter's field, which then takes all keys
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("slash", "filter", "Filter", priority=True),
        Binding("s", "sort", "Sort"),
        Binding("r", "reverse", "Reverse"),
        Binding("space", "freeze", "Freeze"),
        Binding("t", "totals", "Rate/total"),
        Binding("b", "bits", "Bits/bytes"),
        Binding("g", "span", "Graph span"),
        Binding("c", "copy", "Copy row", show=False),
        Binding("e", "export", "Export"),
        Binding("T", "next_theme", "Theme", show=False),
        Binding("question_mark", "show_help_panel", "Help"),
        Binding("right_square_bracket", "next_tab", "Next tab", show=False),
        Binding("left_square_bracket", "previous_tab", "Previous tab", show=False),
    ]

    def __init__(
        self, source: Source, settings_path: Path, *, interval_s: float = 1.0, where: str = ""
    ) -> None:
        super().__init__()
        self._model, self._where = Model(source), where
        self._settings_path, self._settings = settings_path, Settings.load(settings_path)
        self._interval_s = interval_s
        self._expression: Expression | None = None
        self._is_frozen = self._is_reading = False
        self._wants_again = False

    def compose(self) -> ComposeResult:
        """A line of state, the tabs, the filter, the keys."""
        yield Static(id="state")
        yield Static(id="problem")
        with TabbedContent(id="tabs"):
            with TabPane("Overview", id="overview"):
                yield OverviewPane()
            for name in TABLES:
                with TabPane(name.capitalize() if name != "dns" else "DNS", id=name):
                    yield TableView(name)
        yield Input(
            placeholder="host 10.0.0.1 and port 443, user alice, …  (Enter applies, Esc clears)",
            id="filter",
            suggester=_Words(),
        )
        yield Footer()

    def on_mount(self) -> None:
        """Where the user was the last time."""
        if self._settings.theme in self.available_themes:
            self.theme = self._settings.theme
        self.query_one("#problem").display = False
        if self._settings.tab in ("overview", *TABLES):
            self._tabs.active = self._settings.tab
        self.set_interval(self._interval_s, self.refresh_data)
        self.refresh_data()

    @property
    def _tabs(self) -> TabbedContent:
        return self.query_one("#tabs", TabbedContent)

    @property
    def _tab(self) -> str:
        return self._tabs.active or "overview"

    def _view(self) -> TableView | None:
        if self._tab == "overview":
            return None
        return self.query_one(f"#table-{self._tab}", TableView)

    # ---- reading -------------------------------------------------------------------------------

    def refresh_data(self, *, at_once: bool = False) -> None:
        """Read what the tab shows, in a thread; a reading that takes long is not overtaken."""
        if self._is_frozen and not at_once:
            return
        if self._is_reading:
            self._wants_again = self._wants_again or at_once
            return
        self._is_reading = True
        self._read(self._wish())

    def _wish(self) -> Wish | None:
        """None: the overview."""
        if self._tab == "overview":
            return None
        sort, reverse = self._settings.sort.get(self._tab, [None, False])
        return Wish(self._tab, _MOST_ROWS, sort, bool(reverse), self._expression)

    @work(thread=True, exit_on_error=False)
    def _read(self, wish: Wish | None) -> None:
        seen: Overview | Rows | Exception
        try:
            seen = self._model.overview() if wish is None else self._model.rows(wish)
        except (TrafficmonError, OSError) as error:
            seen = error
        if not get_current_worker().is_cancelled:
            self.call_from_thread(self._show, wish, seen)

    def _show(self, wish: Wish | None, seen: Overview | Rows | Exception) -> None:
        self._is_reading = False
        if isinstance(seen, Exception):
            self._show_problem(seen)
        elif wish is None and isinstance(seen, Overview):
            self._show_state(seen.notes)
            self.query_one(OverviewPane).show(seen, bits=self._settings.bits)
        elif isinstance(seen, Rows):
            self._show_rows(seen)
        if self._wants_again:
            self._wants_again = False
            self.refresh_data(at_once=True)

    def _show_rows(self, rows: Rows) -> None:
        view = self.query_one(f"#table-{rows.wish.table}", TableView)
        view.show(rows, bits=self._settings.bits, totals=self._settings.totals)
        told = f"{len(rows.records):,} of {rows.matched:,}"
        if rows.matched != rows.length:
            told += f" that match, of {rows.length:,}"
        self._show_state(rows.notes, f"{told}, by {rows.sorted_by}")

    def _show_state(self, notes: list[str], told: str = "") -> None:
        self.query_one("#problem").display = False
        self._tabs.display = True
        state = Text()
        state.append(" trafficmon ", style="bold reverse")
        state.append(f" {time.strftime('%H:%M:%S')}  ")
        if self._is_frozen:
            state.append(" FROZEN ", style="bold yellow reverse")
        if self._model.restarted:
            self.notify("counters restarted: something was attached anew", severity="warning")
        if self._expression is not None:
            state.append(f" filter: {escape_controls(self._expression.text)} ", style="bold cyan")
        state.append(f" {told}")
        for note in notes:
            state.append(f"  {escape_controls(note)}", style="yellow")
        self.query_one("#state", Static).update(state)

    def _show_problem(self, error: Exception) -> None:
        """What is wrong and what to do; it goes by itself when a reading succeeds."""
        if isinstance(error, FilterError):
            self._expression = None
            self.notify(escape_controls(str(error)), severity="error", markup=False)
            return
        remedy = next((text for kind, text in _REMEDIES.items() if isinstance(error, kind)), "")
        told = Text(f"{escape_controls(str(error))}\n\n", style="bold")
        told.append(f"{remedy}\n\n" if remedy else "", style="not bold green")
        told.append(f"Looking again every {self._interval_s:g} s. q quits.", style="not bold dim")
        self._tabs.display = False
        problem = self.query_one("#problem", Static)
        problem.display = True
        problem.update(told)
        self.query_one("#state", Static).update(
            Text(f" trafficmon {self._where} ", style="reverse")
        )

    # ---- keys ----------------------------------------------------------------------------------

    def on_tabbed_content_tab_activated(self) -> None:
        """Another tab: at once, and remembered."""
        self._settings.tab = self._tab
        self._save()
        if (view := self._view()) is not None:
            view.focus()
        self.refresh_data(at_once=True)

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """A click on a column's head sorts by it; once more turns it round."""
        self._sort_by(str(event.column_key.value))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        view = event.data_table
        if isinstance(view, TableView) and (record := view.chosen()) is not None:
            self.push_screen(DetailScreen(view.table, record))

    def action_filter(self) -> None:
        """Type an expression.

        The key comes here before any widget sees it, so that what is typed right behind it finds
        the field; in the field itself it is a character as others are.
        """
        field = self.query_one("#filter", Input)
        if field.has_focus:
            field.insert_text_at_cursor("/")
            return
        field.display = True
        self.screen.set_focus(field)  # at once: what is typed next is meant for it

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Apply it; what is wrong in it is told, with the place."""
        try:
            self._expression = parse(event.value) if event.value.strip() else None
        except FilterError as error:
            self.notify(escape_controls(str(error)), severity="error", markup=False, timeout=10)
            return
        event.input.display = False
        self._focus_view()
        self.refresh_data(at_once=True)

    def key_escape(self) -> None:
        """Away with the filter."""
        field = self.query_one("#filter", Input)
        if field.display or self._expression is not None:
            field.value, field.display, self._expression = "", False, None
            self._focus_view()
            self.refresh_data(at_once=True)

    def _focus_view(self) -> None:
        if (view := self._view()) is not None:
            view.focus()

    def action_sort(self) -> None:
        """By the next column."""
        if (view := self._view()) is None or view.shown is None:
            return
        names = view.sortable()
        current = view.shown.sorted_by
        place = names.index(current) if current in names else -1
        self._sort_by(names[(place + 1) % len(names)])

    def _sort_by(self, name: str) -> None:
        current = self._settings.sort.get(self._tab, [None, False])
        self._settings.sort[self._tab] = [name, current[0] == name and not current[1]]
        self._save()
        self.refresh_data(at_once=True)

    def action_reverse(self) -> None:
        """The other way round."""
        if (view := self._view()) is not None and view.shown is not None:
            _, reverse = self._settings.sort.get(self._tab, [None, False])
            self._settings.sort[self._tab] = [view.shown.sorted_by, not reverse]
            self._save()
            self.refresh_data(at_once=True)

    def action_freeze(self) -> None:
        """Stand still, or go on."""
        self._is_frozen = not self._is_frozen
        self.refresh_data(at_once=True)

    def action_totals(self) -> None:
        """Bytes since attach, or a second."""
        self._settings.totals = not self._settings.totals
        self._changed()

    def action_bits(self) -> None:
        """Rates in bits, or bytes."""
        self._settings.bits = not self._settings.bits
        self._changed()

    def action_span(self) -> None:
        """How long a time the graphs show."""
        pane = self.query_one(OverviewPane)
        pane.span = _SPANS[(_SPANS.index(pane.span) + 1) % len(_SPANS)]
        self._changed()

    def action_next_theme(self) -> None:
        """Another set of colours."""
        names = sorted(self.available_themes)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self._settings.theme = self.theme
        self._changed()

    def action_next_tab(self) -> None:
        """To the right."""
        self._move_tab(1)

    def action_previous_tab(self) -> None:
        """To the left."""
        self._move_tab(-1)

    def _move_tab(self, step: int) -> None:
        names = ("overview", *TABLES)
        self._tabs.active = names[(names.index(self._tab) + step) % len(names)]

    def action_copy(self) -> None:
        """The row under the cursor, as JSON."""
        view = self._view()
        if view is not None and (record := view.chosen()) is not None:
            from trafficmon.render.plain import to_json  # noqa: PLC0415 - needed here alone

            self.copy_to_clipboard(to_json(record))
            self.notify("copied")

    def action_export(self) -> None:
        """What is shown, as JSON and CSV, into the working directory."""
        view = self._view()
        if view is None or view.shown is None or not view.shown.records:
            self.notify("there are no rows to export here", severity="warning")
            return
        records = view.shown.records
        stem = Path(f"trafficmon-{view.table}-{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            with stem.with_suffix(".json").open("x", encoding="utf-8") as stream:
                write_json(records, stream)
            with stem.with_suffix(".csv").open("x", encoding="utf-8") as stream:
                write_csv(records, list(records[0]), stream)
        except OSError as error:
            self.notify(f"not exported: {error}", severity="error", markup=False)
            return
        self.notify(f"written: {stem}.json and {stem}.csv", markup=False)

    def _changed(self) -> None:
        self._save()
        self.refresh_data(at_once=True)

    def _save(self) -> None:
        self._settings.save(self._settings_path)


def is_terminal() -> bool:
    """Whether there is somebody to show it to."""
    streams = sys.stdin, sys.stdout, sys.stderr  # Textual draws on the last of these
    return all(stream.isatty() for stream in streams)
