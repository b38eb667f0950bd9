"""CellConfig: the one tree that is the schema of ``config/cell.*.yaml``.

SI units and radians throughout, said in each key's name. Every key is required, unknown keys
are errors, and no number may be NaN or infinite: a cell that is described wrongly must fail
here, with the name of the key, and not in front of the arm.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from pushcell.config.arm import ArmConfig
from pushcell.config.bounds import safety_problems
from pushcell.config.calibration import CameraCalibrationConfig
from pushcell.config.motion import MotionConfig, WorkspaceConfig
from pushcell.config.recording import RecordingConfig
from pushcell.config.strict_yaml import read_yaml
from pushcell.config.types import (
    Colour,
    Length,
    Name,
    NonNegative,
    Positive,
    Rate,
    Section,
    Vector2,
    Vector3,
)
from pushcell.config.validation import describe
from pushcell.errors import ConfigError
from pushcell.geometry import PlanarPose, Pose
from pushcell.shipped import CELLS

SliderName = Literal["t", "triangle", "box", "pentagon", "hexagon", "cross", "s"]


class PusherConfig(Section):
    """The rigid cylinder on the arm's last link, pointing straight down.

    With ``tip_yaw_free`` the arm may turn the last link about the vertical, by which the round
    pusher does not change: it then has one joint more to get everywhere with.
    """

    radius_m: Length
    length_m: Length
    tip_offset_m: Length
    tip_height_m: Length
    tip_yaw_rad: float
    tip_yaw_free: bool = False
    mass_kg: Positive
    colour: Colour


class TableConfig(Section):
    """The table; its top is z = 0 of the base frame."""

    size_m: tuple[Positive, Positive]
    centre_m: Vector2


class SuccessConfig(Section):
    """When a trial counts as a success."""

    position_m: Positive
    angle_rad: Positive
    pusher_home_m: Positive
    time_limit_s: Positive


class TaskConfig(Section):
    """What is pushed where, from where, and how well."""

    slider: SliderName
    centre_of_mass_m: Vector2
    goal: Vector3
    pusher_home_m: Vector2
    start_box_m: tuple[Positive, Positive]
    success: SuccessConfig

    @functools.cached_property
    def goal_pose(self) -> PlanarPose:
        """The slider's goal in the base frame."""
        return PlanarPose.from_array(self.goal)


class TeleopConfig(Section):
    """A person's hand on the pusher; speeds are of a stick pushed all the way."""

    camera: Name
    full_stick_m_s: Positive
    slow_factor: Annotated[float, Field(gt=0, le=1)]
    fast_factor: Annotated[float, Field(ge=1)]
    lead_m: Positive


class CameraSourceConfig(Section):
    """Where a real camera's frames come from; 0 leaves exposure [us] and white balance [K] alone.

    ``driver`` is realsense, uvc, file, recording, simulated, or one's own as module:function;
    ``device`` a serial number, /dev/video0, or the path of a file or recording.
    """

    driver: Name = "realsense"
    device: str = ""
    exposure_us: Annotated[int, Field(ge=0)] = 0
    white_balance_k: Annotated[int, Field(ge=0)] = 0


class CameraConfig(Section):
    """A pinhole camera; fixed to the arm's base or tip link, the pose is of its optical frame."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    link: Name
    xyz_m: Vector3
    rpy_rad: Vector3
    width_px: Annotated[int, Field(ge=16, le=4096)]
    height_px: Annotated[int, Field(ge=16, le=4096)]
    fx_px: Positive
    fy_px: Positive
    cx_px: Positive
    cy_px: Positive
    rate_hz: Rate
    source: CameraSourceConfig | None = None

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.width_px, self.height_px

    @property
    def pose_in_link(self) -> Pose:
        """The optical frame in the link that carries the camera."""
        return Pose.from_xyz_rpy(self.xyz_m, self.rpy_rad)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) pinhole matrix [px]."""
        return np.array([[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1]])

    @property
    def distortion(self) -> np.ndarray:
        """(5,) none: what a real lens does is measured by ``pushcell calibrate``."""
        return np.zeros(5)

    def resized(self, width_px: int, height_px: int) -> CameraConfig:
        """The camera whose image is this one's squeezed; a pixel's centre is a whole number."""
        x, y = width_px / self.width_px, height_px / self.height_px
        return self.model_copy(
            update={
                "width_px": width_px,
                "height_px": height_px,
                "fx_px": self.fx_px * x,
                "fy_px": self.fy_px * y,
                "cx_px": (self.cx_px + 0.5) * x - 0.5,
                "cy_px": (self.cy_px + 0.5) * y - 0.5,
            }
        )


class FrictionConfig(Section):
    """Coulomb friction of the physics."""

    slider_table: NonNegative
    slider_pusher: NonNegative


class PhysicsConfig(Section):
    """The target world's physics."""

    time_step_s: Annotated[float, Field(gt=0, le=0.01)]
    friction: FrictionConfig
    slider_mass_kg: Positive
    slider_height_m: Positive


class AppearanceConfig(Section):
    """How a world looks to its cameras."""

    table: Colour
    slider: Colour
    background: Colour
    light: Colour
    shadows: bool


class SimulationConfig(Section):
    """The simulated cell: it shows what a real one would, at a real one's rates."""

    physics: PhysicsConfig
    limit_surface_c_m: Positive
    target: AppearanceConfig
    source: AppearanceConfig
    state_rate_hz: Rate
    camera_latency_s: NonNegative

    @property
    def camera_latency_ns(self) -> int:
        """From a picture's capture to its arrival."""
        return round(1e9 * self.camera_latency_s)

    def state_before_ns(self, time_ns: int) -> int:
        """The stamp of the last state up to a time."""
        return _whole_periods_ns(self.state_rate_hz, time_ns)

    def capture_before_ns(self, rate_hz: float, time_ns: int) -> int:
        """The stamp of a camera's last picture up to a time: that of the state it shows."""
        return self.state_before_ns(_whole_periods_ns(rate_hz, time_ns))


def _whole_periods_ns(rate_hz: float, time_ns: int) -> int:
    period_ns = round(1e9 / rate_hz)
    return time_ns // period_ns * period_ns


class CellConfig(Section):
    """Everything that describes one work cell."""

    arm: ArmConfig
    pusher: PusherConfig
    table: TableConfig
    workspace: WorkspaceConfig
    task: TaskConfig
    motion: MotionConfig
    teleop: TeleopConfig
    cameras: Annotated[tuple[CameraConfig, ...], Field(min_length=1)]
    recording: RecordingConfig
    simulation: SimulationConfig | None = None
    calibration: tuple[CameraCalibrationConfig, ...] = ()
    allow_unsafe: tuple[Name, ...] = ()  # keys whose values may be beyond their bounds

    @model_validator(mode="after")
    def _safe(self) -> CellConfig:
        problems = list(safety_problems(self))
        if problems:
            raise ValueError("\n  ".join(problems))
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> CellConfig:
        half = np.array(self.table.size_m) / 2
        off_table = np.abs(np.array(self.workspace.corners_m) - self.table.centre_m) - half
        if (off_table > 0).any():
            corner = self.workspace.corners_m[int(np.argmax(off_table.max(axis=1)))]
            low, high = self.table.centre_m - half, self.table.centre_m + half
            raise _problem(
                "workspace.corners_m", corner, f"corners on the table, x y from {low} to {high}"
            )
        allowed = f"points inside workspace.corners_m {list(self.workspace.corners_m)}"
        if not self.workspace.polygon.contains(self.task.goal[:2]):
            raise _problem("task.goal", self.task.goal, allowed)
        if not self.workspace.polygon.contains(self.task.pusher_home_m, self.workspace.margin_m):
            raise _problem(
                "task.pusher_home_m", self.task.pusher_home_m, f"{allowed}, off its margin_m"
            )
        names = [camera.name for camera in self.cameras]
        if len(set(names)) != len(names):
            raise _problem("cameras", names, "a different name for each camera")
        links = (self.arm.model.base_link, self.arm.model.tip_link)
        for camera in self.cameras:
            if camera.link not in links:
                raise _problem(f"cameras ({camera.name}) link", camera.link, " or ".join(links))
        fixed = [camera.name for camera in self.cameras if camera.link == links[0]]
        if self.teleop.camera not in fixed:
            raise _problem("teleop.camera", self.teleop.camera, f"a camera on the base: {fixed}")
        jump_m = self.motion.first_target_max_jump_m
        if self.teleop.lead_m > jump_m:
            raise _problem(
                "teleop.lead_m",
                self.teleop.lead_m,
                f"up to motion.first_target_max_jump_m {jump_m}",
            )
        calibrated = [entry.camera for entry in self.calibration]
        if len(set(calibrated)) != len(calibrated) or not set(calibrated) <= set(names):
            raise _problem("calibration", calibrated, f"each of the cameras {names} once at most")
        return self

    @property
    def simulated(self) -> SimulationConfig:
        """The simulation's section; raises ConfigError for a cell that has none."""
        if self.simulation is None:
            raise ConfigError(
                "this cell is not simulated: its file has no section simulation; choose one that  "
                "has, such as sim"
            )
        return self.simulation

    def calibration_of(self, camera: str) -> CameraCalibrationConfig:
        """The files of a camera; none where it was not calibrated."""
        for entry in self.calibration:
            if entry.camera == camera:
                return entry
        return CameraCalibrationConfig(camera=camera)

    def camera(self, name: str) -> CameraConfig:
        """The camera of that name."""
        for camera in self.cameras:
            if camera.name == name:
                return camera
        known = ", ".join(camera.name for camera in self.cameras)
        raise ConfigError(f"the cell has no camera {name!r}; it has {known}")


def load_cell(name: str | Path) -> CellConfig:
    """The cell of a shipped name or of a YAML file, checked.

    Raises ConfigError naming file, key, value and what is allowed.
    """
    path = CELLS.find(name)
    return cell_from_dict(read_yaml(path), str(path), path.parent)


def cell_from_dict(values: Any, origin: str, folder: Path = Path()) -> CellConfig:
    """Check plain values; ``origin`` stands for the file in messages, files are in ``folder``."""
    try:
        return CellConfig.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError(f"{origin}:\n  {describe(error, values)}") from None


def _problem(key: str, value: object, allowed: str) -> ValueError:
    return ValueError(f"{key} is {value}, allowed: {allowed}")
