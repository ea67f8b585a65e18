# SPDX-License-Identifier: MIT
"""What the running kernel calls its reasons for dropping a packet, and the functions that do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from trafficmon.libbpf.features import kernel_enumerators
from trafficmon.model.drops import DropNames

_ADDRESS = 1 << 63
"""The kernel's half of the address space; numbers of noted places have the bit clear."""


class KernelDropNames:
    """``place_of``: the name of a noted place (Live.drop_place); ``function_at``: of an address."""

    def __init__(
        self, place_of: Callable[[int], str | None], function_at: Callable[[int], str]
    ) -> None:
        self._place_of, self._function_at = place_of, function_at
        self._functions: dict[int, str] = {}

    @cached_property
    def _reasons(self) -> dict[int, str]:
        numbers = kernel_enumerators("skb_drop_reason")
        return {number: name for name, number in numbers.items()}

    def names(self, locations: Iterable[int]) -> DropNames:
        """Of all reasons, and of these locations."""
        found = {}
        for number in locations:
            if number and number not in self._functions:
                self._functions[number] = self._name(number)
            if number:
                found[number] = self._functions[number]
        return DropNames(self._reasons, found)

    def _name(self, number: int) -> str:
        if number & _ADDRESS:
            return self._function_at(number)
        function, _, _module = (self._place_of(number) or "").partition(" ")
        return function or f"{number:#x}"

    def record(self, drop: Any) -> dict[str, Any]:
        """DROP_KEY as text."""
        location = int(drop["location"])
        names = self.names((location,))
        return {
            "reason": names.reason(int(drop["reason"])),
            "location": names.location(location),
            "kind": names.kind(drop),
        }
