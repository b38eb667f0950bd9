"""A node's parameters: evaluated as launch_ros does, and written as the files that rcl reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pushcell.launcher.coercion import CONVERTERS, uniform
from pushcell.launcher.model import ParameterGroup, ParameterValue, RosArguments
from pushcell.launcher.substitutions import Scope, evaluate, is_plain
from pushcell.launcher.tags import Tag


def parameter_groups(tags: list[Tag], scope: Scope) -> tuple[ParameterGroup, ...]:
    """One group of values, or one file, for each ``param`` tag; raises LaunchError."""
    return tuple(_group(tag, scope) for tag in tags)


def parameter_files(ros: RosArguments, folder: Path, label: str) -> list[Path]:
    """The ``--params-file`` arguments, in order; writes the inline values under ``folder``."""
    target = "/**"
    if ros.name and ros.namespace:
        target = f"{ros.namespace.rstrip('/')}/{ros.name}"
    files: list[Path] = []
    for is_file, groups in itertools.groupby(ros.parameters, lambda group: isinstance(group, Path)):
        if is_file:
            files += groups  # type: ignore[arg-type]
            continue
        values = {name: value for group in groups for name, value in group.items()}  # type: ignore[union-attr]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{label}.{len(files)}.yaml"
        path.write_text(
            yaml.dump({target: {"ros__parameters": values}}, default_flow_style=False),
            encoding="utf-8",
        )
        files.append(path)
    return files


def _group(tag: Tag, scope: Scope) -> ParameterGroup:
    if "from" not in tag.attributes:
        return dict(_values(tag, scope, prefix=""))
    with tag.blamed():
        if len(tag.attributes) > 1:
            raise ValueError("`from` goes with no other attribute")
        path = Path(evaluate(tag.get("from"), scope))
        if not path.is_file():
            raise ValueError(f"there is no parameter file {path}")
        return path


def _values(tag: Tag, scope: Scope, prefix: str) -> Iterator[tuple[str, ParameterValue]]:
    with tag.blamed():
        if "name" not in tag.attributes or ("value" in tag.attributes) == (
            "param" in tag.attributes
        ):
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
