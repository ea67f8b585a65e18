# SPDX-License-Identifier: MIT
"""Commands that run for long: an unexpected error costs one round of them, not the rest."""

from __future__ import annotations

from trafficmon.cli.say import complain
from trafficmon.host import contained


class Contained(contained.Contained):
    """Reports each failure once on standard error, in one line."""

    def __init__(self) -> None:
        super().__init__(lambda line: complain(f"trafficmon: {line}"))
