# SPDX-License-Identifier: MIT
"""The registry of hooks says what the compiled objects say; what derives from it is current."""

from __future__ import annotations

import hooks_table
import pytest

from trafficmon import objects
from trafficmon.attachment import doctor
from trafficmon.bpfobject import inspect
from trafficmon.hook_registry import HOOKS, HOST_KINDS, INTERFACE_KINDS, LAYERS, OBJECTS, hooks_of
from trafficmon.layout import META

SHIPPED = sorted(path.name.removesuffix(".bpf.o") for path in objects.DIRECTORY.glob("*.bpf.o"))
NEVER_ATTACHED = {"tm_clock"}


def test_all_shipped_objects_are_registered() -> None:
    assert sorted(OBJECTS) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_programs_and_sections_are_those_of_the_object(name: str) -> None:
    programs = inspect(objects.path_of(name)).programs
    in_object = {p.name: p.section for p in programs if p.name not in NEVER_ATTACHED}
    assert {hook.program: hook.section for hook in hooks_of(name)} == in_object


def test_tracing_hooks_name_the_function_of_their_section() -> None:
    for hook in HOOKS:
        kind, _, target = hook.section.partition("/")
        if kind in ("fexit", "kprobe", "kretprobe"):
            assert hook.kernel_function == target


def test_doctor_names_all_shipped_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    for look in ("_loading", "_interfaces"):  # these need privileges, and say nothing of files
        monkeypatch.setattr(doctor, look, lambda: iter(()))
    named = {finding.subject for finding in doctor.examine()}
    assert {f"object {name}" for name in SHIPPED} <= named


def test_records_keep_their_places() -> None:
    """meta and `interfaces` note hooks by number: an older attachment is read by the same ones."""
    assert INTERFACE_KINDS == ("xdp", "tc_rx", "tc_tx")
    assert HOST_KINDS[:12] == (
        *("sock_create", "sock_release", "cgroup_rx", "cgroup_tx"),
        *("sockets", "sockets_tcp", "sockets_udp", "renamed", "executed"),
        *("sock_ops", "tcp_read", "send_length"),
    )
    assert HOST_KINDS.index("called_send") == 19
    assert HOST_KINDS.index("enter_send") == 26
    assert HOST_KINDS[-1] == "drop"
    assert len(HOST_KINDS) == len(set(HOST_KINDS)) <= META["host_hooks"].shape[0]


def test_every_variant_is_of_its_layer() -> None:
    for layer, variants in LAYERS.items():
        for variant in variants:
            assert variant.hooks
            assert {(hook.layer, hook.object) for hook in variant.hooks} == {
                (layer, variant.object)
            }


def test_the_page_of_hooks_is_current() -> None:
    assert hooks_table.PAGE.read_text(encoding="utf-8") == hooks_table.page(), (
        "run: python tools/hooks_table.py"
    )
