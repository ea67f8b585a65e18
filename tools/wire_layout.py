# SPDX-License-Identifier: MIT
"""Writes trafficmon/layout.py, the Python names of all that bpf/wire.h has. `make build` runs it.

The file is kept in the repository, so that it can be read and its types checked without a build.
It holds no number: sizes, offsets and values are those of the compiled binding.
"""

from __future__ import annotations

import re
from pathlib import Path

from build_native import load_module

ROOT = Path(__file__).resolve().parent.parent
BUILDER, OUTPUT = ROOT / "trafficmon" / "libbpf" / "_builder.py", ROOT / "trafficmon" / "layout.py"

_HEAD = '''\
# SPDX-License-Identifier: MIT
"""The records of bpf/wire.h as numpy dtypes, and its enumerators.

Made of that header by tools/wire_layout.py, in `make build`: do not edit.
"""

from __future__ import annotations

from enum import IntEnum

from trafficmon.libbpf.structs import constant, dtype_of
'''


def source() -> str:
    """The text of trafficmon/layout.py: records, constants, then the classes."""
    header: str = load_module("trafficmon_libbpf_builder", BUILDER).wire_source()
    records = re.findall(r"^struct (tm_\w+) \{", header, re.MULTILINE)
    lines = [f'{_bare(name).upper()} = dtype_of("{name}")' for name in records]
    constants, classes = [""], []
    for name, body in re.findall(r"^enum (tm_\w+) \{(.*?)^\};", header, re.MULTILINE | re.DOTALL):
        every = re.findall(r"\b(TM_\w+)\s*=", re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL))
        members = _members(name, every)
        constants += [f'{_bare(key)} = constant("{key}")' for key in every if key not in members]
        classes += _class(name, members) if members else []
    return "\n".join([_HEAD, *lines, *constants, *classes]) + "\n"


def _members(name: str, every: list[str]) -> list[str]:
    """Those that begin alike, but their count (TM_HOOKS of tm_hook); none where all differ."""
    alike = [key for key in every if key.startswith(_prefix(every)) and key != f"{name}s".upper()]
    return alike if len(alike) > 1 else []


def _prefix(every: list[str]) -> str:
    return "_".join(every[0].split("_")[:2]) + "_"


def _class(name: str, members: list[str]) -> list[str]:
    title = "".join(part.capitalize() for part in _bare(name).split("_"))
    prefix = _prefix(members)
    lines = [f'    {key.removeprefix(prefix)} = constant("{key}")' for key in members]
    return ["", "", f"class {title}(IntEnum):", f'    """enum {name}."""', "", *lines]


def _bare(name: str) -> str:
    return name[len("tm_") :]


if __name__ == "__main__":
    text = source()
    if not OUTPUT.is_file() or OUTPUT.read_text(encoding="utf-8") != text:
        OUTPUT.write_text(text, encoding="utf-8")
        print(f"bpf/wire.h -> {OUTPUT.relative_to(ROOT)}")
