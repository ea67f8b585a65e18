# SPDX-License-Identifier: MIT
"""Opening a reading: what is not there, not ours, or not for us to see."""

from __future__ import annotations

import gc
import struct
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from trafficmon.errors import LayoutError, MissingPrivilegeError, NotAttachedError
from trafficmon.layout import (
    HOOK_COUNTERS,
    HOOKS,
    INTERFACE,
    LAYOUT_VERSION,
    LEDGER,
    MAGIC,
    META,
    Hook,
)
from trafficmon.pins import PinDirectory
from trafficmon.reader import live as live_module
from trafficmon.reader.live import Live


class FakeMap:
    """A pinned map; ``opened`` are those not closed again."""

    opened: ClassVar[list[str]] = []
    contents: ClassVar[dict[str, Any]] = {}

    def __init__(self, name: str) -> None:
        self.name = name
        self.opened.append(name)

    @classmethod
    def open(cls, pins: PinDirectory, name: str, *, read_only: bool) -> Self:
        assert read_only
        assert pins.map(name).parent.is_dir()
        return cls(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.remove(self.name)

    def lookup(self, key: bytes) -> bytes | None:
        assert key == bytes(4)
        return bytes(self.contents[self.name].tobytes())

    def read_array(self, dtype: np.dtype[Any], _: object = None) -> Any:
        array = self.contents[self.name]
        assert array.dtype == dtype
        return array

    def read_first(self, dtype: np.dtype[Any], count: int) -> Any:
        return self.read_array(dtype)[:count]


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PinDirectory:
    """A complete pin directory whose meta is ours."""
    made = PinDirectory(tmp_path / "pins")
    made.make()
    made.map("meta").touch()
    meta = np.zeros(1, META)
    meta["magic"], meta["layout_version"], meta["layout_bytes"] = (
        MAGIC,
        LAYOUT_VERSION,
        META.itemsize,
    )
    meta["max_interfaces"] = 3
    monkeypatch.setattr(FakeMap, "opened", [])
    monkeypatch.setattr(FakeMap, "contents", {"meta": meta})
    monkeypatch.setattr(live_module, "open_map", FakeMap.open)
    return made


def test_maps_are_opened_once_and_closed_together(pins: PinDirectory) -> None:
    with Live(pins) as live:
        assert live.map("flows") is live.map("flows")
        assert sorted(FakeMap.opened) == ["flows", "meta"]
    assert FakeMap.opened == []


@pytest.mark.parametrize("meta", [b"", bytes(400), struct.pack("=III", MAGIC, 99, META.itemsize)])
def test_what_cannot_be_read_is_let_go_of(pins: PinDirectory, meta: bytes) -> None:
    FakeMap.contents["meta"] = np.frombuffer(meta, np.uint8)
    with pytest.raises(LayoutError):
        Live(pins)
    gc.collect()
    assert FakeMap.opened == []


def test_nothing_attached_is_reported_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotAttachedError, match="start with 'trafficmon attach'"):
        Live(PinDirectory(tmp_path / "nothing"))


def test_a_half_finished_attach_is_nothing_attached(pins: PinDirectory) -> None:
    pins.map("meta").unlink()
    with pytest.raises(NotAttachedError):
        Live(pins)


def test_a_directory_closed_to_us_is_reported_with_what_to_do(
    pins: PinDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(pins: PinDirectory) -> bool:
        raise PermissionError(13, "Permission denied", str(pins.root))

    monkeypatch.setattr(PinDirectory, "is_complete", closed)
    with pytest.raises(MissingPrivilegeError, match="attach --group NAME"):
        Live(pins)


def test_counters_are_summed_over_cpus_by_row_and_hook(pins: PinDirectory) -> None:
    cpus = 4
    cells = np.zeros((10, HOOKS, cpus), HOOK_COUNTERS)
    cells["bytes"] = np.arange(10 * HOOKS * cpus).reshape(10, HOOKS, cpus)
    cells["packets_by_size"][1, Hook.TC_TX, :, 7] = 2**61
    records = np.zeros(5, INTERFACE)
    records["number"][:3] = 1, 0, 2  # the third slot is the last that was used
    FakeMap.contents["interfaces"] = records
    FakeMap.contents["meta"]["cpus"] = cpus
    FakeMap.contents["hook_counters"] = cells.reshape(-1)
    with Live(pins) as live:
        total = live.hook_counters()
    assert total.shape == (6, HOOKS)
    assert total["bytes"].tolist() == cells["bytes"][:6].sum(axis=2).tolist()
    assert total["packets_by_size"][1, Hook.TC_TX].tolist() == [0] * 7 + [2**63]


def test_losses_are_summed_over_cpus(pins: PinDirectory) -> None:
    by_cpu = np.zeros(4, LEDGER)
    names = [name for name in LEDGER.names or () if name != "pad"]
    for place, name in enumerate(names):
        by_cpu[name] = [place, 0, 2**40, 1]
    FakeMap.contents["ledger"] = by_cpu
    with Live(pins) as live:
        found = live.ledger()._asdict()
    assert found == {name: 2**40 + 1 + place for place, name in enumerate(names)}
