# SPDX-License-Identifier: MIT
"""`attach --group` where the group comes late, and where the file system is closed to others."""

from __future__ import annotations

import grp
import json
from typing import Any

import pytest

from tests.kernel.attached import attach, program_in, refusal
from tests.kernel.ordinary import run_ordinary
from tests.kernel.private_mounts import PrivateMounts
from tests.kernel.program import Program

pytestmark = pytest.mark.kernel

AS_SYSTEMD_DOES = "mount -t bpf -o mode=0700 bpf /sys/fs/bpf"
GROUP, OTHER_GROUP = "games", "mail"


def status_as(program: Program, *groups: str) -> dict[str, Any]:
    """`status` as nobody, a member of ``groups``."""
    numbers = [grp.getgrnam(group).gr_gid for group in groups]
    done = run_ordinary(program.namespace, numbers, "status", "--json", pin_dir=program.pin_dir)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(program: Program, *groups: str) -> None:
    numbers = [grp.getgrnam(group).gr_gid for group in groups]
    done = run_ordinary(program.namespace, numbers, "top", "flows", pin_dir=program.pin_dir)
    assert "--group" in refusal(done, 4)


def test_a_group_may_come_late_and_change() -> None:
    with PrivateMounts("group", AS_SYSTEMD_DOES) as namespace, program_in(namespace) as program:
        assert "lets others" not in attach(program, "lo")
        refused(program, GROUP)
        said = attach(program, "lo", options=("--group", GROUP))
        assert "note: /sys/fs/bpf lets others pass through now, but not list it\n" in said
        assert "(was attached already)" in said
        seen = status_as(program, GROUP)
        assert seen["interfaces"] == program.status()["interfaces"]
        refused(program)
        refused(program, OTHER_GROUP)

        attach(program, "lo", options=("--group", OTHER_GROUP))
        status_as(program, OTHER_GROUP)
        refused(program, GROUP)
        assert namespace.run(["stat", "-c", "%a", "/sys/fs/bpf"]).stdout == "1701\n"


def test_the_group_reads_on_after_a_replace() -> None:
    with PrivateMounts("group", AS_SYSTEMD_DOES) as namespace, program_in(namespace) as program:
        attach(program, "lo", options=("--group", GROUP))
        before = status_as(program, GROUP)["interfaces"][0]["layers"]
        attach(program, "lo", options=("--replace",))
        after = status_as(program, GROUP)["interfaces"][0]["layers"]

        assert after != before
        assert after == program.status()["interfaces"][0]["layers"]
        hooks = {layer["hook"]: layer["program_id"] for layer in after}
        assert hooks["xdp"] is hooks["dns"] is None  # messages are copied by what counts
        assert None not in (hooks["tc_rx"], hooks["tc_tx"])
        missed = {layer["hook"]: layer["missed_runs"] for layer in after}
        assert missed == {"xdp": None, "dns": None, "tc_rx": 0, "tc_tx": 0}
        assert status_as(program, GROUP)["ledger"]["missed_runs"] == 0
