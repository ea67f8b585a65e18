# SPDX-License-Identifier: MIT
"""What may be typed next in an expression."""

from trafficmon.filter.errors import FilterError
from trafficmon.filter.lexer import Token, TokenKind, tokenize
from trafficmon.filter.parser import parse
from trafficmon.filter.vocabulary import JOIN_WORDS, START_WORDS


def complete(text: str, cursor: int) -> list[str]:
    """Whole words that may stand at `cursor` (in characters) of `text`, most usual first.

    A word begun before the cursor is taken as their beginning, for the caller to replace. Empty
    where any value may stand, inside quotes, and where what goes before is mistaken.
    """
    before = text[: max(0, cursor)]
    try:
        *tokens, _end = tokenize(before)
    except FilterError:
        return []
    begun = ""
    if tokens and tokens[-1].end == len(before) and _may_be_a_beginning(tokens[-1]):
        begun = tokens[-1].text.lower()
        before = before[: tokens[-1].start]
    return [word for word in _expected(before) if word.startswith(begun)]


def _may_be_a_beginning(token: Token) -> bool:
    is_operator_word = token.kind is not TokenKind.QUOTED and token.text.isalpha()
    return token.kind is TokenKind.WORD or is_operator_word


def _expected(before: str) -> tuple[str, ...]:
    if not before.strip():
        return START_WORDS
    try:
        parse(before)
    except FilterError as error:
        return error.expected
    return JOIN_WORDS
