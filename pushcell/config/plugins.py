"""Drivers that live outside of this project, named as ``module:name``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from pushcell.errors import ConfigError

PLUGIN_PATTERN = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"


def load_plugin(name: str, key: str) -> Callable[..., Any]:
    """What ``module:name`` names; ``key`` is where it stands, for whoever has to mend it.

    Raises ConfigError when there is no such module, or no such name in it.
    """
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{key} = {name!r}: there is no module {error.name}; install it, or put its folder "
            "on PYTHONPATH"
        ) from None
    found = getattr(module, attribute, None)
    if not callable(found):
        raise ConfigError(
            f"{key} = {name!r}: {module.__file__} has no function or class of that name"
        )
    return found
