"""``--help`` of a node: what it is for, and its parameters."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pushcell_ros.params import allowed

_ROS_ARGUMENTS = "--ros-args"


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether a node's command line asks for help, outside of what is for ROS itself."""
    own = words[: words.index(_ROS_ARGUMENTS)] if _ROS_ARGUMENTS in words else words
    return "-h" in own or "--help" in own


def help_text(node: Any) -> str:
    """The text, of the node's class: its module's docstring and the fields of its ``Params``."""
    fields = dataclasses.fields(node.Params)
    purpose = sys.modules[node.__module__].__doc__ or ""
    width = max(len(field.name) for field in fields)
    lines = [f"  {field.name:<{width}}  {_words(field)}" for field in fields]
    usage = f"usage: {Path(sys.argv[0]).name} {_ROS_ARGUMENTS} -p NAME:=VALUE ..."
    return "\n".join([usage, "", purpose.strip().replace("``", "`"), "", "parameters:", *lines])


def _words(field: dataclasses.Field[Any]) -> str:
    bounds = allowed(field)
    default = f"default: {field.default!r}{bounds and f'; allowed: {bounds}'}"
    return f"{field.metadata['description']} ({default})"
