# SPDX-License-Identifier: MIT
"""A sample: one reading of a source, as data alone.

It holds no descriptor, lock, thread or function, so it can be kept, compared, pickled, and shown by
another process that may not read the maps. A source reads the requested parts; using
another part is an error that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

import numpy as np

from trafficmon.errors import TrafficmonError
from trafficmon.model.parts import Part

if TYPE_CHECKING:  # a sample costs the imports of its parts alone
    from trafficmon.model.attachment import Attachment, Clock, Epoch, Machine
    from trafficmon.model.dns import Dns
    from trafficmon.model.drops import Drops
    from trafficmon.model.flow_owners import SocketIndex
    from trafficmon.model.flows import Flows
    from trafficmon.model.groups import Records
    from trafficmon.model.interfaces import WatchedInterface
    from trafficmon.model.labels import ProcessLabels
    from trafficmon.model.ledger import Ledger
    from trafficmon.model.names import Names
    from trafficmon.model.owners import Owners
    from trafficmon.model.programs import Programs
    from trafficmon.model.remote_names import RemoteNames
    from trafficmon.model.services import Services
    from trafficmon.model.verdicts import Findings

T = TypeVar("T")
_DERIVED = ("socket_index",)


class MissingPartError(TrafficmonError):
    """A part was used that was not read, or that the source does not have."""

    def __init__(self, part: Part) -> None:
        super().__init__(f"this sample holds no {part.name}; read it with Part.{part.name}")
        self.part = part


class _Held(Generic[T]):
    """A member that is one part of the sample."""

    def __init__(self, part: Part) -> None:
        self._part = part

    @overload
    def __get__(self, sample: None, owner: type) -> _Held[T]: ...
    @overload
    def __get__(self, sample: Sample, owner: type) -> T: ...
    def __get__(self, sample: Sample | None, owner: type) -> _Held[T] | T:
        if sample is None:
            return self
        try:
            found: T = sample.held[self._part]
        except KeyError:
            raise MissingPartError(self._part) from None
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """Of ``machine`` and what was attached to it. ``held``: its parts; use the members below.

    ``read_at_s``: when counters were read, on CLOCK_MONOTONIC: rates are of the time between two.
    A large map takes seconds to read: then its rows are of the middle of these, on average.
    """

    machine: Machine
    attachment: Attachment
    clock: Clock
    held: Mapping[Part, Any]
    read_at_s: Mapping[Part, float]

    interfaces: ClassVar[_Held[list[WatchedInterface]]] = _Held(Part.INTERFACES)
    findings: ClassVar[_Held[Findings]] = _Held(Part.FINDINGS)
    interface_names: ClassVar[_Held[Mapping[int, str]]] = _Held(Part.INTERFACE_NAMES)
    hook_counters: ClassVar[_Held[Records]] = _Held(Part.HOOK_COUNTERS)
    """HOOK_COUNTERS by [row, hook], summed over CPUs."""
    layers: ClassVar[_Held[Records]] = _Held(Part.LAYERS)
    """LAYER_COUNTERS by [layer], summed over CPUs."""
    owners: ClassVar[_Held[Owners | None]] = _Held(Part.OWNERS)
    """None without the cgroup layer."""
    sockets: ClassVar[_Held[Records | None]] = _Held(Part.SOCKETS)
    """SOCKET_ROW, one an open socket; None without the cgroup layer."""
    names: ClassVar[_Held[Names]] = _Held(Part.NAMES)
    process_labels: ClassVar[_Held[ProcessLabels]] = _Held(Part.PROCESS_LABELS)
    link_names: ClassVar[_Held[Mapping[int, str]]] = _Held(Part.LINK_NAMES)
    """By ifindex."""
    ledger: ClassVar[_Held[Ledger]] = _Held(Part.LEDGER)
    services: ClassVar[_Held[Services]] = _Held(Part.SERVICES)
    flows: ClassVar[_Held[Flows]] = _Held(Part.FLOWS)
    drops: ClassVar[_Held[Drops]] = _Held(Part.DROPS)
    event_counts: ClassVar[_Held[Records]] = _Held(Part.EVENT_COUNTS)
    """EVENT_COUNTS by [kind], summed over CPUs."""
    remote_names: ClassVar[_Held[RemoteNames]] = _Held(Part.REMOTE_NAMES)
    dns: ClassVar[_Held[Dns]] = _Held(Part.DNS)
    dns_losses: ClassVar[_Held[Mapping[str, int]]] = _Held(Part.DNS_LOSSES)
    """What was not learned from DNS messages, by why."""
    programs: ClassVar[_Held[Programs]] = _Held(Part.PROGRAMS)
    map_sizes: ClassVar[_Held[Mapping[str, int]]] = _Held(Part.MAP_SIZES)

    def __post_init__(self) -> None:
        """Nothing can be written into its arrays."""
        for part in self.held.values():
            _freeze(part)

    @property
    def parts(self) -> Part:
        """Those that it holds."""
        together = Part(0)
        for part in self.held:
            together |= part
        return together

    @property
    def epoch(self) -> Epoch:
        """For how long its counters grow."""
        from trafficmon.model.attachment import Epoch  # noqa: PLC0415 - see above

        return Epoch(self.machine.boot_id, self.attachment.attached_at_ns)

    def has_hook(self, kind: str) -> bool:
        """See Attachment."""
        return self.attachment.has_hook(kind)

    def has_layer(self, layer: str) -> bool:
        """See Attachment."""
        return self.attachment.has_layer(layer)

    @cached_property
    def socket_index(self) -> SocketIndex | None:
        """The sockets of the watched interfaces' namespace, by addresses; None without them."""
        from trafficmon.model.flow_owners import SocketIndex  # noqa: PLC0415 - see above

        if self.sockets is None:
            return None
        return SocketIndex(self.sockets, self.attachment.netns_inode, self.attachment.netns_cookie)

    def __getstate__(self) -> dict[str, Any]:
        """Without what can be derived again."""
        return {name: value for name, value in vars(self).items() if name not in _DERIVED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpickled arrays can be written to until they are closed again."""
        vars(self).update(state)
        self.__post_init__()


def _freeze(value: Any) -> None:
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif is_dataclass(value):
        for field in fields(value):
            _freeze(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for one in value:
            _freeze(one)
