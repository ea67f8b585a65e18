# SPDX-License-Identifier: MIT
"""What CPUs share takes atomic adds: which adds of bpf/ are plain, and why each may be."""

from __future__ import annotations

import re
from pathlib import Path

BPF = Path(__file__).resolve().parents[2] / "bpf"
PLAIN = re.compile(r"(\w+)->([\w.]+(?:\[[^\]]*\])*[\w.]*)\s*(\+=|-=|\|=|\+\+|--)")
SPELLED_OUT = re.compile(r"(\w+->[\w.]+)\s*=\s*\1\s*[-+|]")
DECLARED = re.compile(r"struct (\w+) (?:\*\w+(?: = [^,;]*)?, )*\*(\w+)\b")

# Records that one CPU writes alone, with bottom halves off: count/services.bpf.h.
OF_ONE_CPU = {"tm_hook_counters", "tm_flow_slot", "tm_service_slot", "tm_flow_set", "tm_ledger"}
# What a program has for itself: on its stack, or in a cell of its CPU's.
OF_ONE_CPU |= {"tm_packet", "tm_network", "tm_flow_key", "tm_dns_scratch"}
# Of records that are shared, what may be added to plainly all the same.
MAY_BE = {
    ("events.bpf.h", "counts", "in_second"),  # a limit: programs that meet let one more through
    ("capture.bpf.c", "counts", "offered"),  # a cell for each CPU and interface, at tc alone
    ("capture.bpf.c", "counts", "delivered"),
    ("capture.bpf.c", "counts", "lost"),
    ("cgroup.bpf.c", "layer", "packets"),  # what comes in: nothing of ours interrupts that
    ("cgroup.bpf.c", "layer", "bytes"),
    ("flow_table.bpf.h", "flow", "tcp_flags_hint"),  # one that is lost is set again
    ("socket_user.bpf.h", "socket", "used_by_process"),  # a mark that is never taken back
    ("sockops.bpf.c", "socket", "write_seq_flags"),  # under the socket's lock
}


def plain_adds(path: Path) -> list[tuple[str, str, str]]:
    """File, pointer and member of each add that is not atomic, to what CPUs may share."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    found = []
    for match in PLAIN.finditer(text):
        pointer, member = match[1], match[2]
        kinds = [kind for kind, name in DECLARED.findall(text[: match.start()]) if name == pointer]
        if not kinds or kinds[-1] not in OF_ONE_CPU:
            found.append((path.name, pointer, member))
    return found


def test_shared_records_are_added_to_atomically() -> None:
    sources = [*BPF.rglob("*.h"), *BPF.rglob("*.c")]
    plain = {one for path in sources for one in plain_adds(path)}
    assert plain - MAY_BE == set()
    assert MAY_BE - plain == set(), "these are not there any more"
    for path in sources:
        assert not SPELLED_OUT.search(path.read_text()), path


def test_the_search_finds_what_it_is_for(tmp_path: Path) -> None:
    source = tmp_path / "x.h"
    source.write_text(
        "static void f(struct tm_ledger *losses, struct tm_flow *flow)\n"
        "{ losses->packets++; flow->rx_packets += 1; }\n"
        "static void g(void) { struct tm_owner *known, *owner; owner->connections++; }\n"
    )
    assert plain_adds(source) == [("x.h", "flow", "rx_packets"), ("x.h", "owner", "connections")]
    assert SPELLED_OUT.search("flow->rx_bytes = flow->rx_bytes + bytes;")
