"""Values of a training that follow from its cell: outline, pusher radius and home.

A training file need not repeat them. They are filled in before the configuration is checked, so a
checkpoint contains them and does not change with the cell file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pushcell.config.cell import CellConfig, load_cell
from pushcell.task import slider_of

OF_OUTLINE = ("keypoints", "keypoints_from_pusher", "keypoints_from_goal", "pusher_at_edges")
"""Features that are computed from points of the slider."""


def with_cell_values(values: Any) -> Any:
    """Plain values of a training, with those filled in that its cell gives; a copy.

    Values that are given stay, and so do malformed ones: the schema reports them. Raises
    ConfigError for a cell that cannot be read.
    """
    if not isinstance(values, dict) or values.get("task", "cell") != "cell":
        return values
    observation: Any = values.get("observation")
    policy: Any = values.get("policy")
    missing_of_observation = _missing_of_observation(observation)
    lacks_corners = _is_pose(policy) and "corners" not in policy
    if not missing_of_observation and not lacks_corners:
        return values
    of_cell = _values_of(load_cell(Path(values.get("cell", "sim"))))
    filled = dict(values)
    if missing_of_observation:
        filled["observation"] = {
            **observation,
            **{key: of_cell[key] for key in missing_of_observation},
        }
    if lacks_corners:
        filled["policy"] = {**policy, "corners": of_cell["keypoints"]}
    return filled


def _missing_of_observation(observation: Any) -> list[str]:
    """The keys that the features need and the section does not have."""
    features = observation.get("features") if isinstance(observation, dict) else None
    if not isinstance(features, list | tuple):
        return []
    needed = {
        "keypoints": any(name in features for name in OF_OUTLINE),
        "pusher_radius": "pusher_at_edges" in features,
        "home": "pusher_near_home" in features,
    }
    return [key for key, is_needed in needed.items() if is_needed and key not in observation]


def _is_pose(policy: Any) -> bool:
    return isinstance(policy, dict) and policy.get("kind") == "pose"


def _values_of(cell: CellConfig) -> dict[str, Any]:
    """In metres, by the keys of the observation."""
    outline = slider_of(cell.task).outline
    return {
        "keypoints": outline.tolist(),
        "pusher_radius": cell.pusher.radius_m,
        "home": list(cell.task.pusher_home_m),
    }
