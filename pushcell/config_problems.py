"""Problems with a configuration in words: key, value, and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pushcell.errors import ConfigError
from pushcell.strict_yaml import read_yaml

Schema = TypeVar("Schema", bound=BaseModel)


def read_schema(schema: type[Schema], path: Path) -> Schema:
    """A YAML file's values; raises ConfigError naming file, key, value and what is allowed."""
    values = read_yaml(path)
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = "\n  ".join(describe(problem, values) for problem in error.errors())
        raise ConfigError(f"{path}:\n  {problems}") from None


def describe(problem: Any, values: Any) -> str:
    """One of pydantic's problems as a sentence; ``values`` are what was checked."""
    key = _key(problem["loc"], values)
    value = problem["input"]
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{key} = {value!r}: unknown key: it is misspelt, or stands in the wrong section"
    if kind == "missing":
        return f"{key}: missing key, it must be given"
    if kind == "union_tag_not_found":
        return f"{key}.kind: missing key, it must be given"
    if kind == "union_tag_invalid":
        context = problem["ctx"]
        return f"{key}.kind = {context['tag']!r}: allowed: {context['expected_tags']}"
    message = problem["msg"].removeprefix("Value error, ")
    if not key:
        return message
    return f"{key} = {value!r}: {message[0].lower()}{message[1:]}"


def _key(location: tuple[str | int, ...], values: Any) -> str:
    """The key as the file has it: pydantic's location holds a section's kind as a part too."""
    parts: list[str] = []
    for part in location:
        if isinstance(values, dict) and part not in values and values.get("kind") == part:
            continue
        parts.append(str(part))
        try:
            values = values[part]
        except (IndexError, KeyError, TypeError):  # what is named is missing, or has no parts
            values = None
    return ".".join(parts)
