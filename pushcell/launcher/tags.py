"""The tags of a launch file: which there are, which attributes each takes, and reading them.

The format is ROS 2's own YAML one, of which this is a subset: what is not here is an error, in
branches that are not taken too, and so is what ``ros2 launch`` would refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pushcell.config.strict_yaml import read_yaml
from pushcell.errors import LaunchError
from pushcell.launcher.coercion import CONVERTERS, uniform
from pushcell.launcher.substitutions import Template, parse, unescape

_Convert = Callable[[Any, Path], Any]


@dataclass(frozen=True)
class Tag:
    """One tag; ``attributes`` holds Templates, plain strings, booleans and lists of Tags."""

    kind: str
    file: Path
    attributes: Mapping[str, Any]
    title: str

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or the default where the file does not give it."""
        return self.attributes.get(name, default)

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Makes a ValueError a LaunchError that names the file and this tag."""
        with _blame(self.file, self.title):
            yield


@dataclass(frozen=True)
class _Schema:
    required: Mapping[str, _Convert] = field(default_factory=dict)
    optional: Mapping[str, _Convert] = field(default_factory=dict)


def load_tags(file: Path) -> list[Tag]:
    """The tags of a launch file, checked; raises LaunchError and ConfigError."""
    if not file.is_file():
        known = ", ".join(path.name for path in sorted(file.parent.glob("*.launch.yaml")))
        raise LaunchError(
            f"{file}: there is no such launch file; its folder holds {known or 'none'}"
        )
    tree = read_yaml(file)
    with _blame(file, "top level"):
        if not isinstance(tree, dict) or list(tree) != ["launch"]:
            raise ValueError("must be one key `launch` with a list of tags")
        return _actions(tree["launch"], file)


@contextmanager
def _blame(file: Path, title: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise LaunchError(f"{file}: {title}: {error}") from None


def _actions(raw: Any, file: Path) -> list[Tag]:
    if not isinstance(raw, list):
        raise ValueError(f"must be a list of tags, not {raw!r}")
    return [_action(item, file) for item in raw]


def _action(raw: Any, file: Path) -> Tag:
    if not isinstance(raw, dict) or len(raw) != 1:
        raise ValueError(f"each item of the list must be one tag with its attributes, not {raw!r}")
    ((kind, attributes),) = raw.items()
    if kind not in _ACTIONS:
        raise ValueError(f"tag {kind!r} is not supported; known are: {', '.join(_ACTIONS)}")
    if kind == "group" and isinstance(attributes, list):
        attributes = {"children": attributes}
    return _tag(kind, attributes, file, _ACTIONS[kind])


def _tag(kind: str, raw: Any, file: Path, schema: _Schema) -> Tag:
    if not isinstance(raw, dict):
        raise ValueError(f"{kind} must have attributes, not {raw!r}")
    known = {**schema.required, **schema.optional}
    label = next((raw[key] for key in ("name", "exec", "file", "cmd", "from") if key in raw), "")
    title = f"{kind} {label!r}" if label else kind
    attributes = {}
    with _blame(file, title):
        for name, value in raw.items():
            if name not in known:
                raise ValueError(
                    f"attribute {name!r} is not supported; known are: {', '.join(known)}"
                )
            try:
                attributes[name] = known[name](value, file)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        for name in schema.required:
            if name not in raw:
                raise ValueError(f"attribute {name!r} is missing")
        if "if" in raw and "unless" in raw:
            raise ValueError("`if` and `unless` exclude each other")
    return Tag(kind, file, attributes, title)


def _string(raw: Any, file: Path) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"{raw!r} must be a string: write it in quotes")
    return raw


def _plain(raw: Any, file: Path) -> str:
    return unescape(_string(raw, file))


def _template(raw: Any, file: Path) -> Template:
    return parse(_string(raw, file))


def _one_of(*allowed: str) -> _Convert:
    def convert(raw: Any, file: Path) -> str:
        if raw not in allowed:
            raise ValueError(f"{raw!r} is not supported; known are: {', '.join(allowed)}")
        return raw

    return convert


def _boolean(raw: Any, file: Path) -> bool:
    if not isinstance(raw, bool):
        raise ValueError(f"{raw!r} must be true or false, without quotes")
    return raw


def _parameter_value(raw: Any, file: Path) -> Any:
    """A Template, a scalar, or a list of these of one type."""
    if isinstance(raw, str):
        return parse(raw)
    if not isinstance(raw, list):
        return uniform(raw, raw)
    uniform([item for item in raw if not (isinstance(item, str) and "$(" in item)], raw)
    return [parse(item) if isinstance(item, str) else item for item in raw]


def _parts(kind: str) -> _Convert:
    def convert(raw: Any, file: Path) -> list[Tag]:
        if not isinstance(raw, list) or not raw:
            raise ValueError(f"must be a list, not {raw!r}")
        return [_tag(kind, item, file, _PARTS[kind]) for item in raw]

    return convert


_CONDITION = {"if": _template, "unless": _template}
_PROCESS = {
    "output": _one_of("screen", "log", "both"),
    "on_exit": _one_of("shutdown"),
    "env": _parts("env"),
    **_CONDITION,
}
_ASSIGNMENT = _Schema({"name": _template, "value": _template})

_PARTS = {
    "choice": _Schema({"value": _plain}),
    "env": _ASSIGNMENT,
    "include arg": _ASSIGNMENT,
    "remap": _Schema({"from": _template, "to": _template}),
    "param": _Schema(
        {},
        {
            "name": _template,
            "value": _parameter_value,
            "type": _one_of(*CONVERTERS),
            "param": _parts("param"),
            "from": _template,
        },
    ),
}

_ACTIONS = {
    "arg": _Schema(
        {"name": _plain},
        {"default": _template, "description": _plain, "choice": _parts("choice"), **_CONDITION},
    ),
    "let": _Schema(_ASSIGNMENT.required, _CONDITION),
    "set_env": _Schema(_ASSIGNMENT.required, _CONDITION),
    "group": _Schema({"children": _actions}, {"scoped": _boolean, **_CONDITION}),
    "push-ros-namespace": _Schema({"namespace": _template}, _CONDITION),
    "include": _Schema({"file": _template}, {"arg": _parts("include arg"), **_CONDITION}),
    "node": _Schema(
        {"pkg": _template, "exec": _template},
        {
            "name": _template,
            "namespace": _template,
            "args": _template,
            "ros_args": _template,
            "param": _parts("param"),
            "remap": _parts("remap"),
            **_PROCESS,
        },
    ),
    "executable": _Schema({"cmd": _template}, {"name": _template, **_PROCESS}),
}
