# SPDX-License-Identifier: MIT
"""`trafficmon doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trafficmon.cli.common import Json

if TYPE_CHECKING:
    from trafficmon.attachment.doctor import Finding

_MARKS = {True: "ok", False: "no", None: "?"}


def doctor(as_json: Json = False) -> None:
    """What this kernel, this process and each interface allow, with advice."""
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
    from trafficmon.render.safe import escape_controls

    print(f"{_MARKS[finding.ok]:<3} {finding.subject:<30} {escape_controls(finding.detail)}")
    if finding.advice:
        print(f"    -> {finding.advice}")
