"""Ways in which a simulated world may differ from the cell as configured, in levels.

Level 1 is no shift; of `colour_randomisation` it is the source world's usual jitter, which the
target world has only when asked. Everything happens here: `shifted_cell` changes what is pushed
where, `VisualRandomization` what the cameras see, anew for each episode. Only late chunks and lost
frames are up to who runs the policy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from pushcell.config.cell import AppearanceConfig, CameraConfig, CellConfig
from pushcell.errors import ConfigError
from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.task import SLIDERS

World = Literal["source", "target"]

COLOUR_MEAN = (0.0, 0.05, 0.2, 0.5)  # how far each colour is moved in the unit cube
COLOUR_RANDOMISATION = (0.025, 0.1, 0.5, math.inf)  # of an even jitter; the last: any colour at all
CAMERA_YAW_RAD = (0.0, math.pi / 16, math.pi / 8, math.pi / 4)
CENTRE_OF_MASS_Y_M = (0.0, 0.03, -0.03, -0.06)
GOAL_Y_M = (0.0, -0.025, -0.05, -0.10)
CAMERA_BUMP_M = (0.0, 0.002, 0.005, 0.015)  # each camera, in a random direction
CAMERA_BUMP_RAD = (0.0, math.radians(0.5), math.radians(1.0), math.radians(3.0))  # any axis
LATENCY_S = (0.0, 0.05, 0.15, 0.3)  # besides what a chunk takes anyway
FRAME_LOSS = (0.0, 0.1, 0.3, 0.6)  # probability of each frame of each camera, or slider's pose

_LEVELS = ("1", "2", "3", "4")
SHIFTS: dict[str, tuple[str, ...]] = {
    "colour_mean": _LEVELS,
    "colour_randomisation": _LEVELS,
    "camera": _LEVELS,
    "centre_of_mass": _LEVELS,
    "goal": _LEVELS,
    "object": tuple(SLIDERS),
    "camera_bump": _LEVELS,
    "latency": _LEVELS,
    "frame_loss": _LEVELS,
}
"""Name -> its levels."""
VISUAL_SHIFTS = ("colour_mean", "colour_randomisation", "camera", "camera_bump")
RUN_TIME_SHIFTS = ("camera_bump", "latency", "frame_loss")
"""What happens to a cell while a policy runs: nothing to learn from, only to be tried."""

# The source world's cameras are not quite where the cell's, which are the target world's, are.
_CAMERA_OFFSET_M = (0.004, -0.003, 0.005)
_CAMERA_OFFSET_RAD = (0.007, -0.005, 0.005)
_CAMERA_JITTER_M = 0.01
_CAMERA_JITTER_RAD = math.radians(1.0)
_COLOURED = ("table", "slider", "background")


@dataclass(frozen=True)
class Shifts:
    """Names and levels, and whether the source world looks and moves otherwise than the target."""

    levels: Mapping[str, str] = field(default_factory=dict)
    visual_gap: bool = True
    physics_gap: bool = True

    def __post_init__(self) -> None:
        for name, level in self.levels.items():
            if name not in SHIFTS:
                raise ConfigError(f"there is no shift {name!r}; known are: {', '.join(SHIFTS)}")
            if level not in SHIFTS[name]:
                allowed = ", ".join(SHIFTS[name])
                raise ConfigError(f"shift {name} has no level {level!r}; allowed: {allowed}")
        visual = [name for name in VISUAL_SHIFTS if name in self.levels]
        if visual and not self.visual_gap:
            raise ConfigError(
                f"without a visual gap the source world looks as the target does: leave out the "
                f"shift of {', '.join(visual)}"
            )

    @classmethod
    def parse(
        cls, words: Iterable[str], visual_gap: bool = True, physics_gap: bool = True
    ) -> Shifts:
        """From words such as ``goal=3``; raises ConfigError that lists what is allowed."""
        levels: dict[str, str] = {}
        for word in words:
            name, equals, level = word.partition("=")
            name = name.replace("-", "_")
            if not equals or name in levels:
                raise ConfigError(f"shift {word!r}: give each shift once, as NAME=LEVEL")
            levels[name] = level
        return cls(levels, visual_gap, physics_gap)

    def value(self, name: str, values: tuple[float, ...]) -> float:
        """The value of a shift's level."""
        return values[int(self.levels.get(name, "1")) - 1]


def physics_of(world: World, shifts: Shifts) -> World:
    """Whose physics a world has."""
    return world if shifts.physics_gap else "target"


def shifted_cell(cell: CellConfig, shifts: Shifts) -> CellConfig:
    """The cell with another object, goal or centre of mass.

    The slider's frame is its centre of mass, so its goal moves along with that: the same
    outline on the table counts as the goal.
    """
    slider = shifts.levels.get("object", cell.task.slider)
    centre_y = shifts.value("centre_of_mass", CENTRE_OF_MASS_Y_M)
    x, y, theta = cell.task.goal
    goal = PlanarPose(x, y + shifts.value("goal", GOAL_Y_M), theta)
    if centre_y:
        goal = goal @ PlanarPose(0, centre_y, 0)
    old_x, old_y = cell.task.centre_of_mass_m
    task = cell.task.changed(
        slider=slider,
        centre_of_mass_m=(old_x, old_y + centre_y),
        goal=goal.as_array().tolist(),
    )
    return cell.changed(task=task.model_dump())


@dataclass(frozen=True)
class Visuals:
    """What one episode's cameras are and see."""

    appearance: AppearanceConfig
    cameras: tuple[CameraConfig, ...]


class VisualRandomization:
    """Draws the look of each episode of a world."""

    def __init__(self, cell: CellConfig, world: World, shifts: Shifts) -> None:
        self._cell = cell
        self._plain = world == "target" or not shifts.visual_gap
        self._shifts = shifts
        base = cell.simulated.target if self._plain else cell.simulated.source
        self._appearance = _moved(base, shifts.value("colour_mean", COLOUR_MEAN))
        self._range = shifts.value("colour_randomisation", COLOUR_RANDOMISATION)
        if self._plain and "colour_randomisation" not in shifts.levels:
            self._range = 0.0

    @property
    def vary(self) -> bool:
        """Whether the colours differ from episode to episode."""
        return self._range > 0

    def draw(self, rng: np.random.Generator) -> Visuals:
        """The look of one episode; the cameras that the arm carries are at most bumped."""
        cameras = tuple(
            self._moved_camera(camera, rng)
            if camera.link == self._cell.arm.model.base_link
            else camera
            for camera in self._cell.cameras
        )
        appearance = self._jittered(rng)
        return Visuals(appearance, tuple(self._bumped(camera, rng) for camera in cameras))

    def _jittered(self, rng: np.random.Generator) -> AppearanceConfig:
        if not self.vary:
            return self._appearance
        colours = {}
        for part in _COLOURED:
            mean, jitter = np.array(getattr(self._appearance, part)), rng.uniform(-1, 1, 3)
            any_colour = (jitter + 1) / 2
            near = np.clip(mean + self._range * jitter, 0, 1)
            colours[part] = tuple((any_colour if math.isinf(self._range) else near).tolist())
        return self._appearance.model_copy(update=colours)

    def _moved_camera(self, camera: CameraConfig, rng: np.random.Generator) -> CameraConfig:
        yaw = self._shifts.value("camera", CAMERA_YAW_RAD)
        if self._plain and not yaw:
            return camera
        pose = _turned_about(camera.pose_in_link, self._cell.task.goal_pose, -yaw)
        if not self._plain:
            shift = _CAMERA_OFFSET_M + _CAMERA_JITTER_M * rng.uniform(-1, 1, 3)
            turn = _CAMERA_OFFSET_RAD + _CAMERA_JITTER_RAD * rng.uniform(-1, 1, 3)
            pose = Pose(pose.translation + shift, pose.rotation) @ Pose.from_xyz_rpy(
                [0, 0, 0], turn
            )
        return _at(camera, pose)

    def _bumped(self, camera: CameraConfig, rng: np.random.Generator) -> CameraConfig:
        distance = self._shifts.value("camera_bump", CAMERA_BUMP_M)
        if not distance:
            return camera
        angle = self._shifts.value("camera_bump", CAMERA_BUMP_RAD)
        rotation, _ = cv2.Rodrigues(angle * _direction(rng))
        pose = camera.pose_in_link
        moved = Pose(pose.translation + distance * _direction(rng), pose.rotation @ rotation)
        return _at(camera, moved)


def _at(camera: CameraConfig, pose: Pose) -> CameraConfig:
    xyz, rpy = tuple(pose.translation.tolist()), tuple(pose.rpy.tolist())
    return camera.model_copy(update={"xyz_m": xyz, "rpy_rad": rpy})


def _direction(rng: np.random.Generator) -> Array:
    """(3,) a unit vector, any as likely."""
    way = rng.normal(size=3)
    return np.asarray(way / np.linalg.norm(way))


def _turned_about(pose: Pose, pivot: PlanarPose, yaw_rad: float) -> Pose:
    """A pose turned about the vertical axis through a point of the table."""
    axis = Pose.from_planar(PlanarPose(pivot.x, pivot.y, 0))
    return axis @ Pose.from_planar(PlanarPose(0, 0, yaw_rad)) @ axis.inverse() @ pose


def _moved(appearance: AppearanceConfig, distance: float) -> AppearanceConfig:
    """Each colour moved by a distance, in a direction of its own that is always the same."""
    if not distance:
        return appearance
    colours = {}
    for number, part in enumerate(_COLOURED):
        rng, colour = np.random.default_rng(number), np.array(getattr(appearance, part))
        while True:
            way = _direction(rng)
            furthest = colour + COLOUR_MEAN[-1] * way
            if ((furthest >= 0) & (furthest <= 1)).all():
                break
        colours[part] = tuple((colour + distance * way).tolist())
    return appearance.model_copy(update=colours)
