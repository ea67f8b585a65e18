# SPDX-License-Identifier: MIT
"""Which of a test's many cases run every day; the others are for `make test-long`.

Every case loads programs and makes namespaces, which takes seconds. One of each kind shows every
day that the kind works; CI runs them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def mostly_long(cases: Iterable[Any], *everyday: Any) -> list[Any]:
    """`cases` as parameters, of which only ``everyday`` are not marked as long."""
    found = list(cases)
    unknown = [case for case in everyday if case not in found]
    if unknown:
        raise ValueError(f"there are no such cases: {unknown}")
    return [
        case if case in everyday else pytest.param(case, marks=pytest.mark.long) for case in found
    ]
