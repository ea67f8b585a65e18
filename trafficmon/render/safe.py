# SPDX-License-Identifier: MIT
"""Text that came from strangers (DNS names, comm, cgroup paths), made harmless where it goes."""

import re
from typing import Final

# What spreadsheets take for the beginning of a formula, also in full width.
_FORMULA_STARTS: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def escape_controls(text: str) -> str:
    r"""`text` with every character that is not printable as its escape, such as \x1b or \u202e.

    Not printable in Unicode's sense: C0 and C1 controls, line separators, bidirectional and other
    format controls, lone surrogates, private and unassigned characters, spaces other than " ".
    A backslash stays as it is, since systemd's own names have \x2d in them. From \x80 on two digits
    are a byte that is not UTF-8; a C1 control is \u0080.
    """
    text = escape_bytes(text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    if "\x80" <= char <= "\xff":
        return f"\\u{ord(char):04x}"
    return char.encode("unicode_escape").decode("ascii")


def escape_bytes(text: str) -> str:
    r"""`text`, decoded with surrogateescape, with each byte that was no UTF-8 as \xff.

    So it is valid Unicode, which strict readers of JSON need, and different names stay
    different: a name that has such an escape written out gets its backslash as \x5c. What systemd
    has escaped of valid UTF-8 stays as it is.
    """
    if "\\x" in text:
        text = _WRITTEN_OUT.sub(_with_backslash, _ESCAPED_TWICE.sub(r"\\x5c", text))
    if not _SURROGATES.search(text):
        return text
    return _SURROGATES.sub(_byte, text)


def _with_backslash(found: re.Match[str]) -> str:
    raw = bytes.fromhex(found[0].replace("\\x", ""))
    try:
        raw.decode()
    except UnicodeDecodeError:
        return found[0].replace("\\", "\\x5c")
    return found[0]


def _byte(found: re.Match[str]) -> str:
    number = ord(found[0])
    is_byte = _BYTES_BEGIN <= number <= _BYTES_END
    return f"\\x{number - _BYTES_BEGIN + 0x80:02x}" if is_byte else f"\\u{number:04x}"


_WRITTEN_OUT: Final = re.compile(r"(?:\\x[89a-f][0-9a-f])+")
_ESCAPED_TWICE: Final = re.compile(r"\\(?=(?:x5c)+x[89a-f][0-9a-f])")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_BYTES_BEGIN, _BYTES_END = 0xDC80, 0xDCFF  # PEP 383


def guard_formula(text: str) -> str:
    """`text` with an apostrophe ahead if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
