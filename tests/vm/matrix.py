# SPDX-License-Identifier: MIT
"""Which kernels, which tests, and what each kernel must be able to do."""

from __future__ import annotations

from dataclasses import dataclass

KERNELS = ("5.10", "6.1", "6.12", "6.18", "")
"""The beginnings of versions; "" is Debian's newest."""

EVERYDAY = ("5.10", "6.1", "6.12")

FILES = (
    "test_owners.py",
    "test_app_modes.py",
    "test_coverage.py",
    "test_round_trips.py",
    "test_libbpf_features.py",
    "test_libbpf_links.py",
    "test_libbpf_tracing.py",
    "test_attach_modes.py",
)
"""Where kernels differ. What only takes long there is left out: test_corpus.py (200,000 frames),
test_killed.py (200 kills), test_detach_after_any_step.py (hundreds of attaches)."""


@dataclass(frozen=True)
class Expectation:
    """A test that may only be skipped before ``since``."""

    test: str  # a part of its name
    since: tuple[int, int]


EXPECTED = (
    Expectation("test_owners", (5, 10)),
    Expectation("[tracepoints]", (6, 3)),
    Expectation("[fexit]", (5, 11)),  # storage on sockets, from tracing programs
    Expectation("[fexit-calls]", (5, 7)),  # pins of tracing links
    Expectation("[kprobes]", (5, 15)),  # pins of kprobes
    Expectation("test_coverage", (5, 10)),
    Expectation("probe_fentry", (5, 5)),
    Expectation("probe_kprobe", (4, 1)),
)
