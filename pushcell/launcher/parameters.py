"""A node's parameters: evaluated as launch_ros does, and written as the files that rcl reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pushcell.launcher.coercion import CONVERTERS, uniform
from pushcell.launcher.model import ParameterGroup, ParameterValue, RosArguments
from pushcell.launcher.substitutions import Scope, evaluate, is_plain
from pushcell.launcher.tags import Tag


def parameter_groups(tags: list[Tag], scope: Scope) -> tuple[ParameterGroup, ...]:
    """The values and files of ``param`` tags, in order; raises LaunchError."""
    groups: list[ParameterGroup] = []
    for tag in tags:
        if "from" in tag.attributes:
            groups.append(_file(tag, scope))
            continue
        values = dict(_values(tag, scope, prefix=""))
        if groups and isinstance(groups[-1], dict):
            groups[-1].update(values)
        else:
            groups.append(values)
    return tuple(groups)


def parameter_files(ros: RosArguments, folder: Path, label: str) -> list[Path]:
    """The ``--params-file`` arguments, in order; writes the inline values under ``folder``."""
    target = "/**"
    if ros.name and ros.namespace:
        target = f"{ros.namespace.rstrip('/')}/{ros.name}"
    files: list[Path] = []
    for group in ros.parameters:
        if isinstance(group, Path):
            files.append(group)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{label}.{len(files)}.yaml"
        path.write_text(
            yaml.dump({target: {"ros__parameters": group}}, default_flow_style=False),
            encoding="utf-8",
        )
        files.append(path)
    return files


def _file(tag: Tag, scope: Scope) -> Path:
    with tag.blamed():
        if len(tag.attributes) > 1:
            raise ValueError("`from` goes with no other attribute")
        path = Path(evaluate(tag.get("from"), scope))
        if not path.is_file():
            raise ValueError(f"there is no parameter file {path}")
        return path


def _values(tag: Tag, scope: Scope, prefix: str) -> Iterator[tuple[str, ParameterValue]]:
    with tag.blamed():
        kinds = {"value", "param"} & set(tag.attributes)
        if "name" not in tag.attributes or len(kinds) != 1:
            raise ValueError("must have a `name` and one of `value` and `param`")
        name = prefix + evaluate(tag.get("name"), scope)
        if "value" in tag.attributes:
            yield name, _value(tag.get("value"), tag.get("type"), scope)
        elif "type" in tag.attributes:
            raise ValueError("`type` goes with `value`, not with nested parameters")
    for nested in tag.get("param", ()):
        yield from _values(nested, scope, prefix=f"{name}.")


def _value(raw: Any, kind: str | None, scope: Scope) -> ParameterValue:
    if kind == "yaml":
        kind = None
    if isinstance(raw, list):
        item_kind = kind.removeprefix("list_of_") if kind else None
        value = uniform([_scalar(item, item_kind, scope) for item in raw], raw)
    else:
        value = _scalar(raw, kind, scope)
    if kind and _kind_of(value) not in (kind, "list"):
        raise ValueError(f"{value!r} is {_kind_of(value)}, not {kind}; mind the quotes")
    return value


def _scalar(raw: Any, kind: str | None, scope: Scope) -> Any:
    if not isinstance(raw, tuple):
        return raw
    text = evaluate(raw, scope)
    return text if is_plain(raw) else CONVERTERS[kind or "yaml"](text)


def _kind_of(value: Any) -> str:
    if isinstance(value, list):
        return f"list_of_{type(value[0]).__name__}" if value else "list"
    return type(value).__name__
