# SPDX-License-Identifier: MIT
"""Which kernels, which tests, and what each kernel must be able to do."""

from __future__ import annotations

from dataclasses import dataclass

KERNELS = ("5.10", "6.1:arm64", "6.12:arm64", "6.1", "6.12", "6.18", "newest")
"""The beginnings of versions, of Debian's kernels. After a colon another architecture.

A few run at once: the slowest are first.
"""

EVERYDAY = ("5.10", "6.1", "6.12")
"""Those of continuous integration."""

EVERYDAY_FILES: tuple[str, ...] = (
    "test_libbpf_features.py",
    "test_attach_modes.py::test_the_first_mode_that_works_is_taken",
    "test_attach_modes.py::test_native",
    "test_attach_modes.py::test_generic",
    "test_app_modes.py",
    "test_owners.py::TestTcp::test_both_ways_exactly",
    "test_owners.py::TestTcp::test_a_connection_that_was_there_before",
    "test_socket_lists.py::test_sockets_that_are_in_no_table_of_tcp_or_udp",
    "test_missed_calls.py::test_all_calls",
    "test_forwarded.py::test_what_a_container_serves",
    "test_owners.py::TestOtherProtocols::test_pings",
    "test_owners.py::TestHandedOver::test_a_socket_passed_to_another_process",
    "test_events.py::test_a_connection_from_beginning_to_end[10.0.1.2]",
    "test_dns.py::test_which_process_queried_and_which_serves[10.0.1.2]",
    "test_capture.py::test_each_packet_names_its_owner",
    "test_userlog.py::test_rows_add_up_to_the_users_totals[options0-False]",
)
"""One of each kind: what continuous integration has the time for, at half a minute a test."""

FILES: tuple[str, ...] = (
    "test_owners.py",
    "test_socket_lists.py",
    "test_missed_calls.py",
    "test_forwarded.py",
    "test_app_modes.py",
    "test_coverage.py",
    "test_round_trips.py",
    "test_cgroup_taken_away.py",
    "test_taken_away.py",
    "test_libbpf_features.py",
    "test_libbpf_links.py",
    "test_libbpf_tracing.py",
    "test_attach_modes.py",
    # One test each of what starts programs that run on: there Python takes seconds to start.
    "test_events.py::test_a_connection_from_beginning_to_end",
    "test_dns.py::test_which_process_queried_and_which_serves",
    "test_capture.py::test_each_packet_names_its_owner",
    "test_userlog.py::test_rows_add_up_to_the_users_totals",
)
"""Where kernels differ. What only takes long there is left out: test_corpus.py (200,000 frames),
test_killed.py (200 kills), test_detach_after_any_step.py (hundreds of attaches)."""


@dataclass(frozen=True)
class Expectation:
    """A test that may only be skipped before ``since``."""

    test: str  # a part of its name
    since: tuple[int, int]
    since_arm64: tuple[int, int] | None = None  # None: the same


EXPECTED = (
    Expectation("test_owners", (5, 10)),
    Expectation("[by storage]", (5, 10)),
    Expectation("[by files and tables]", (5, 12)),
    Expectation("[tracepoints]", (6, 3)),
    # Storage on sockets, from tracing programs; trampolines on arm64.
    Expectation("[fexit]", (5, 11), (6, 12)),
    Expectation("[fexit-calls]", (5, 7), (6, 12)),  # pins of tracing links
    Expectation("[kprobes]", (5, 15)),  # pins of kprobes
    Expectation("test_missed_calls", (5, 15), (6, 12)),  # by fexit, and programs that may read
    Expectation("test_forwarded", (5, 14)),  # cookies of network namespaces
    Expectation("test_coverage", (5, 10)),
    Expectation("probe_fentry", (5, 5), (6, 12)),
    Expectation("probe_kprobe", (5, 15)),  # links of perf events
    Expectation("tcx", (6, 6)),
)
