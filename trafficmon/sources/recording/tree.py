# SPDX-License-Identifier: MIT
"""A sample's parts as JSON and arrays, and back.

Not pickle: a recording may come from a stranger, and pickle runs what the file says. Only the
classes named here are made, and arrays hold numbers and bytes only.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trafficmon.layout import AttachMode, InterfaceState
from trafficmon.model.attachment import Attachment, Clock, HostHook, Machine
from trafficmon.model.dns import Dns, NameCounts
from trafficmon.model.drops import DropNames, Drops
from trafficmon.model.flows import Flows
from trafficmon.model.interfaces import WatchedInterface
from trafficmon.model.labels import ProcessLabels
from trafficmon.model.ledger import Ledger
from trafficmon.model.names import Names, ProcessName
from trafficmon.model.owners import Owners
from trafficmon.model.programs import ProgramRun, Programs
from trafficmon.model.remote_names import RemoteNames
from trafficmon.model.services import Services
from trafficmon.model.sightings import Sighting
from trafficmon.model.verdicts import Condition, Findings, InterfaceFinding, Presence, Verdict

Array: TypeAlias = NDArray[Any]
Json: TypeAlias = Any
"""Plain values as they are; everything else is an object with one member, the tag of its type."""

_RECORD_OF: dict[str, Any] = {
    "Attachment": Attachment,
    "Clock": Clock,
    "Dns": Dns,
    "DropNames": DropNames,
    "Drops": Drops,
    "Findings": Findings,
    "Flows": Flows,
    "HostHook": HostHook,
    "InterfaceFinding": InterfaceFinding,
    "Ledger": Ledger,
    "Machine": Machine,
    "NameCounts": NameCounts,
    "Names": Names,
    "Owners": Owners,
    "ProcessLabels": ProcessLabels,
    "ProcessName": ProcessName,
    "ProgramRun": ProgramRun,
    "Programs": Programs,
    "RemoteNames": RemoteNames,
    "Services": Services,
    "Sighting": Sighting,
    "Verdict": Verdict,
    "WatchedInterface": WatchedInterface,
}
_ENUM_OF: dict[str, type[Enum]] = {
    "Condition": Condition,
    "Mode": AttachMode,
    "Presence": Presence,
    "State": InterfaceState,
}
"""Both by their names in version 1 of the format, which stay when a class is renamed."""
_NAME_OF: dict[type, str] = {kind: name for name, kind in (_RECORD_OF | _ENUM_OF).items()}
_MEMBERS: dict[type, tuple[str, ...]] = {
    kind: getattr(kind, "_fields", ()) or tuple(kind.__dataclass_fields__)
    for kind in _RECORD_OF.values()
    for kind in _RECORD_OF.values()
}
"""Of named tuples and dataclasses. Their names are the format's, too: a small recording among the
tests fails to be read when one is renamed."""
_PLAIN = (str, bool, int, float, type(None))


def to_tree(value: Any, path: str, arrays: dict[str, Array]) -> Json:
    """``value`` as JSON; arrays in it are put into ``arrays`` under names that begin with ``path``.

    TypeError for a type that recordings do not have.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, np.ndarray | np.void):
        arrays[path] = np.asarray(value)
        return {"array": path}
    if kind in _MEMBERS:
        members = {n: to_tree(getattr(value, n), f"{path}.{n}", arrays) for n in _MEMBERS[kind]}
        return {"record": [_NAME_OF[kind], members]}
    if isinstance(value, Mapping):
        return {"counter" if kind is Counter else "map": _pairs(value, path, arrays)}
    if isinstance(value, Enum):
        return {"enum": [_NAME_OF[kind], value.value]}
    return {_tag(value): [to_tree(one, f"{path}.{at}", arrays) for at, one in enumerate(value)]}


def _pairs(value: Mapping[Any, Any], path: str, arrays: dict[str, Array]) -> list[list[Json]]:
    return [
        [to_tree(key, path, arrays), to_tree(one, f"{path}.{at}", arrays)]
        for at, (key, one) in enumerate(value.items())
    ]


def _tag(value: Any) -> str:
    for tag, kind in _SEQUENCES.items():
        if isinstance(value, kind):
            return tag
    raise TypeError(f"recordings hold no {type(value).__name__}")


_SEQUENCES: dict[str, type] = {"tuple": tuple, "list": list, "numbers": array}


def from_tree(tree: Json, arrays: Mapping[str, Array]) -> Any:
    """The value again; KeyError, TypeError or ValueError where ``tree`` is not one of to_tree()."""
    if type(tree) in _PLAIN:
        return tree
    ((tag, content),) = tree.items()
    return _MAKERS[tag](content, arrays)


def _record(content: Json, arrays: Mapping[str, Array]) -> Any:
    name, members = content
    kind = _RECORD_OF[name]
    return kind(**{member: from_tree(one, arrays) for member, one in members.items()})


def _array(path: Json, arrays: Mapping[str, Array]) -> Any:
    found = arrays[path]
    return found if found.ndim else found[()]  # one record of an array


def _map(pairs: Json, arrays: Mapping[str, Array]) -> dict[Any, Any]:
    return {from_tree(key, arrays): from_tree(one, arrays) for key, one in pairs}


def _all(content: Json, arrays: Mapping[str, Array]) -> list[Any]:
    return [from_tree(one, arrays) for one in content]


_MAKERS: dict[str, Callable[[Json, Mapping[str, Array]], Any]] = {
    "record": _record,
    "array": _array,
    "enum": lambda content, _: _ENUM_OF[content[0]](content[1]),
    "map": _map,
    "counter": lambda pairs, arrays: Counter(_map(pairs, arrays)),
    "list": _all,
    "tuple": lambda content, arrays: tuple(_all(content, arrays)),
    "numbers": lambda content, _: array("I", content),
}
