# SPDX-License-Identifier: MIT
"""`make mutate`: put each kept mutant in, one at a time, and look whether its tests notice.

First the named tests run on a copy without any mutant: a test that fails or is skipped there
proves nothing. Then each mutant is built and its tests run. Exit code 1 when one that should be
caught survives, cannot be tried, or when less than 90 % of a list are caught.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from build_bpf import BuildError
from tests.mutation import mutants
from tests.mutation.mutants import Mutant
from tests.mutation.scratch import Ran, Scratch

CAUGHT, REFUSED = "caught", "caught at load (verifier)"
SURVIVED, INVALID, UNPROVEN = "SURVIVED", "DOES NOT COMPILE", "NO PROOF"
ACCEPTED = "survives, with a reason"
_SHARE = 0.9
_REFUSAL = "VerifierError"
_REASON_CHARS = 200


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant; ``why``: the test that failed, or what is in the way."""

    mutant: Mutant
    what: str
    why: str
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is as the lists say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="parts of ids or files, separated by commas")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tried side by side")
    options = parser.parse_args(arguments)
    listed = mutants.select(mutants.read(), options.only)
    if said := mutants.defects(listed):
        print("\n".join(said), file=sys.stderr)
        return 1
    if not listed:
        print(f"no mutant matches --only {options.only!r}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="tmmutate-") as folder:
        copies = [Scratch(Path(folder) / str(number)) for number in range(max(1, options.jobs))]
        unproven = _tests_without_proof(copies, listed)
        outcomes = _try_all(copies, listed, unproven)
    return _report(outcomes, is_whole=not options.only)


def _tests_without_proof(copies: list[Scratch], listed: list[Mutant]) -> dict[str, str]:
    """Named tests that do not pass without a mutant, and why."""
    selected = sorted({test for mutant in listed for test in mutant.tests})
    if not selected:
        return {}
    began = time.monotonic()
    options = ("-n", str(len(copies)), "--dist", "loadfile") if len(copies) > 1 else ()
    ran = copies[0].run(selected, *options)
    print(f"{len(selected)} tests without a mutant: {time.monotonic() - began:.0f} s", flush=True)
    return {test: why for test in selected if (why := _no_proof(test, ran))}


def _no_proof(test: str, ran: Ran) -> str:
    """Empty when the test passed, in all of its cases that this machine can run."""
    said = [
        result
        for node, result in ran.results.items()
        if node == test or node.startswith((f"{test}[", f"{test}::"))
    ]
    if "failed" in said:
        return "fails without a mutant"
    if "passed" in said:
        return ""
    return said[0] if said else f"did not run: {ran.said.strip()[-_REASON_CHARS:]}"


def _try_all(
    copies: list[Scratch], listed: list[Mutant], unproven: dict[str, str]
) -> list[Outcome]:
    free: SimpleQueue[Scratch] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def one(mutant: Mutant) -> Outcome:
        copy = free.get()
        began = time.monotonic()
        try:
            what, why = _try(copy, mutant, unproven)
        finally:
            free.put(copy)
        outcome = Outcome(mutant, what, why, time.monotonic() - began)
        print(f"{outcome.seconds:6.1f} s  {what:<26} {mutant.id}  ({why})", flush=True)
        return outcome

    with ThreadPoolExecutor(len(copies)) as pool:
        return list(pool.map(one, listed))


def _try(copy: Scratch, mutant: Mutant, unproven: dict[str, str]) -> tuple[str, str]:
    if mutant.survives:
        return ACCEPTED, mutant.survives
    if refused := [f"{test}: {unproven[test]}" for test in mutant.tests if test in unproven]:
        return UNPROVEN, refused[0]
    try:
        with copy.changed(mutant):
            ran = copy.run(mutant.tests, "-x")
    except (BuildError, SyntaxError) as error:
        return INVALID, str(error).splitlines()[-1]
    return _judge(ran)


def _judge(ran: Ran) -> tuple[str, str]:
    """Of a run with a mutant: 0 is a survivor; what is neither 0 nor 1 is no verdict at all."""
    failed = next((node for node, result in ran.results.items() if result == "failed"), "")
    if ran.code == 0:
        return SURVIVED, "all of its tests passed"
    if failed:
        return (REFUSED if _REFUSAL in ran.said else CAUGHT), failed.partition("[")[0]
    last = ran.said.strip().splitlines()[-1:] or ["pytest said nothing"]
    return (CAUGHT if "not done after" in ran.said else UNPROVEN), last[0][:_REASON_CHARS]


def _report(outcomes: list[Outcome], *, is_whole: bool) -> int:
    """The table, and the exit code; of a part of the lists the share says nothing."""
    is_well = True
    width = max(len(outcome.mutant.id) for outcome in outcomes)
    print()
    for outcome in sorted(outcomes, key=lambda one: (one.mutant.part, one.mutant.file)):
        print(f"{outcome.mutant.id:<{width}}  {outcome.what:<26} {outcome.why}")
    print()
    for part in sorted({outcome.mutant.part for outcome in outcomes}):
        counts = Counter(one.what for one in outcomes if one.mutant.part == part)
        caught, of = counts[CAUGHT] + counts[REFUSED], counts.total()
        said = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        print(f"{part}: {caught} of {of} caught ({100 * caught / of:.0f} %): {said}")
        is_well &= not is_whole or caught >= _SHARE * of
        is_well &= not counts.keys() & {SURVIVED, INVALID, UNPROVEN}
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
