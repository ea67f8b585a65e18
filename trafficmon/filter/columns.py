# SPDX-License-Identifier: MIT
"""The columns of a table that an expression can use."""

from dataclasses import dataclass, fields
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

AddressColumn: TypeAlias = NDArray[np.uint8]
BoolColumn: TypeAlias = NDArray[np.bool_]
IntColumn: TypeAlias = NDArray[np.integer[Any]]
TextColumn: TypeAlias = NDArray[np.object_ | np.str_]

_ADDRESS_BYTES: Final = 16
# Kinds of numpy dtype each column may have.
_KINDS: Final = {
    "local_addr": "u",
    "remote_addr": "u",
    "is_ipv6": "b",
    "has_local_addr": "b",
    "has_remote_addr": "b",
    "local_port": "iu",
    "remote_port": "iu",
    "protocol": "iu",
    "rx_packets": "iu",
    "tx_packets": "iu",
    "uid": "iu",
    "pid": "iu",
    "interface": "OU",
    "user": "OU",
    "comm": "OU",
    "cgroup": "OU",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilterColumns:
    """`length` rows of table `table`, as arrays of that length; None for a column it lacks.

    Addresses are uint8 of shape (length, 16): an IPv6 address, or an IPv4 address in the first
    four bytes, in network order; `is_ipv6` says which (both addresses of a row are of one family).
    `has_local_addr` and `has_remote_addr` are False where that address is null, and left out when
    it never is. Numbers are host order with -1 for null, texts hold None for null. Views into a
    structured array will do; nothing is written to.
    """

    table: str
    length: int
    local_addr: AddressColumn | None = None
    remote_addr: AddressColumn | None = None
    is_ipv6: BoolColumn | None = None
    has_local_addr: BoolColumn | None = None
    has_remote_addr: BoolColumn | None = None
    local_port: IntColumn | None = None
    remote_port: IntColumn | None = None
    protocol: IntColumn | None = None
    rx_packets: IntColumn | None = None
    tx_packets: IntColumn | None = None
    uid: IntColumn | None = None
    pid: IntColumn | None = None
    interface: TextColumn | None = None
    user: TextColumn | None = None
    comm: TextColumn | None = None
    cgroup: TextColumn | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that would give wrong answers: ValueError naming the column."""
        for field in fields(self):
            column = getattr(self, field.name)
            if field.name in _KINDS and column is not None:
                self._check(field.name, column)
        has_address = self.local_addr is not None or self.remote_addr is not None
        if has_address and self.is_ipv6 is None:
            raise ValueError("addresses without is_ipv6")

    def names(self) -> frozenset[str]:
        """The columns that there are."""
        return frozenset(name for name in _KINDS if getattr(self, name) is not None)

    def has_address(self) -> BoolColumn | None:
        """Where a row has an address at all, and so a family; None when every row has one."""
        known = []
        if self.local_addr is not None:
            known.append(self.has_local_addr)
        if self.remote_addr is not None:
            known.append(self.has_remote_addr)
        masks = [mask for mask in known if mask is not None]
        if not masks or len(masks) < len(known):
            return None
        return masks[0] if len(masks) == 1 else np.logical_or(*masks)

    def _check(self, name: str, column: NDArray[Any]) -> None:
        is_address = name in ("local_addr", "remote_addr")
        shape = (self.length, _ADDRESS_BYTES) if is_address else (self.length,)
        kind_fits = column.dtype == np.uint8 if is_address else column.dtype.kind in _KINDS[name]
        if column.shape != shape or not kind_fits:
            raise ValueError(
                f"column {name} is {column.dtype} {column.shape}, not {_KINDS[name]} {shape}"
            )
