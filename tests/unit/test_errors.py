# SPDX-License-Identifier: MIT
"""Errors: the contract's exit codes, and messages with the remedy."""

from __future__ import annotations

import errno
import os

import pytest

from trafficmon import errors
from trafficmon.errors import BpfError, UnsupportedError, VerifierError

LOG = """\
0: R1=ctx() R10=fp0
; void *data = (void *)(long)ctx->data;
1: (61) r2 = *(u32 *)(r1 +76)
R2 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0
"""


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.TrafficmonError, 1),
        (errors.UsageError, 2),
        (errors.NotAttachedError, 3),
        (errors.MissingPrivilegeError, 4),
        (errors.UnsupportedError, 5),
        (errors.BrokenObjectError, 1),
        (errors.LayoutError, 1),
        (errors.BpfError, 1),
        (errors.VerifierError, 1),
    ],
)
def test_exit_codes(kind: type[errors.TrafficmonError], code: int) -> None:
    assert kind.exit_code == code


def test_a_missing_feature_is_named_with_its_kernel() -> None:
    text = str(UnsupportedError("tcx", "6.6", "use --tc clsact"))
    assert text.endswith("has no tcx, which came with Linux 6.6; use --tc clsact")
    assert os.uname().release in text


def test_the_kernels_refusal_stays_whole() -> None:
    error = BpfError(errno.EPERM, "pin", "map flows", "run as root")
    assert isinstance(error, OSError)
    assert (error.errno, error.operation, error.subject) == (errno.EPERM, "pin", "map flows")
    assert str(error) == "cannot pin map flows: Operation not permitted; run as root"
    assert str(BpfError(errno.ENOENT, "open", "x")) == "cannot open x: No such file or directory"


def test_the_verifiers_decisive_line_is_shown_and_its_log_kept() -> None:
    error = VerifierError(errno.EACCES, "tm_tc_rx", LOG)
    assert error.log == LOG
    assert "BPF program tm_tc_rx" in str(error)
    assert "R2 offset is outside of the packet (4 lines of" in str(error)
    assert "\n" not in str(error)


def test_states_of_registers_are_not_the_decisive_line() -> None:
    log = "infinite loop detected at insn 3\ncur state: R0=0\nold state: R0=0\nprocessed 9 insns\n"
    reported = str(VerifierError(errno.EINVAL, "p", log))
    assert ": infinite loop detected at insn 3 (3 lines of" in reported


def test_a_verifier_without_words_is_a_plain_refusal() -> None:
    for log in ("", "\n \n", "processed 0 insns\n"):
        reported = str(VerifierError(errno.EINVAL, "p", log))
        assert reported == "cannot load BPF program p: Invalid argument"
    assert str(VerifierError(errno.EINVAL, "p", "bad\n")).endswith(": bad")
