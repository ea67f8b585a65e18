# SPDX-License-Identifier: MIT
"""Text of an expression to its tree, by recursive descent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from trafficmon.errors import UsageError
from trafficmon.filter.errors import FilterError, quoted
from trafficmon.filter.lexer import Token, TokenKind, tokenize
from trafficmon.filter.nodes import And, Expression, Family, Node, Not, Or, Side, Span, Term
from trafficmon.filter.vocabulary import (
    BUILDERS,
    EXAMPLES,
    FAMILIES,
    JOIN_WORDS,
    SIDED,
    SIDES,
    START_WORDS,
    unknown_word,
    value_words,
)

MAX_DEPTH: Final = 64
"""How deep parentheses and negations may nest."""


def parse(text: str) -> Expression:
    """Read `text` as an expression (grammar in the package's docstring).

    Raises FilterError, and nothing else, whatever the text. An empty text is a mistake, too:
    without a filter all rows are shown.
    """
    return Expression(text, _Parser(text).parse())


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._position = 0
        self._depth = 0

    def parse(self) -> Node:
        root = self._disjunction()
        token = self._current
        if token.kind is TokenKind.CLOSE:
            raise self._error("this ')' closes nothing: leave it out", token)
        if token.kind is not TokenKind.END:
            raise self._not_joined(token)
        return root

    def _disjunction(self) -> Node:
        operands = [self._conjunction()]
        while self._accept(TokenKind.OR):
            operands.append(self._conjunction())
        if len(operands) == 1:
            return operands[0]
        return Or(tuple(operands), span=_cover(operands))

    def _conjunction(self) -> Node:
        operands = [self._negation()]
        while self._accept(TokenKind.AND):
            operands.append(self._negation())
        if len(operands) == 1:
            return operands[0]
        return And(tuple(operands), span=_cover(operands))

    def _negation(self) -> Node:
        token = self._current
        if self._accept(TokenKind.NOT):
            with self._nested(token):
                operand = self._negation()
            return Not(operand, span=(token.start, operand.span[1]))
        if self._accept(TokenKind.OPEN):
            with self._nested(token):
                node = self._disjunction()
            self._close(token)
            return node
        return self._term()

    def _close(self, opening: Token) -> None:
        token = self._current
        if self._accept(TokenKind.CLOSE):
            return
        if token.kind is TokenKind.END:
            problem = "this '(' is never closed: add ')'"
            raise FilterError(problem, self._text, opening.span, JOIN_WORDS)
        raise self._not_joined(token)

    def _term(self) -> Term:
        first = self._current
        side: Side = "either"
        keyword = self._keyword(START_WORDS, "here a term is missing, such as 'port 443'")
        if keyword in SIDES:
            side = SIDES[keyword]
            remedy = f"after '{keyword}' goes host or port, as in '{keyword} port 443'"
            keyword = self._keyword(SIDED, remedy)
        if keyword in FAMILIES:
            return Family(FAMILIES[keyword], span=first.span)
        value = self._value(keyword)
        try:
            return BUILDERS[keyword](value.text, side, (first.start, value.end))
        except UsageError as error:
            raise self._error(str(error), value) from error

    def _keyword(self, allowed: tuple[str, ...], missing: str) -> str:
        token = self._current
        keyword = token.text.lower()
        if token.kind is TokenKind.WORD and keyword in allowed:
            self._position += 1
            return keyword
        if token.kind is TokenKind.WORD and allowed is START_WORDS:
            raise self._error(unknown_word(token.text), token)
        raise self._error(missing, token, allowed)

    def _value(self, keyword: str) -> Token:
        token = self._current
        if token.kind not in (TokenKind.WORD, TokenKind.QUOTED):
            problem = f"'{keyword}' needs a value, as in '{EXAMPLES[keyword]}'"
            if token.kind in (TokenKind.AND, TokenKind.OR, TokenKind.OPEN):
                problem += "; quote a value with other characters"
            raise self._error(problem, token, value_words(keyword))
        if not token.text:
            raise self._error(f"'{keyword}' needs a value that is not empty", token)
        if token.kind is TokenKind.WORD and token.text in ("=", "=="):
            raise self._error(f"write '{EXAMPLES[keyword]}', without '='", token)
        self._position += 1
        return token

    @property
    def _current(self) -> Token:
        return self._tokens[self._position]

    def _accept(self, kind: TokenKind) -> bool:
        if self._current.kind is not kind:
            return False
        self._position += 1
        return True

    @contextmanager
    def _nested(self, token: Token) -> Iterator[None]:
        if self._depth == MAX_DEPTH:
            problem = f"nested more than {MAX_DEPTH} deep: write it with fewer parentheses or 'not'"
            raise self._error(problem, token)
        self._depth += 1
        yield
        self._depth -= 1

    def _not_joined(self, token: Token) -> FilterError:
        return self._error(f"write 'and' or 'or' before {quoted(token.text)}", token)

    def _error(self, problem: str, token: Token, expected: tuple[str, ...] = ()) -> FilterError:
        at_end = token.kind is TokenKind.END
        return FilterError(problem, self._text, token.span, expected if at_end else ())


def _cover(operands: list[Node]) -> Span:
    return operands[0].span[0], operands[-1].span[1]
