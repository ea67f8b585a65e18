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

UNMOUNTED = "while umount -l /sys/fs/bpf 2>/dev/null; do :; done"
AS_SYSTEMD_DOES = f"{UNMOUNTED}; mount -t bpf -o mode=0700 bpf /sys/fs/bpf"
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
        assert modes(seen) == modes(program.status())
        refused(program)
        refused(program, OTHER_GROUP)

        attach(program, "lo", options=("--group", OTHER_GROUP))
        status_as(program, OTHER_GROUP)
        refused(program, GROUP)
        assert namespace.run(["stat", "-c", "%a", "/sys/fs/bpf"]).stdout == "1701\n"


def test_the_group_reads_on_after_a_replace() -> None:
    with PrivateMounts("group", AS_SYSTEMD_DOES) as namespace, program_in(namespace) as program:
        attach(program, "lo", options=("--group", GROUP))
        attach(program, "lo", options=("--replace",))
        seen = status_as(program, GROUP)
        assert modes(seen) == modes(program.status())
        assert (seen["programs_readable"], seen["ledger"]["missed_runs"]) == (False, None)
        assert {layer["missed_runs"] for layer in seen["interfaces"][0]["layers"]} == {None}
        root_sees = program.status()
        assert (root_sees["programs_readable"], root_sees["ledger"]["missed_runs"]) == (True, 0)


def test_status_shows_a_member_what_is_left_out() -> None:
    with PrivateMounts("group", AS_SYSTEMD_DOES) as namespace, program_in(namespace) as program:
        attach(program, "lo", options=("--group", GROUP))
        numbers = [grp.getgrnam(GROUP).gr_gid]
        done = run_ordinary(namespace, numbers, "status", pin_dir=program.pin_dir)
        assert "\nrun statistics, missed runs: root only" in done.stdout
        assert "only root" not in program.run("status").stdout


def modes(status: dict[str, Any]) -> dict[tuple[str, str], str]:
    """How each hook of each interface is attached."""
    return {
        (one["interface"], layer["hook"]): layer["mode"]
        for one in status["interfaces"]
        for layer in one["layers"]
    }
