# SPDX-License-Identifier: MIT
"""The application: tabs, keys, and a reading each second that never keeps input waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakSet

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Input, TabbedContent, TabPane

from trafficmon.errors import TrafficmonError, UsageError
from trafficmon.filter.errors import FilterError
from trafficmon.filter.nodes import Expression
from trafficmon.filter.parser import parse
from trafficmon.model.source import Source
from trafficmon.render.safe import escape_controls
from trafficmon.tui.export import export
from trafficmon.tui.pace import Pace
from trafficmon.tui.panes.detail import DetailScreen
from trafficmon.tui.panes.eventsview import EventsView
from trafficmon.tui.panes.filterfield import FilterField
from trafficmon.tui.panes.grid import Grid
from trafficmon.tui.panes.layersview import LayersView
from trafficmon.tui.panes.overview import OverviewPane
from trafficmon.tui.panes.pane import Pane, Question, TableOptions
from trafficmon.tui.panes.problem import Problem
from trafficmon.tui.panes.rowspane import RowsPane
from trafficmon.tui.panes.stateline import State, StateLine
from trafficmon.tui.panes.tableview import TableView
from trafficmon.tui.panes.treeview import TreeView
from trafficmon.tui.readings.detail import Detail
from trafficmon.tui.readings.feed import Feed
from trafficmon.tui.readings.session import MissingLayerError, Session
from trafficmon.tui.switches import Switches
from trafficmon.tui.threads import in_thread

TABS = (
    "overview",
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
    "events",
    "interfaces",
)
_TITLES = {"dns": "DNS"}
_SLOW_S = 5.0  # a reading that takes longer is mentioned


class TrafficApp(Switches):
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
        Binding("right_square_bracket", "move_tab(1)", "Next tab", show=False),
        Binding("left_square_bracket", "move_tab(-1)", "Previous tab", show=False),
    ]

    def __init__(
        self,
        source: Source,
        feed: Feed,
        settings_path: Path,
        *,
        interval_s: float = 1.0,
        where: str = "",
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], str] = lambda: time.strftime("%H:%M:%S"),
    ) -> None:
        super().__init__(settings_path)
        self._session, self._feed, self._where = Session(source, now), feed, where
        self._interval_s, self._clock = interval_s, clock
        self._expression: Expression | None = None
        self._pace, self._restarts = Pace(), 0
        self._seen: WeakSet[Pane] = WeakSet()  # those that have been shown something
        self._state, self._problem, self._field = StateLine(), Problem(), FilterField()
        self._tabs = TabbedContent(id="tabs")
        self._panes: dict[str, Pane] = {name: self._made(name) for name in TABS}

    def _made(self, name: str) -> Pane:
        special: dict[str, Callable[[], Pane]] = {
            "overview": OverviewPane,
            "cgroups": TreeView,
            "layers": LayersView,
            "events": lambda: EventsView(self._feed),
        }
        return special.get(name, lambda: TableView(name))()

    def compose(self) -> ComposeResult:
        """A line of state, the tabs, the filter, the keys."""
        yield self._state
        yield self._problem
        with self._tabs:
            for name, pane in self._panes.items():
                with TabPane(_TITLES.get(name, name.capitalize()), id=name):
                    yield pane  # type: ignore[misc]
        yield self._field
        yield Footer()

    def on_mount(self) -> None:
        """Where the user was the last time."""
        if self._settings.theme in self.available_themes:
            self.theme = self._settings.theme
        self._problem.display = False
        if self._settings.tab in TABS:
            self.action_open_tab(self._settings.tab)
        self.set_interval(self._interval_s, self.refresh_data)
        self.set_interval(1.0, self._tell_if_slow)
        self.refresh_data()

    def on_unmount(self) -> None:
        """Let others read events."""
        self._feed.stop()

    @property
    def _tab(self) -> str:
        return self._tabs.active or TABS[0]

    @property
    def _pane(self) -> Pane:
        """What is looked at: the detail above the tabs, or a tab."""
        above: Screen[Any] = self.screen
        return above if isinstance(above, DetailScreen) else self._panes[self._tab]

    def _view(self) -> TableView | None:
        pane = self._panes[self._tab]
        return pane if isinstance(pane, TableView) else None

    def _rows(self) -> RowsPane | None:
        pane = self._panes[self._tab]
        return pane if isinstance(pane, RowsPane) else None

    def _sort(self) -> tuple[str | None, bool]:
        name, reverse = self._settings.sort.get(self._tab, [None, False])
        return name, bool(reverse)

    # ---- reading -------------------------------------------------------------------------------

    def refresh_data(self, *, at_once: bool = False) -> None:
        """Read what is looked at, in a thread; a reading that takes long is not overtaken."""
        if (self._is_frozen and not at_once) or not self._pace.begin(at_once=at_once):
            return
        self._read(self._pane, TableOptions(*self._sort(), self._expression))

    @work(exit_on_error=False)
    async def _read(self, pane: Pane, options: TableOptions) -> None:
        """Whatever comes of it is shown, and the next reading comes."""
        seen = await self._answer(pane, options)
        took_s = self._pace.reading_for_s()
        again = self._pace.end(took_s, is_first=pane not in self._seen)
        self._seen.add(pane)
        try:
            self._show(pane, seen)
        except Exception as error:  # noqa: BLE001 - a pane that cannot show it is to say so
            self._show_fault(pane, error, "showing")
        if again:
            self.refresh_data(at_once=True)

    async def _answer(self, pane: Pane, options: TableOptions) -> Any:
        try:
            question = pane.question(options)
            return await in_thread(self._reading_of(pane, question))
        except Exception as error:  # noqa: BLE001 - it is an answer too, and shown
            return error

    def _reading_of(self, pane: Pane, question: Question) -> Callable[[], Any]:
        """What runs in the thread."""
        del pane
        return lambda: question(self._session)

    def _show(self, pane: Pane, seen: Any) -> None:
        if not isinstance(seen, Exception):
            self._show_state(pane.show(seen, self.look))
        elif isinstance(seen, FilterError | UsageError | MissingLayerError):
            self._show_refusal(pane, seen)
        elif isinstance(seen, TrafficmonError | OSError):
            self._show_problem(pane, seen)
        else:
            self._show_fault(pane, seen, "reading")

    def _show_fault(self, pane: Pane, error: Exception, doing: str) -> None:
        """In the place of what would be shown: numbers of before would be taken for new ones."""
        summary = self.fault(error, f"{doing} {self._tab}")
        with suppress(Exception):  # it has been said above the screen
            pane.say(summary)
        self._show_state()

    def _tell_if_slow(self) -> None:
        """A reading that hangs stops the numbers, not the keys."""
        if (waited_s := self._pace.reading_for_s()) >= _SLOW_S:
            self._state.show(self._state_of(f"no answer for {waited_s:.0f} s, still reading"))

    def _state_of(self, summary: str) -> State:
        text = None if self._expression is None else self._expression.text
        return State(self._clock(), self._is_frozen, text, summary, self._session.notes)

    def _show_state(self, summary: str = "") -> None:
        if not self._tabs.display:  # setting it, to what it is too, has the screen laid out anew
            self._problem.display, self._tabs.display = False, True
        if self._session.restarts != self._restarts:
            self._restarts = self._session.restarts
            self.notify("counters restarted: something was attached anew", severity="warning")
        self._state.show(self._state_of(summary))

    def _show_refusal(self, pane: Pane, error: Exception) -> None:
        """This table cannot be had, or not like this; the others can."""
        if isinstance(error, MissingLayerError):
            pane.say(str(error))
            self._show_state()
            return
        if isinstance(error, FilterError):
            self._expression = None
        else:
            self._settings.sort.pop(self._tab, None)
        self._complain(error)

    def _show_problem(self, pane: Pane, error: Exception) -> None:
        """Nothing can be read: it goes by itself when that changes."""
        pane.say(str(error))
        self._tabs.display = False
        self._problem.show(error, f"Looking again every {self._interval_s:g} s.")
        self._state.show_place(self._where)

    def _complain(self, error: Exception) -> None:
        summary = "\n".join(escape_controls(line) for line in str(error).splitlines())
        self.notify(summary, severity="error", markup=False, timeout=10)

    # ---- keys ----------------------------------------------------------------------------------

    def on_tabbed_content_tab_activated(self) -> None:
        """Another tab: at once, and remembered."""
        self._settings.tab = self._tab
        self._save()
        self._focus_rows()
        self.refresh_data(at_once=True)

    def on_grid_sorted(self, event: Grid.Sorted) -> None:
        """A click on a column's head sorts by it; once more turns it round."""
        if self._view() is not None:
            self._sort_by(event.name)

    def on_grid_selected(self) -> None:
        """Enter, or a click on the row under the cursor."""
        if (pane := self._rows()) is None or (record := pane.chosen()) is None:
            return
        detail = Detail(pane.table, pane.chosen_key(), record)
        self.push_screen(self._detail_screen(detail))
        self.refresh_data(at_once=True)

    def _detail_screen(self, detail: Detail) -> DetailScreen:
        return DetailScreen(detail, self._feed)

    def action_filter(self) -> None:
        """Type an expression. The key comes here before any widget sees it."""
        if not isinstance(self.screen, DetailScreen):
            self._field.open()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Applied as it is typed, where it is complete; an incomplete one is not a mistake yet."""
        if not self._field.display:
            return
        try:
            self._expression = _expression(event.value)
        except FilterError:
            return
        self.refresh_data(at_once=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Applied; a mistake is shown with its place."""
        try:
            self._expression = _expression(event.value)
        except FilterError as error:
            self._complain(error)
            return
        self._field.display = False
        self._focus_rows()
        self.refresh_data(at_once=True)

    def key_escape(self) -> None:
        """Away with the filter."""
        if self._field.display or self._expression is not None:
            self._field.close()
            self._expression = None
            self._focus_rows()
            self.refresh_data(at_once=True)

    def _focus_rows(self) -> None:
        if (pane := self._rows()) is not None:
            pane.focus_rows()

    def action_look_again(self) -> None:
        """At once, also when frozen: the request has changed."""
        self.refresh_data(at_once=True)

    def action_sort(self) -> None:
        """By the next column."""
        if (view := self._view()) is None or view.shown is None:
            return
        names = view.sortable()
        current = view.shown.sorted_by
        place = names.index(current) if current in names else -1
        self._sort_by(names[(place + 1) % len(names)])

    def _sort_by(self, name: str) -> None:
        current, reverse = self._sort()
        self._settings.sort[self._tab] = [name, current == name and not reverse]
        self._changed()

    def action_reverse(self) -> None:
        """The other way round."""
        if (view := self._view()) is not None and view.shown is not None:
            self._settings.sort[self._tab] = [view.shown.sorted_by, not self._sort()[1]]
            self._changed()

    def action_move_tab(self, step: int) -> None:
        """To the right, or to the left."""
        self.action_open_tab(TABS[(TABS.index(self._tab) + step) % len(TABS)])

    def action_open_tab(self, name: str) -> None:
        """One of TABS."""
        self._tabs.active = name

    def action_copy(self) -> None:
        """The row under the cursor, as JSON."""
        if (pane := self._rows()) is not None and (record := pane.chosen()) is not None:
            from trafficmon.render.plain import to_json  # noqa: PLC0415 - needed here alone

            self.copy_to_clipboard(to_json(record))
            self.notify("copied")

    def action_export(self) -> None:
        """What is shown, as JSON and CSV, into the working directory."""
        pane = self._rows()
        records = pane.records() if pane is not None else []
        if not records:
            self.notify("there are no rows to export here", severity="warning")
            return
        stem = Path(f"trafficmon-{self._tab}-{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            export(records, stem)
        except OSError as error:
            self.notify(f"not exported: {error}", severity="error", markup=False)
            return
        self.notify(f"written: {stem}.json and {stem}.csv", markup=False)


def _expression(text: str) -> Expression | None:
    """Raises FilterError."""
    return parse(text) if text.strip() else None
