# SPDX-License-Identifier: MIT
"""`trafficmon doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trafficmon.cli import short
from trafficmon.cli.common import Json
from trafficmon.cli.say import say

if TYPE_CHECKING:
    from trafficmon.attachment.doctor import Finding

_MARKS = {True: "ok", False: "no", None: "?"}


def doctor(as_json: Json = False) -> None:
    """What this kernel, this process and each interface allow, with advice."""
    short.begin()
    from dataclasses import asdict

    from trafficmon.attachment.doctor import examine

    findings = examine()
    if as_json:
        import sys

        from trafficmon.render.jsonout import write_json

        write_json([asdict(finding) for finding in findings], sys.stdout)
        return
    for finding in findings:
        _print(finding)


def _print(finding: Finding) -> None:
    say(f"{_MARKS[finding.ok]:<3} {finding.subject:<30} {finding.detail}")
    if finding.advice:
        say(f"    -> {finding.advice}")
