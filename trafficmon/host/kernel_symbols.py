# SPDX-License-Identifier: MIT
"""Names of the kernel's functions by address, out of /proc/kallsyms."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress
from functools import lru_cache
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


def kernel_symbols() -> KernelSymbols:
    """The running kernel's; the long list is read again only when modules have come or gone."""
    modules: tuple[str, ...] = ()
    with suppress(FileNotFoundError):  # a kernel without modules
        lines = Path("/proc/modules").read_text(encoding="utf-8").splitlines()
        modules = tuple(line.partition(" ")[0] for line in lines)
    return _read(modules)


@lru_cache(maxsize=1)
def _read(modules: tuple[str, ...]) -> KernelSymbols:
    del modules
    return KernelSymbols()
