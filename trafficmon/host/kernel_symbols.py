# SPDX-License-Identifier: MIT
"""Names of the kernel's functions by address, out of /proc/kallsyms."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

_FUNCTIONS = "tTwW"


class KernelSymbols:
    """Empty where the kernel hides its addresses (kptr_restrict; all but root see zeroes)."""

    def __init__(self, listing: Path = Path("/proc/kallsyms")) -> None:
        self._addresses: list[int] = []
        self._names: list[str] = []
        found = []
        with listing.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                address, kind, name = line.split()[:3]
                if kind in _FUNCTIONS and address.strip("0"):
                    found.append((int(address, 16), name))
        found.sort()
        self._addresses = [address for address, _ in found]
        self._names = [name for _, name in found]

    def name(self, address: int) -> str:
        """The function that holds ``address``; the bare address where none is known."""
        place = bisect_right(self._addresses, address) - 1
        return self._names[place] if place >= 0 else f"{address:#x}"
