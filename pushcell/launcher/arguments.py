"""The arguments of a launch file: which there are, and those given on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pushcell.errors import LaunchError
from pushcell.launcher.model import Argument
from pushcell.launcher.resolver import launch_folder
from pushcell.launcher.substitutions import Scope, Template, evaluate, unparse
from pushcell.launcher.tags import Tag, load_tags


def parse_arguments(words: Sequence[str]) -> dict[str, str]:
    """``name:=value`` words; the last one of a name wins; raises LaunchError."""
    arguments = {}
    for word in words:
        name, separator, value = word.partition(":=")
        if not (name and separator and value):
            raise LaunchError(f"argument {word!r} must be of the form name:=value")
        arguments[name] = value
    return arguments


def check_known(file: Path, given: Mapping[str, str], declared: Sequence[Argument]) -> None:
    """Raises LaunchError for an argument that neither the file nor an included one has."""
    known = [argument.name for argument in declared]
    for name in given:
        if name not in known:
            raise LaunchError(
                f"{file}: there is no argument {name!r}; known are: {', '.join(known) or 'none'}"
            )


def declared_arguments(
    file: Path, given: Mapping[str, str], environment: Mapping[str, str]
) -> list[Argument]:
    """The arguments that the file and those it includes declare, in branches not taken too.

    An included file is looked into where its path can be told without running anything. An
    argument that an ``include`` sets is not one to be given from outside.
    """
    collector = _Collector(Scope(dict(given), dict(environment), Path()))
    collector.collect_file(file, conditional=False)
    return list(collector.found.values())


def describe_arguments(arguments: Sequence[Argument]) -> str:
    """The text of ``--show-args``."""
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    for argument in arguments:
        lines += ["", f"    '{argument.name}':{'*' if argument.conditional else ''}"]
        lines += [f"        {_description(argument)}"]
        if argument.default is not None:
            lines += [f"        (default: '{argument.default}')"]
    if not arguments:
        lines += ["", "  No arguments."]
    elif any(argument.conditional for argument in arguments):
        lines += ["", "* argument(s) which are only used if specific conditions occur"]
    return "\n".join(lines)


def _description(argument: Argument) -> str:
    choices = f"{list(argument.choices)}" if argument.choices else ""
    if not argument.description:
        return f"One of: {choices}" if choices else "no description given"
    if not choices:
        return argument.description
    return f"{argument.description.removesuffix('.')}. Valid choices are: {choices}"


class _Collector:
    def __init__(self, scope: Scope) -> None:
        self.found: dict[str, Argument] = {}
        self._scope = scope
        self._fixed: set[str] = set()
        self._files: list[Path] = []

    def collect_file(self, file: Path, conditional: bool) -> None:
        outer = self._scope.directory
        self._files.append(file)
        self._scope.directory = launch_folder(file)
        self._collect(load_tags(file), conditional)
        self._scope.directory = outer
        self._files.pop()

    def _collect(self, tags: list[Tag], conditional: bool) -> None:
        for tag in tags:
            here = conditional or "if" in tag.attributes or "unless" in tag.attributes
            if tag.kind == "arg":
                self._arg(tag, here)
            elif tag.kind == "let":
                self._set(self._try(tag.get("name")), tag.get("value"))
            elif tag.kind == "group":
                outer = self._scope
                if tag.get("scoped", True):
                    self._scope = outer.copy()
                self._collect(tag.get("children"), here)
                self._scope = outer
            elif tag.kind == "include":
                self._include(tag, here)

    def _arg(self, tag: Tag, conditional: bool) -> None:
        name, default = tag.get("name"), tag.get("default")
        if name not in self.found and name not in self._fixed:
            self.found[name] = Argument(
                name,
                None if default is None else unparse(default),
                tag.get("description", ""),
                tuple(choice.get("value") for choice in tag.get("choice", ())),
                conditional,
            )
        if default is not None and name not in self._scope.variables:
            self._set(name, default)

    def _include(self, tag: Tag, conditional: bool) -> None:
        outer_fixed = self._fixed
        names = [self._try(part.get("name")) for part in tag.get("arg", ())]
        for name, part in zip(names, tag.get("arg", ()), strict=True):
            self._set(name, part.get("value"))
        path = self._try(tag.get("file"))
        if path is not None and Path(path).is_file() and Path(path) not in self._files:
            self._fixed = self._fixed.union(name for name in names if name is not None)
            self.collect_file(Path(path), conditional)
        self._fixed = outer_fixed

    def _set(self, name: str | None, template: Template) -> None:
        value = self._try(template)
        if name is not None and value is not None:
            self._scope.variables[name] = value

    def _try(self, template: Template) -> str | None:
        """The value where it can be told without the conditions; what matters is checked later."""
        try:
            return evaluate(template, self._scope)
        except ValueError:
            return None
