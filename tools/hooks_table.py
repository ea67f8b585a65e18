# SPDX-License-Identifier: MIT
"""Writes docs/hooks.md out of the registry of hooks: `python tools/hooks_table.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from trafficmon.hook_registry import HOOKS, LAYERS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "hooks.md"

_HEAD = """\
# Hooks

Made by `python tools/hooks_table.py` out of `trafficmon/hook_registry.py`; do not edit.

*Since* is the first kernel that can attach the program in the last of its modes. *Not everywhere*:
some kernels (or kernels without a module) have no such function, and count without it.

| hook | layer | object | program | section | attach type | mode | kernel function | since |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""

_FALLBACKS = """
## Fallbacks

`attach` takes the first variant that the running kernel accepts.

| layer | variants, the best first |
| --- | --- |
"""


def page() -> str:
    """The text of docs/hooks.md."""
    rows = [
        (
            *(hook.name, hook.layer, f"{hook.object}.bpf.o", hook.program, hook.section),
            *(hook.attach_type.name, ", ".join(hook.modes)),
            f"{hook.kernel_function}()" + ("" if hook.is_in_all_kernels else ", not everywhere"),
            hook.since,
        )
        for hook in HOOKS
    ]
    variants = [
        (layer, "; ".join(f"{one.mode} ({one.object}.bpf.o, Linux {one.since})" for one in several))
        for layer, several in LAYERS.items()
    ]
    return _HEAD + _lines(rows) + _FALLBACKS + _lines(variants)


def _lines(rows: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
