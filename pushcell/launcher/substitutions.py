"""Substitutions: the ``$(...)`` in a launch file's strings, with the grammar of ROS 2's launch.

``parse`` checks a string once, when its file is read; ``evaluate`` gives its value in a Scope.
Both raise ValueError, to which the tag that holds the string adds its file and name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pushcell.launcher.coercion import to_bool
from pushcell.launcher.packages import find_share


@dataclass(frozen=True)
class Call:
    """``$(name argument ...)``."""

    name: str
    arguments: tuple[Template, ...]


Template = tuple["str | Call", ...]


@dataclass
class Scope:
    """What substitutions can see at one place of a launch file."""

    variables: dict[str, str]
    environment: dict[str, str]
    directory: Path
    namespace: str | None = None
    """What ``push-ros-namespace`` has set; None before any."""

    def copy(self) -> Scope:
        """A scope whose changes stay its own."""
        return Scope(dict(self.variables), dict(self.environment), self.directory, self.namespace)


def parse(text: str) -> Template:
    """The pieces of a string; a string without substitutions has at most one, of type str."""
    return _Scanner(text).template(quote="")


def evaluate(template: Template, scope: Scope) -> str:
    """The string with every substitution replaced by its value."""
    return "".join(piece if isinstance(piece, str) else _call(piece, scope) for piece in template)


def is_plain(template: Template) -> bool:
    """True if there is nothing to substitute."""
    return all(isinstance(piece, str) for piece in template)


def unparse(template: Template) -> str:
    """The string as a person would write it, for help texts."""
    return "".join(
        piece
        if isinstance(piece, str)
        else f"$({' '.join([piece.name, *map(unparse, piece.arguments)])})"
        for piece in template
    )


def unescape(text: str) -> str:
    """Text in which substitutions have no meaning: backslashes are taken away as launch does."""
    return re.sub(r"\\(.)", r"\1", text)


def _call(call: Call, scope: Scope) -> str:
    function = _FUNCTIONS[call.name].evaluate
    return function(scope, *(evaluate(argument, scope) for argument in call.arguments))


def _var(scope: Scope, name: str, *default: str) -> str:
    if name in scope.variables:
        return scope.variables[name]
    if default:
        return default[0]
    known = ", ".join(sorted(scope.variables)) or "none"
    raise ValueError(f"$(var {name}) is not set here; known variables: {known}")


def _env(scope: Scope, name: str, *default: str) -> str:
    if name in scope.environment:
        return scope.environment[name]
    if default:
        return default[0]
    raise ValueError(f"environment variable {name} is not set and $(env {name}) has no default")


def _equals(left: str, right: str) -> bool:
    booleans = ("true", "1", "false", "0")
    if left.lower() in booleans and right.lower() in booleans:
        return (left.lower() in ("true", "1")) == (right.lower() in ("true", "1"))
    try:
        return math.isclose(float(left), float(right))
    except ValueError:
        return left == right


def _word(value: bool) -> str:
    return "true" if value else "false"


@dataclass(frozen=True)
class _Function:
    arities: tuple[int, ...]
    evaluate: Callable[..., str]


_FUNCTIONS = {
    "and": _Function((2,), lambda _, a, b: _word(to_bool(a) & to_bool(b))),
    "dirname": _Function((0,), lambda scope: str(scope.directory)),
    "env": _Function((1, 2), _env),
    "equals": _Function((2,), lambda _, a, b: _word(_equals(a, b))),
    "find-pkg-share": _Function((1,), lambda scope, name: find_share(name, scope.environment)),
    "not": _Function((1,), lambda _, a: _word(not to_bool(a))),
    "not-equals": _Function((2,), lambda _, a, b: _word(not _equals(a, b))),
    "or": _Function((2,), lambda _, a, b: _word(to_bool(a) | to_bool(b))),
    "var": _Function((1, 2), _var),
}


class _Scanner:
    """A recursive descent over one string. ``quote`` is the quote being inside of, or empty."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def template(self, quote: str) -> Template:
        """Up to the closing quote, or to the end when there is none."""
        return self._pieces(quote, stop=quote)

    def _pieces(self, quote: str, stop: str) -> Template:
        pieces: list[str | Call] = []
        start = self._at
        while self._at < len(self._text) and not self._stops(stop):
            if self._text.startswith("$(", self._at) and not self._is_escaped():
                pieces.append(unescape(self._text[start : self._at]))
                pieces.append(self._substitution(quote))
                start = self._at
            else:
                self._at += 1
        pieces.append(unescape(self._text[start : self._at]))
        return tuple(piece for piece in pieces if piece)

    def _stops(self, stop: str) -> bool:
        char = self._text[self._at]
        return char in stop and (char == " " or not self._is_escaped())

    def _is_escaped(self) -> bool:
        return self._text[: self._at].endswith("\\")

    def _substitution(self, quote: str) -> Call:
        start = self._at
        name = re.compile(r"\$\(([A-Za-z][A-Za-z0-9_-]*)").match(self._text, start)
        if name is None:
            raise self._error("a substitution has no name", start)
        self._at = name.end()
        arguments = []
        while self._peek() == " ":
            self._at += 1
            arguments.append(self._argument(quote))
        if self._peek() != ")":
            raise self._error("a substitution is not closed by ')'", start)
        self._at += 1
        return _checked(Call(name.group(1), tuple(arguments)))

    def _argument(self, quote: str) -> Template:
        start = self._at
        mark = self._peek()
        if not quote and mark in ("'", '"'):
            self._at += 1
            template = self.template(mark)
            if self._peek() != mark:
                raise self._error(f"a quote is not closed by {mark}", start)
            self._at += 1
            return template
        template = self._pieces(quote, stop=" ()" + (quote or "'\""))
        if not template:
            raise self._error("an argument is empty or has a stray space, quote or bracket", start)
        return template

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _error(self, what: str, start: int) -> ValueError:
        return ValueError(f"{what} at {self._text[start : start + 30]!r} in {self._text!r}")


def _checked(call: Call) -> Call:
    function = _FUNCTIONS.get(call.name)
    if function is None:
        raise ValueError(
            f"substitution $({call.name}) is not supported; known are: {', '.join(_FUNCTIONS)}"
        )
    if len(call.arguments) not in function.arities:
        allowed = " or ".join(map(str, function.arities))
        raise ValueError(f"$({call.name}) takes {allowed} arguments, not {len(call.arguments)}")
    return call
