"""Typed values from text, by the rules that launch and launch_ros apply to parameters."""

from __future__ import annotations

from collections.abc import Callable

import yaml

from pushcell.launcher.model import ParameterValue

_SCALARS = (bool, int, float, str)


def to_bool(text: str) -> bool:
    """true, false, 1, 0 and YAML's other words for them; raises ValueError."""
    if text in ("1", "0"):
        return text == "1"
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = None
    if not isinstance(value, bool):
        raise ValueError(f"{text!r} is neither true nor false")
    return value


def from_yaml(text: str) -> ParameterValue:
    """The scalar, or list of scalars of one type, that the text is as YAML; raises ValueError."""
    if not text:
        return text
    try:
        return uniform(yaml.safe_load(text), text)
    except yaml.YAMLError:
        raise ValueError(f"{text!r} is not YAML; give the parameter `type: str`") from None


def uniform(value: object, text: object) -> ParameterValue:
    """``value`` if ROS has a parameter type for it; raises ValueError quoting ``text``."""
    items = value if isinstance(value, list) else [value]
    if all(type(item) in _SCALARS and type(item) is type(items[0]) for item in items):
        return value  # type: ignore[return-value]
    raise ValueError(
        f"{text!r} is no parameter: it must be a bool, int, float or string, or a list of one type"
    )


def _list_of(kind: type) -> Callable[[str], ParameterValue]:
    def convert(text: str) -> ParameterValue:
        value = from_yaml(text)
        if not isinstance(value, list) or any(type(item) is not kind for item in value):
            raise ValueError(f"{text!r} is no list of {kind.__name__}")
        return value

    return convert


CONVERTERS: dict[str, Callable[[str], ParameterValue]] = {
    "str": str,
    "bool": to_bool,
    "int": int,
    "float": float,
    "yaml": from_yaml,
    **{f"list_of_{kind.__name__}": _list_of(kind) for kind in _SCALARS},
}
