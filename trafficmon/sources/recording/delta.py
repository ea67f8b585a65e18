# SPDX-License-Identifier: MIT
"""What changed in the JSON of a part since an earlier sample: most names stay as they are."""

from __future__ import annotations

import json

from trafficmon.sources.recording.tree import Json

_SAME: Json = {"same": None}


def changes(new: Json, old: Json) -> Json:
    """What makes ``new`` of ``old``; see apply_changes()."""
    if new == old:
        return _SAME
    if _tag(new) == _tag(old) == "map":
        return {"changed": _changed_pairs(new["map"], old["map"])}
    if _tag(new) == _tag(old) == "record" and new["record"][0] == old["record"][0]:
        before = old["record"][1]
        return {"members": {n: changes(v, before[n]) for n, v in new["record"][1].items()}}
    return {"new": new}


def apply_changes(change: Json, old: Json) -> Json:
    """The tree that changes() was given; KeyError, TypeError or ValueError where it is damaged."""
    ((tag, content),) = change.items()
    if tag == "same":
        return old
    if tag == "new":
        return content
    if tag == "members":
        name, before = old["record"]
        return {"record": [name, {n: apply_changes(c, before[n]) for n, c in content.items()}]}
    pairs = _by_key(old["map"])
    for key in content["removed"]:
        del pairs[json.dumps(key)]
    pairs |= _by_key(content["set"])
    return {"map": list(pairs.values())}


def _changed_pairs(new: Json, old: Json) -> Json:
    now, before = _by_key(new), _by_key(old)
    return {
        "set": [pair for key, pair in now.items() if before.get(key) != pair],
        "removed": [pair[0] for key, pair in before.items() if key not in now],
    }


def _by_key(pairs: Json) -> dict[str, Json]:
    """Keys may be lists, which cannot be keys here."""
    return {json.dumps(key): [key, value] for key, value in pairs}


def _tag(tree: Json) -> str | None:
    return next(iter(tree)) if isinstance(tree, dict) else None
