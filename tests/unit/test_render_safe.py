# SPDX-License-Identifier: MIT
"""Hostile text made harmless for terminals and spreadsheets."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trafficmon.render.safe import escape_controls, guard_formula


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("nginx: worker", "nginx: worker"),
        ("münchen.example", "münchen.example"),
        ("日本語", "日本語"),
        (r"/a\x2db", r"/a\x2db"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b31m", r"\u009b31m"),
        ("a\r\n\tb\x00\x7f", r"a\r\n\tb\x00\x7f"),
        ("\u202eexe.\u2066", r"\u202eexe.\u2066"),
        ("a\u200bb\ufeff\u2028", r"a\u200bb\ufeff\u2028"),
        ("\udcff\udc9b\ud800", r"\xff\x9b\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert escape_controls(text) == shown


def test_every_control_character_is_escaped() -> None:
    controls = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code))[0] == "C"]
    bidirectional = {"\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F))}

    assert bidirectional < set(controls)
    assert [char for char in controls if not escape_controls(char).isascii()] == []
    assert [char for char in controls if not escape_controls(char).isprintable()] == []


@given(st.text())
def test_nothing_escapes_the_escaping(text: str) -> None:
    shown = escape_controls(text)

    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl")]
    assert escape_controls(shown) == shown
    shown.encode()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_a_formula_gets_an_apostrophe(start: str) -> None:
    text = f"{start}HYPERLINK(1)"

    assert guard_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", "10.0.0.1", "::1", " =1", "'=1"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert guard_formula(text) == text
