"""Paths to a number in a message, such as ``spot.east``, ``data[0]`` or ``poses[1].position.x``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_PART = re.compile(r"(?P<name>[A-Za-z_]\w*)(?P<indices>(\[\d+\])*)")


def parse_path(path: str) -> list[str | int]:
    """The names and indices of a path; ValueError for one that is malformed."""
    parts: list[str | int] = []
    for part in path.split("."):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError("allowed: names and indices, such as spot.east, data[0] or a[1].b.x")
        parts.append(found["name"])
        parts += [int(index) for index in re.findall(r"\d+", found["indices"])]
    return parts


def number_at(path: str) -> Callable[[Any], float]:
    """Reads the number at a path; what it returns raises ValueError for a message without it."""
    parts = parse_path(path)

    def read(message: Any) -> float:
        value = message
        try:
            for part in parts:
                value = value[part] if isinstance(part, int) else getattr(value, part)
            return float(value)
        except (AttributeError, IndexError, TypeError) as error:
            raise ValueError(f"messages without {path!r}, the mapping's field ({error})") from None

    return read
