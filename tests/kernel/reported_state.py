# SPDX-License-Identifier: MIT
"""What each face says of a running attachment: status, as JSON and as text, top, the dashboard."""

from __future__ import annotations

import json
from typing import Any

from tests.kernel.program import Program
from trafficmon.pins import PinDirectory
from trafficmon.tui.readings.pinned import pinned
from trafficmon.tui.readings.session import Session

CLOSING = "sockets that are closed while sock_release is away take their counts with them"


class ReportedState:
    """Queries all of them; they agree."""

    def __init__(self, program: Program, table: str = "interfaces") -> None:
        self.program, self.table = program, table

    def nothing(self) -> None:
        """All is well."""
        record = self._status(0)
        assert record["problems"] == []
        assert {hook["state"] for hook in hooks_of(record)} <= {"alive", None}
        assert self._notes() == []

    def wrong(self, wrong: tuple[str, ...], state: str, why: str) -> None:
        """Of all hooks these, in that state, and why; with what helps."""
        record = self._status(1)
        found = {
            hook["hook"]: hook for hook in hooks_of(record) if hook["state"] not in (None, "alive")
        }
        assert set(found) == set(wrong)
        for hook in found.values():
            assert hook["state"] == state
            assert why in hook["state_reason"]
        text = self.program.run("status", check=False)
        assert text.returncode == 1
        assert text.stdout.count(f"{state.upper()}: ") == len(wrong)
        notes = self._notes()
        assert notes == record["problems"]
        if not any("removed with its network" in n or " moved to " in n for n in notes):
            note, *more = notes
            closing = "sock_release" in wrong and "cgroup_rx" not in wrong
            assert more == ([CLOSING] if closing else [])
            assert why in note
            assert "'trafficmon attach --replace'" in note

    def gone(self, why: str) -> None:
        """An interface; its hooks with it."""
        record = self._status(1)
        (note,) = self._notes()
        assert why in note
        assert record["problems"] == [note]

    def foreign(self, hook: str, why: str) -> None:
        """That programs of others are there, and nothing is wrong."""
        record = self._status(0)
        (found,) = (one for one in hooks_of(record) if one["foreign_programs"])
        assert (found["hook"], found["state"]) == (hook, "alive")
        (note,) = self._notes()
        assert why in note
        assert f"(id {found['foreign_programs'][0]})" in note

    def _status(self, code: int) -> dict[str, Any]:
        done = self.program.run("status", "--json", check=False)
        assert done.returncode == code, (done.stdout, done.stderr)
        record: dict[str, Any] = json.loads(done.stdout)
        assert done.stderr == "".join(f"note: {line}\n" for line in record["problems"])
        return record

    def _notes(self) -> list[str]:
        """Those under a table, which are those of the dashboard's state line."""
        said = self.program.run("top", self.table, "--json").stderr
        session = Session(pinned(PinDirectory(self.program.pin_dir))[0])
        with self.program.namespace.inside():
            session.read()
        notes = session.notes
        assert said == "".join(f"note: {note}\n" for note in notes)
        return notes


def hooks_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """All of `status --json`."""
    at_interfaces = [hook for one in record["interfaces"] for hook in one["layers"]]
    return [*at_interfaces, *record["layers"]]
