# SPDX-License-Identifier: MIT
"""Figures of the code: lines, longest files, lengths of functions, words that are avoided.

`tools/code_figures.py [DIRECTORY]`, of this checkout or of another one to compare with.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

AVOIDED = (
    r"asked|asks?\b|told|tells?|behind|nobody|somebody|anybody|whose|wish|wishe[sd]|wanted|spoken"
    r"|happened|goes on|go on|has gone|have gone|is no\b|are no\b"
)
"""What a stranger from this field would not write; CONTRIBUTING.md says what to write instead."""
_WORDS = re.compile(rf"\b(?:{AVOIDED})\b")
_PARTS = {
    "program": ("trafficmon/**/*.py", "bpf/**/*.[ch]", "build_bpf.py", "tools/**/*.py"),
    "tests": ("tests/**/*.py", "tests/**/*.[ch]"),
}


def files_of(root: Path, part: str) -> list[Path]:
    """The sources of a part, without what a build made."""
    found = {path for pattern in _PARTS[part] for path in root.glob(pattern)}
    return sorted(path for path in found if "__pycache__" not in path.parts and path.is_file())


def function_lengths(source: str) -> Iterator[int]:
    """Lines from `def` to the last statement, of each function and method."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield node.end_lineno - node.lineno + 1


def main(root: Path) -> None:
    """Print the figures of both parts."""
    for part in _PARTS:
        texts = {path: path.read_text() for path in files_of(root, part)}
        lengths = {path: text.count("\n") for path, text in texts.items()}
        total = sum(lengths.values())
        words = Counter(word for text in texts.values() for word in _WORDS.findall(text))
        functions = [
            length
            for path, text in texts.items()
            if path.suffix == ".py"
            for length in function_lengths(text)
        ]
        cuts = quantiles(functions, n=100)
        print(f"{part}: {total} lines in {len(texts)} files, {len(functions)} Python functions")
        longest = sorted(lengths, key=lambda path: -lengths[path])[:3]
        print(
            "  longest:", ", ".join(f"{path.relative_to(root)} {lengths[path]}" for path in longest)
        )
        print(f"  files over 250 lines: {sum(length > 250 for length in lengths.values())}")
        print(
            f"  function lengths: median {cuts[49]:.0f}, 90 % {cuts[89]:.0f}, max {max(functions)}"
        )
        print(
            f"  avoided words: {words.total()}, {1000 * words.total() / total:.1f} in 1,000 lines"
        )
        print("   ", ", ".join(f"{word} {count}" for word, count in words.most_common(10)))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent)
