# SPDX-License-Identifier: MIT
"""`make bench-accuracy`: play every scenario, print what was reported; 1 if any of it was wrong."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.accuracy import datagrams, handed, streams
from tests.accuracy.scenario import Scenario, Trial, is_possible, play
from tests.accuracy.stage import Stage
from tests.kernel.owned import place_of
from trafficmon import __version__

_TABLE = Path(__file__).resolve().parents[2] / "docs" / "accuracy.md"
SCENARIOS = (*streams.SCENARIOS, *datagrams.SCENARIOS, *handed.SCENARIOS)
_COLUMNS = (
    "traffic",
    "trials",
    "owned by its process",
    "app bytes",
    "second witness",
    "socket packets and bytes",
    "wire bytes with that owner",
)
_HEADER = f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|\n"


@dataclass
class Outcome:
    """Of all trials of a scenario."""

    scenario: Scenario
    trials: list[Trial] = field(default_factory=list)

    @property
    def complaints(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys(c for trial in self.trials for c in trial.complaints))

    def line(self) -> str:
        """A row of the table."""
        if not self.trials:
            return f"| {self.scenario.name} | 0 | this kernel has no such socket | | | | |"
        last, wrong = self.trials[-1], self.complaints
        app = f"{last.reported['app_rx_bytes']:,} in, {last.reported['app_tx_bytes']:,} out"
        counted = last.counted
        packets = f"{counted.rx_packets:,} + {counted.tx_packets:,} packets"
        sockets = f"{packets}, {counted.rx_bytes + counted.tx_bytes:,} bytes: exact"
        shares = [t.wire_share for t in self.trials if t.wire_share is not None]
        return (
            f"| {self.scenario.name} | {len(self.trials)} "
            f"| {'yes' if not wrong else '**no**'} "
            f"| {app}: {'exact' if not wrong else '**see below**'} | {last.second_witness} "
            f"| {sockets if self.scenario.has_sockets else 'passes no socket layer'} "
            f"| {f'{min(shares):.2%}' if shares else '—'} |"
        )


def main() -> int:
    """0 when all was exact."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    parser.add_argument("--write", action="store_true", help=f"to {_TABLE.name}")
    options = parser.parse_args()
    chosen = [one for one in SCENARIOS if options.only in one.name]
    outcomes = []
    with place_of(attach=True) as place, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        stage = Stage(place, Path(folder))
        for number, scenario in enumerate(chosen):
            outcome = _all_trials(stage, scenario, number, options.trials)
            outcomes.append(outcome)
            print(outcome.line(), *outcome.complaints, sep="\n    ", flush=True)
    if options.write:
        _TABLE.write_text(_page(outcomes), encoding="utf-8")
    wrong = sum(bool(outcome.complaints) for outcome in outcomes)
    print(f"{len(outcomes)} scenarios, {wrong} with differences")
    return 1 if wrong else 0


def _all_trials(stage: Stage, scenario: Scenario, number: int, trials: int) -> Outcome:
    outcome = Outcome(scenario)
    if is_possible(scenario):
        for trial in range(trials):
            outcome.trials.append(play(stage, scenario, f"acc{number}x{trial}"))
    return outcome


def _page(outcomes: list[Outcome]) -> str:
    today, kernel = dt.datetime.now(dt.UTC).date(), os.uname()
    lines = "\n".join(outcome.line() for outcome in outcomes)
    wrong = [f"- {o.scenario.name}: {c}" for o in outcomes for c in o.complaints]
    return (
        "# Accuracy\n\n"
        f"`make bench-accuracy`, {today}, Linux {kernel.release} on {kernel.machine}, "
        f"trafficmon {__version__}.\n\n"
        "Known traffic by real programs, each under a name of its own, all layers attached. App "
        "bytes are held\nagainst the program's own count, socket packets and bytes against "
        "nftables' counters at the other end\n(same network namespace for loopback), the second "
        "witness against TCP's own sequence numbers. The\nfigures are the last trial's; a row "
        "says exact when all trials were.\n\n"
        + _HEADER
        + lines
        + "\n"
        + ("\nDifferences:\n\n" + "\n".join(wrong) + "\n" if wrong else "")
    )


if __name__ == "__main__":
    sys.exit(main())
