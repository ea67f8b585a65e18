# SPDX-License-Identifier: MIT
"""The pin directory: what is ours, what is not, and what is removed with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from trafficmon.pins import DEFAULT, ENVIRONMENT, MAPS, PinDirectory, chosen

OURS = (
    *(f"maps/{name}" for name in MAPS),
    "links/xdp_0",
    "links/tc_rx_17",
    "links/tc_tx_3_new",
    "progs/xdp_1",
    "progs/tc_rx_1_new",
)
FOREIGN = (
    "maps/strange",
    "maps/Meta",
    "maps/xdp_0",
    "links/meta",
    "links/xdp_",
    "links/xdp_1x",
    "progs/tc_0",
    "progs/xdp_1_old",
    "meta",
    "xdp_0",
)


def filled(root: Path, names: tuple[str, ...]) -> PinDirectory:
    pins = PinDirectory(root)
    pins.make()
    for name in names:
        (root / name).touch()
    return pins


def test_ours_and_foreign_are_distinguished(tmp_path: Path) -> None:
    pins = filled(tmp_path / "pins", (*OURS, *FOREIGN))
    assert set(pins.ours()) == {pins.root / name for name in OURS}
    assert set(pins.foreign()) == {pins.root / name for name in FOREIGN}


def test_links_go_before_programs_before_maps(tmp_path: Path) -> None:
    order = [pin.parent.name for pin in filled(tmp_path / "pins", OURS).ours()]
    assert order == ["links"] * 3 + ["progs"] * 2 + ["maps"] * len(MAPS)


def test_the_names_that_are_made_are_ours(tmp_path: Path) -> None:
    pins = PinDirectory(tmp_path)
    pins.make()
    made = [pins.map("meta"), pins.link("tc_rx", 12), pins.program("xdp", 0)]
    for path in made:
        path.touch()
    assert sorted(pins.ours()) == sorted(made)
    assert pins.foreign() == []


def test_a_directory_is_closed_to_others_and_complete_with_meta(tmp_path: Path) -> None:
    pins = PinDirectory(tmp_path / "a" / "pins")
    assert not pins.exists()
    assert pins.ours() == pins.foreign() == []
    pins.make()
    assert [part.stat().st_mode & 0o777 for part in (pins.root, *pins.parts)] == [0o700] * 4
    assert not pins.is_complete()
    pins.map("meta").touch()
    assert pins.is_complete()


def test_only_empty_directories_are_removed(tmp_path: Path) -> None:
    pins = filled(tmp_path / "pins", ("maps/strange",))
    pins.remove_empty()
    assert sorted(path.name for path in pins.root.rglob("*")) == ["maps", "strange"]
    (pins.root / "maps/strange").unlink()
    pins.remove_empty()
    assert not pins.exists()


def test_option_before_environment_before_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert chosen(None) == DEFAULT
    monkeypatch.setenv(ENVIRONMENT, "/sys/fs/bpf/../bpf/elsewhere")
    assert chosen(None) == Path("/sys/fs/bpf/elsewhere")
    assert chosen(Path("/sys/fs/bpf/option")) == Path("/sys/fs/bpf/option")


@pytest.mark.parametrize("name", ["maps", "links", "progs"])
def test_a_directory_of_the_name_of_its_parts(tmp_path: Path, name: str) -> None:
    pins = filled(tmp_path / name, ("flows", "xdp_0", "maps/flows", "links/xdp_0"))
    assert {pin.relative_to(pins.root) for pin in pins.ours()} == {
        Path("maps/flows"),
        Path("links/xdp_0"),
    }
    assert {pin.name for pin in pins.foreign()} == {"flows", "xdp_0"}


def test_a_directory_has_one_name(tmp_path: Path) -> None:
    """And so one lock, whatever links lead there."""
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    assert chosen(tmp_path / "link" / "pins") == chosen(tmp_path / "real" / "pins")
