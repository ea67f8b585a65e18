# SPDX-License-Identifier: MIT
"""The kernel programs' own account of what found no room."""

from __future__ import annotations

from typing import NamedTuple


class Ledger(NamedTuple):
    """What could not be counted where it belongs, summed over CPUs."""

    flow_inserts: int
    flow_insert_failures: int
    flow_insert_failure_bytes: int
    service_insert_failures: int
    service_insert_failure_bytes: int
    fragment_insert_failures: int

    def lost_flows(self, entries: int) -> int:
        """Flows that were evicted, or found no room.

        This was read before the table with its ``entries``: so a flow that began in between is no
        loss.
        """
        return max(0, self.flow_inserts - entries) + self.flow_insert_failures
