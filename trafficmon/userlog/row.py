# SPDX-License-Identifier: MIT
"""A row of the log, and its one form as fields."""

from __future__ import annotations

from dataclasses import dataclass

FIELDS = ("direction", "bytes", "src_ip", "dst_ip", "timestamp", "total_in", "total_out")


@dataclass(frozen=True)
class Row:
    """``size`` bytes of a user's IP packets, on ``nic``, between two addresses.

    The totals are the user's, in and out, on all interfaces since attach, with this row. Without
    addresses: bytes that passed while no log ran, or that there was no room for.
    """

    uid: int
    nic: str
    is_rx: bool
    size: int
    source: str | None
    destination: str | None
    at_ns: int  # since 1970
    total_in: int
    total_out: int

    def values(self) -> dict[str, object]:
        """By FIELDS; the time in seconds, with nine digits after the dot."""
        return {
            "direction": "in" if self.is_rx else "out",
            "bytes": self.size,
            "src_ip": self.source,
            "dst_ip": self.destination,
            "timestamp": f"{self.at_ns // 10**9}.{self.at_ns % 10**9:09d}",
            "total_in": self.total_in,
            "total_out": self.total_out,
        }
