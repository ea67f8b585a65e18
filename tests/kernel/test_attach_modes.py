# SPDX-License-Identifier: MIT
"""The ways to attach: XDP's modes and their fallback, tc's, and layers left out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.attached import (
    attach,
    complaint,
    interface_row,
    packets,
    program_in,
    run_patched,
    send,
    send_back,
    state,
)
from tests.kernel.needs import USUAL_TC
from tests.kernel.program import Program
from tests.lab import traffic
from tests.lab.lab import Lab
from tests.lab.namespace import Namespace

pytestmark = pytest.mark.kernel

SERVER = "tmserver"
IN, OUT = 6, 4
WITHOUT_TCX = """
import errno
from trafficmon.attachment import tc
from trafficmon.errors import BpfError
def refuse(program, ifindex, where):
    raise BpfError(errno.EINVAL, "attach", "interface")
tc.attach_tcx = refuse
"""


def layers(program: Program) -> dict[str, tuple[int | None, int | None]]:
    """Packets of the wire's layers: received, sent. The host's are not attached here."""
    rows = {row["layer"]: (row["rx_packets"], row["tx_packets"]) for row in program.rows("layers")}
    assert rows.pop("cgroup") == rows.pop("app") == (None, None)
    return rows


def modes(program: Program, name: str) -> tuple[str, str, str | None]:
    """XDP's, tc's, and why XDP is as it is."""
    found: dict[str, Any] = state(program, name)
    return found["xdp_mode"], found["tc_mode"], found["xdp_reason"]


def send_both_ways(lab: Lab) -> None:
    send(lab, IN)
    send_back(lab, OUT)


def test_auto_does_no_harm(bare: tuple[Lab, Program]) -> None:
    """On a veth XDP stays off, and says why."""
    lab, program = bare
    said = attach(program, SERVER)
    send_both_ways(lab)

    assert f"{SERVER}: xdp off, tc {USUAL_TC}" in said
    assert "would slow a veth interface down; tc counts the same packets" in said
    assert modes(program, SERVER)[:2] == ("off", USUAL_TC)
    assert layers(program) == {"xdp": (None, None), "tc": (IN, OUT)}
    assert packets(program, SERVER) == (IN, OUT)


@pytest.mark.parametrize("tc_mode", ["tcx", "clsact"])
def test_native(bare: tuple[Lab, Program], tc_mode: str) -> None:
    """Received packets are counted by XDP, and tc leaves them out."""
    lab, program = bare
    attach(program, SERVER, options=("--xdp", "native", "--tc", tc_mode))
    send_both_ways(lab)

    assert modes(program, SERVER) == ("native", tc_mode, "as asked")
    assert layers(program) == {"xdp": (IN, None), "tc": (None, OUT)}
    assert packets(program, SERVER) == (IN, OUT)


@pytest.mark.parametrize("tc_mode", ["tcx", "clsact"])
def test_generic(bare: tuple[Lab, Program], tc_mode: str) -> None:
    """Both see what is received; it is in the tables once."""
    lab, program = bare
    attach(program, SERVER, options=("--xdp", "generic", "--tc", tc_mode))
    send_both_ways(lab)
    traffic.ping(lab.client_end, lab.server_end, count=5)

    assert modes(program, SERVER) == ("generic", tc_mode, "as asked")
    assert layers(program) == {"xdp": (IN + 5, None), "tc": (IN + 5, OUT + 5)}
    assert packets(program, SERVER) == (IN + 5, OUT + 5)
    (flow,) = program.rows("flows")
    assert (flow["rx_packets"], flow["tx_packets"]) == (5, 5)
    assert interface_row(program, SERVER)["icmp_packets"] == 10


def test_off(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    attach(program, SERVER, options=("--xdp", "off"))
    send_both_ways(lab)

    assert modes(program, SERVER) == ("off", USUAL_TC, "as asked")
    assert layers(program) == {"xdp": (None, None), "tc": (IN, OUT)}


def test_the_first_mode_that_works_is_taken() -> None:
    """A bridge's driver has no native XDP."""
    with Namespace("bridge") as namespace, program_in(namespace) as program:
        namespace.run(["ip", "link", "add", "tmbridge", "type", "bridge"])
        said = attach(program, "tmbridge", options=("--xdp", "native,generic"))
        assert f"tmbridge: xdp generic, tc {USUAL_TC}" in said
        assert "xdp: native: the driver does not have it" in said
        program.run("detach")

        said = attach(program, "tmbridge", options=("--xdp", "native,off"))
        assert f"tmbridge: xdp off, tc {USUAL_TC}" in said
        assert "xdp: native: the driver does not have it" in said
        assert "(was attached already)" in attach(
            program, "tmbridge", options=("--xdp", "native,off")
        )


def test_native_before_generic_where_there_is_both(bare: tuple[Lab, Program]) -> None:
    _, program = bare
    attach(program, SERVER, options=("--xdp", "native,generic"))

    assert modes(program, SERVER) == ("native", USUAL_TC, "as asked")


def test_layer_tc_only(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    attach(program, SERVER, options=("--layer", "tc", "--xdp", "native"))
    send_both_ways(lab)

    assert modes(program, SERVER)[:2] == ("off", USUAL_TC)
    assert packets(program, SERVER) == (IN, OUT)


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_layer_xdp_only(bare: tuple[Lab, Program], mode: str) -> None:
    """What is sent is not known, which is not 0; flows are there in generic mode, too."""
    lab, program = bare
    attach(program, SERVER, options=("--layer", "xdp", "--xdp", mode))
    traffic.ping(lab.client_end, lab.server_end, count=5)

    assert modes(program, SERVER) == (mode, "off", "as asked")
    row = interface_row(program, SERVER)
    assert (row["rx_packets"], row["tx_packets"], row["tx_bytes"]) == (5, None, None)
    assert layers(program) == {"xdp": (5, None), "tc": (None, None)}
    (flow,) = program.rows("flows")
    assert flow["rx_packets"] == 5


def test_a_layer_that_counts_nothing_is_refused(bare: tuple[Lab, Program]) -> None:
    _, program = bare
    said = complaint(program, 2, "attach", "--iface", SERVER, "--layer", "xdp")

    assert "nothing would count" in said
    assert "--xdp native" in said
    assert not program.pin_dir.exists()


def test_before_linux_6_6_tc_is_attached_by_clsact(bare: tuple[Lab, Program]) -> None:
    lab, program = bare
    done = run_patched(program, WITHOUT_TCX, "attach", "--iface", SERVER)
    assert (done.returncode, done.stderr) == (0, "")
    send_both_ways(lab)

    assert modes(program, SERVER)[:2] == ("off", "clsact")
    assert packets(program, SERVER) == (IN, OUT)


def test_before_linux_6_6_tcx_is_refused(bare: tuple[Lab, Program]) -> None:
    _, program = bare
    done = run_patched(program, WITHOUT_TCX, "attach", "--iface", SERVER, "--tc", "tcx")

    assert done.returncode == 5
    assert "has no tcx, which came with Linux 6.6; use --tc clsact" in done.stderr
    assert not program.pin_dir.exists()
