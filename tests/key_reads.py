"""Which keys of a configuration the code reads, so that none is declared in vain."""

from __future__ import annotations

import functools
import sys

import pytest
from pydantic import BaseModel

from pushcell.config.types import Section

Keys = set[tuple[str, str]]
"""(section, key)."""


def keys_of(value: object) -> Keys:
    """Those of a section and of everything below it."""
    if isinstance(value, tuple):
        return set().union(*map(keys_of, value))
    if not isinstance(value, BaseModel):
        return set()
    found = {(type(value).__name__, name) for name in type(value).model_fields}
    return found.union(*(keys_of(getattr(value, name)) for name in type(value).model_fields))


def record(monkeypatch: pytest.MonkeyPatch, schema: tuple[str, ...]) -> Keys:
    """Fills with what is read from now on by modules whose names do not begin like the schema's."""
    read: Keys = set()
    plain = BaseModel.__getattribute__

    def recording(self, name):
        caller = sys._getframe(1)
        module = caller.f_globals.get("__name__", "")
        in_schema = module.startswith((*schema, "pydantic"))
        if not in_schema or _is_property(type(self), caller.f_code.co_name):
            read.add((type(self).__name__, name))
        return plain(self, name)

    monkeypatch.setattr(Section, "__getattribute__", recording, raising=False)
    return read


def _is_property(section: type[BaseModel], name: str) -> bool:
    """Whether a name is a property of the schema that stands for its keys, as a camera's matrix."""
    return isinstance(section.__dict__.get(name), (property, functools.cached_property))
