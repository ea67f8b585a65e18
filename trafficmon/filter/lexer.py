# SPDX-License-Identifier: MIT
"""Text of an expression to tokens."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from trafficmon.filter.errors import FilterError

MAX_CHARACTERS: Final = 4096


class TokenKind(Enum):
    """What a token is; WORD is a keyword or a value, QUOTED can only be a value."""

    WORD = auto()
    QUOTED = auto()
    AND = auto()
    OR = auto()
    NOT = auto()
    OPEN = auto()
    CLOSE = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its text without quotes and escapes, and its place in the expression."""

    kind: TokenKind
    text: str
    start: int
    end: int

    @property
    def span(self) -> tuple[int, int]:
        """First and past-last character."""
        return self.start, self.end


_PATTERN: Final = re.compile(
    r"""
      (?P<SPACE> \s+ )
    | (?P<OPEN> \( )
    | (?P<CLOSE> \) )
    | (?P<AND> && )
    | (?P<OR> \|\| )
    | (?P<NOT> ! )
    | (?P<QUOTED> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
    | (?P<WORD> [^\s()'"&|]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"""\\(["'\\])""")
_OPERATOR_WORDS: Final = {"and": TokenKind.AND, "or": TokenKind.OR, "not": TokenKind.NOT}


def tokenize(text: str) -> list[Token]:
    """Tokens of `text`, the last of kind END.

    Raises FilterError when it is too long, a quote is not closed, or "&" or "|" stands alone.
    """
    if len(text) > MAX_CHARACTERS:
        problem = f"the filter has {len(text)} characters: write it with at most {MAX_CHARACTERS}"
        raise FilterError(problem, text, (MAX_CHARACTERS, MAX_CHARACTERS + 1))
    tokens = []
    position = 0
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:
            raise _unreadable(text, position)
        if match.lastgroup != "SPACE":
            tokens.append(_token(match))
        position = match.end()
    tokens.append(Token(TokenKind.END, "", len(text), len(text)))
    return tokens


def quote(value: str) -> str:
    """`value` as it has to be written in an expression: bare where that reads back the same."""
    match = _PATTERN.match(value)
    if match and match.end() == len(value) and match.lastgroup == "WORD":
        is_special = value.lower() in _OPERATOR_WORDS or not value.strip("=")
        if value.isprintable() and not is_special:
            return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _token(match: re.Match[str]) -> Token:
    kind = TokenKind[str(match.lastgroup)]
    text = match.group()
    if kind is TokenKind.QUOTED:
        text = _ESCAPE.sub(r"\1", text[1:-1])
    elif kind is TokenKind.WORD:
        kind = _OPERATOR_WORDS.get(text.lower(), kind)
    return Token(kind, text, *match.span())


def _unreadable(text: str, position: int) -> FilterError:
    char = text[position]
    if char in "&|":
        word = "and" if char == "&" else "or"
        problem = f"a single '{char}': write '{char * 2}' or '{word}', or quote a value that has it"
        return FilterError(problem, text, (position, position + 1))
    problem = f"the quote is never closed: add {char} where the value ends"
    return FilterError(problem, text, (position, len(text)))
