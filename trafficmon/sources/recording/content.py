# SPDX-License-Identifier: MIT
"""A sample as the content of a frame: JSON, then the bytes of its arrays."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from trafficmon.errors import TrafficmonError
from trafficmon.model.parts import Part
from trafficmon.model.sample import Sample
from trafficmon.sources.recording import arrays as array_bytes
from trafficmon.sources.recording.delta import apply_changes, changes
from trafficmon.sources.recording.tree import Array, Json, from_tree, to_tree

_LENGTH = struct.Struct("<I")
_ABOUT = ("machine", "attachment", "clock", "read_at_s")
_NOT_A_SAMPLE = (
    *(LookupError, TypeError, ValueError, ArithmeticError, AttributeError),
    *(RecursionError, SyntaxError, MemoryError),
)


@dataclass(frozen=True)
class Content:
    """A sample between its frame and itself; others are stored as what differs from it."""

    trees: Mapping[str, Json] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)

    @cached_property
    def rows(self) -> array_bytes.KeyRows:
        """Of the arrays, for those that are relative to them."""
        return array_bytes.KeyRows(self.arrays)


def content_of_sample(sample: Sample) -> Content:
    """Its parts by name, and what it is of."""
    held: dict[str, Any] = {name: getattr(sample, name) for name in _ABOUT}
    held["read_at_s"] = {part.name: at_s for part, at_s in sample.read_at_s.items()}
    held |= {str(part.name): value for part, value in sample.held.items()}
    arrays: dict[str, Array] = {}
    return Content({name: to_tree(value, name, arrays) for name, value in held.items()}, arrays)


def to_bytes(new: Content, key: Content | None) -> bytes:
    """``new``, as what differs from ``key`` if there is one."""
    old = key or Content()
    trees = {name: changes(tree, old.trees.get(name)) for name, tree in new.trees.items()}
    packed = list(array_bytes.packed(new.arrays, old.rows))
    head = json.dumps({"trees": trees, "arrays": [meta for meta, _ in packed]}).encode("ascii")
    return b"".join([_LENGTH.pack(len(head)), head, *(raw for _, raw in packed)])


def from_bytes(raw: bytes, key: Content | None) -> Content:
    """What to_bytes() was given; ValueError where it is damaged."""
    old = key or Content()
    try:
        (length,) = _LENGTH.unpack_from(raw)
        body = _LENGTH.size + length
        head = json.loads(raw[_LENGTH.size : body])
        trees = {
            name: apply_changes(change, old.trees.get(name))
            for name, change in head["trees"].items()
        }
        arrays = array_bytes.unpacked(head["arrays"], memoryview(raw)[body:], old.arrays)
    except (*_NOT_A_SAMPLE, struct.error) as error:
        raise ValueError(f"a sample in it is damaged ({error})") from error
    return Content(trees, arrays)


def sample_of_content(content: Content) -> Sample:
    """The sample itself; ValueError where it is none, or lacks what this version reads."""
    try:
        arrays = {
            path: array_bytes.as_read_today(path, one) for path, one in content.arrays.items()
        }
        made = {name: from_tree(tree, arrays) for name, tree in content.trees.items()}
        read_at_s = {Part[name]: float(at_s) for name, at_s in made["read_at_s"].items()}
        held = {part: made[str(part.name)] for part in Part if part.name in made}
        return Sample(made["machine"], made["attachment"], made["clock"], held, read_at_s)
    except TrafficmonError:
        raise
    except _NOT_A_SAMPLE as error:
        raise ValueError(f"a sample in it cannot be read by this version ({error})") from error
