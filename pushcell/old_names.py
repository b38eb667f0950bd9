"""Names that have changed: for one release the old ones are accepted, with a warning.

Everything that a user types or keeps in files is translated here and nowhere else.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

COMMANDS = {"lessons": "dagger", "sweep": "study"}
"""Renamed commands of ``pushcell``."""

DEMONSTRATORS = {"operator": "scripted_operator", "steady": "memoryless_expert"}
"""Renamed demonstrators, in commands and in folders of generated episodes."""

GENERATION_FILE = "recipe.yaml"
"""What a folder of generated episodes calls its ``generation.yaml``."""

NODES = {
    "listener_node": "null_arm_node",
    "retrace_node": "trajectory_replay_node",
    "stills_node": "calibration_render_node",
    "touch_node": "touch_check_node",
}
"""Renamed programs of pushcell_ros, in a user's own launch files."""

OPTIONS: dict[str, dict[str, str]] = {
    "dagger": {"--lessons": "--rollouts", "--student": "--policy"},
    "export": {"--eye": "--pose-estimator"},
}
"""Command -> its renamed options."""

SHIPPED: dict[str, dict[str, str]] = {
    "launch file": {"retrace": "trajectory_replay", "touch": "touch_check"},
    "training": {
        "pusht_eye": "pusht_pose_estimator",
        "target_eye": "target_pose_estimator",
    },
}
"""Kind of a shipped file, as ``pushcell/shipped.py`` calls it -> its renamed files."""

TRAINING_KEYS = {
    "observation.slider_from": "observation.pose_from",
    "policy.arm": "policy.lever_arm",
    "policy.even_actions": "policy.per_step_loss_weights",
}
"""Renamed keys of ``config/train/*.yaml``."""

TRAINING_VALUES = {"policy.network.kind": {"planar": "object_frame"}}
"""Key of ``config/train/*.yaml`` -> its renamed values."""


def warn(old: str, new: str, where: str = "") -> None:
    """Tell on standard error which name to use."""
    place = f"{where}: " if where else ""
    text = f"warning: {place}{old} is now called {new}; the next release takes the new name only"
    print(text, file=sys.stderr)


def renamed(name: str, names: Mapping[str, str], where: str = "") -> str:
    """The new name of an old one, with a warning; any other name as it is."""
    if name not in names:
        return name
    warn(name, names[name], where)
    return names[name]


def renamed_options(command: str, words: Sequence[str]) -> list[str]:
    """The words of a command line with its options' new names."""
    options = OPTIONS.get(command, {})
    found = []
    for word in words:
        option, *value = word.split("=", 1)
        found.append("=".join([renamed(option, options, f"pushcell {command}"), *value]))
    return found


def renamed_training(values: Any, origin: str, warns: bool = True) -> Any:
    """The plain values of a training's configuration with their new names."""
    for old, new in TRAINING_KEYS.items():
        section, key = _section_of(values, old)
        if section is not None and key in section:
            if warns:
                warn(old, new, origin)
            section = _replaced(section, key, new.rpartition(".")[2])
            values = _with_section(values, old.split(".")[:-1], section)
    for place, names in TRAINING_VALUES.items():
        section, key = _section_of(values, place)
        value = None if section is None else section.get(key)
        if isinstance(value, str) and value in names:
            if warns:
                warn(f"{place}: {value}", names[value], origin)
            assert section is not None
            values = _with_section(values, place.split(".")[:-1], {**section, key: names[value]})
    return values


def _section_of(values: Any, place: str) -> tuple[dict[str, Any] | None, str]:
    """The section that a key is in, if there is such a section, and the key's last part."""
    *parts, key = place.split(".")
    for part in parts:
        values = values.get(part) if isinstance(values, dict) else None
    return (values if isinstance(values, dict) else None), key


def _replaced(section: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """A section with one key renamed in its place; the new name counts where both are given."""
    if new in section:
        return {key: value for key, value in section.items() if key != old}
    return {new if key == old else key: value for key, value in section.items()}


def _with_section(values: Any, parts: Sequence[str], section: dict[str, Any]) -> Any:
    """A copy of nested sections with another one at a place."""
    if not parts:
        return section
    return {**values, parts[0]: _with_section(values[parts[0]], parts[1:], section)}
