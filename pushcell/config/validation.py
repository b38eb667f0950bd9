"""Problems with a configuration in words: key, value, and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pushcell.config.strict_yaml import read_yaml
from pushcell.errors import ConfigError

_MOST_PROBLEMS = 10
_LONGEST_MESSAGE = 4000
Schema = TypeVar("Schema", bound=BaseModel)


def read_schema(schema: type[Schema], path: Path) -> Schema:
    """A YAML file's values; raises ConfigError naming file, key, value and what is allowed."""
    values = read_yaml(path)
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}:\n  {describe(error, values)}") from None


def describe(error: ValidationError, values: Any, between: str = "\n  ") -> str:
    """Pydantic's problems, a sentence each; ``values`` are what was checked."""
    problems = error.errors(include_url=False)
    sentences = [_sentence(problem, values) for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        sentences.append(f"and {len(problems) - _MOST_PROBLEMS} more problems")
    return between.join(sentences)


def _sentence(problem: Any, values: Any) -> str:
    key = _shown(_key(problem["loc"], values))
    value = _shown(repr(problem["input"]))
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"{key} = {value}: unknown key: it is misspelt, or stands in the wrong section"
    if kind == "missing":
        return f"{key}: missing key, it must be given"
    if kind == "union_tag_not_found":
        return f"{key}.kind: missing key, it must be given"
    if kind == "union_tag_invalid":
        context = problem["ctx"]
        return f"{key}.kind = {_shown(repr(context['tag']))}: allowed: {context['expected_tags']}"
    message = _shown(problem["msg"].removeprefix("Value error, "), _LONGEST_MESSAGE)
    if not key:
        return message
    return f"{key} = {value}: {message[0].lower()}{message[1:]}"


def _shown(text: str, longest: int = 200) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


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
