"""Rules: the published grammar, and its parser.

    rule        = "if" disjunction "then" direction strength [ "weight" strength ] ;
    disjunction = conjunction { "or" conjunction } ;
    conjunction = negation { "and" negation } ;
    negation    = "not" negation | "(" disjunction ")" | statement ;
    statement   = feature "is" [ "not" ] set ;
    direction   = "long" | "short" ;
    strength    = number greater than 0 and at most 1 ;
    feature     = set = lower-case letter { lower-case letter | digit | "_" } ;      (no word of the grammar)

`not` binds closer than `and`, `and` closer than `or`; `x is not high` means `not x is high`. The strength is what the rule answers, its
weight (1 where none is given) how much it counts beside the others. Example:
`if a is low and (not b is high or c is mid) then long 1.0 weight 0.5`. At most `MAX_NESTING` negations and parentheses inside each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from nullalpha.core.errors import nearest
from nullalpha.strategy.spec import RESERVED_WORDS

MAX_NESTING = 16

_TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>[-+]?[0-9.][0-9.eE+-]*)|(?P<mark>[()]))")
_NUMBER = re.compile(r"\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Is:
    """`feature is set`; `column` counts from 1 in the rule's text and is no part of equality."""

    feature: str
    set_name: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Not:
    arg: Expression


@dataclass(frozen=True)
class Join:
    op: Literal["and", "or"]
    args: tuple[Expression, ...]


Expression: TypeAlias = Is | Not | Join


@dataclass(frozen=True)
class Rule:
    condition: Expression
    direction: Literal["long", "short"]
    strength: float
    weight: float = 1.0


class RuleSyntaxError(ValueError):
    """A rule cannot be parsed; `column` counts from 1, `found` is the text there, `suggestion` the nearest fix or None."""

    def __init__(self, message: str, column: int, found: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        self.found = found
        self.suggestion = suggestion


@dataclass(frozen=True)
class _Token:
    kind: Literal["word", "number", "mark", "end"]
    text: str
    column: int


def parse_rule(text: str) -> Rule:
    """Return the parsed rule.

    Raises:
        RuleSyntaxError: at the first place where the text leaves the grammar.
    """
    return _Parser(_tokens(text)).rule()


def statements(expression: Expression) -> Iterator[Is]:
    """Yield every `feature is set` of a condition, left to right."""
    if isinstance(expression, Is):
        yield expression
    elif isinstance(expression, Not):
        yield from statements(expression.arg)
    else:
        for arg in expression.args:
            yield from statements(arg)


def format_rule(rule: Rule) -> str:
    """Return a rule as text that parses to an equal rule."""
    weight = "" if rule.weight == 1.0 else f" weight {rule.weight!r}"
    return f"if {format_condition(rule.condition)} then {rule.direction} {rule.strength!r}{weight}"


def format_condition(expression: Expression) -> str:
    """Return a condition as text, with parentheses only where they are needed."""
    if isinstance(expression, Is):
        return f"{expression.feature} is {expression.set_name}"
    if isinstance(expression, Not):
        inner = format_condition(expression.arg)
        return f"not ({inner})" if isinstance(expression.arg, Join) else f"not {inner}"
    return f" {expression.op} ".join(
        f"({format_condition(arg)})" if isinstance(arg, Join) else format_condition(arg) for arg in expression.args
    )


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if not match:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise RuleSyntaxError(f"{text[start]!r} is not part of the grammar", start + 1, text[start])
        for kind in ("word", "number", "mark"):
            if match[kind] is not None:
                tokens.append(_Token(kind, match[kind], match.start(kind) + 1))
        position = match.end()
    return [*tokens, _Token("end", "", end + 1)]


class _Parser:
    """Recursive descent, one token ahead."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def rule(self) -> Rule:
        self._keyword("if")
        condition = self._join("or")
        self._keyword("then")
        direction: Literal["long", "short"] = "long" if self._keyword("long", "short") == "long" else "short"
        strength = self._share("strength")
        weight = 1.0
        if self._token.text == "weight":
            self._next += 1
            weight = self._share("weight")
        if self._token.kind != "end":
            raise self._expected("`weight` or the end of the rule")
        return Rule(condition, direction, strength, weight)

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _join(self, op: Literal["and", "or"]) -> Expression:
        args = [self._negation() if op == "and" else self._join("and")]
        while self._token.text == op:
            self._next += 1
            args.append(self._negation() if op == "and" else self._join("and"))
        return args[0] if len(args) == 1 else Join(op, tuple(args))

    def _negation(self) -> Expression:
        if self._token.text not in ("not", "("):
            return self._statement()
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise RuleSyntaxError(f"nested deeper than {MAX_NESTING} levels", self._token.column, self._token.text, "split the rule in two")
        opened = self._token.text
        self._next += 1
        inner = Not(self._negation()) if opened == "not" else self._join("or")
        if opened == "(":
            if self._token.text != ")":
                raise self._expected("')', 'and' or 'or'")
            self._next += 1
        self._depth -= 1
        return inner

    def _statement(self) -> Expression:
        column = self._token.column
        feature = self._name("a feature's name, 'not' or '('")
        self._keyword("is")
        negated = self._token.text == "not"
        self._next += negated
        stated = Is(feature, self._name("a set's name"), column)
        return Not(stated) if negated else stated

    def _name(self, what: str) -> str:
        token = self._token
        if token.kind != "word" or token.text in RESERVED_WORDS:
            raise self._expected(what)
        self._next += 1
        return token.text

    def _keyword(self, *words: str) -> str:
        token = self._token
        if token.text not in words:
            near = nearest(token.text.lower(), words) or (words[0] if len(words) == 1 else None)
            raise self._expected(" or ".join(repr(word) for word in words), near)
        self._next += 1
        return token.text

    def _share(self, what: str) -> float:
        token = self._token
        if token.kind != "number" or not _NUMBER.fullmatch(token.text):
            fix = "end the rule with e.g. `1.0`" if what == "strength" else "weight 0.5"
            raise self._expected(f"a {what} above 0 and at most 1", fix)
        value = float(token.text)
        if not 0 < value <= 1:
            raise RuleSyntaxError(f"the {what} {token.text} is not above 0 and at most 1", token.column, token.text, "1.0")
        self._next += 1
        return value

    def _expected(self, what: str, suggestion: str | None = None) -> RuleSyntaxError:
        token = self._token
        found = repr(token.text[:40]) if token.kind != "end" else "the end of the rule"
        return RuleSyntaxError(f"expected {what}, found {found}", token.column, token.text, suggestion)
