"""The sections of the bundle's manifest; `bundle_format` puts them together."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field, JsonValue, model_validator

from pushcell.cameras.image_transform import SCALE
from pushcell.config.cell import CameraConfig, CellConfig, SliderName
from pushcell.config.types import Fraction, Name, NonNegative, Positive, Section, Vector2, Vector3

StateKey = Literal["pusher", "slider", "goal"]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Pixels = Annotated[int, Field(ge=8, le=4096)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CameraGeometry(Section):
    """A camera's pose on its link and its pinhole, at the size that its images are stored in."""

    link: Name
    xyz_m: Vector3
    rpy_rad: Vector3
    fx_px: Positive
    fy_px: Positive
    cx_px: float
    cy_px: float


class CameraInput(Section):
    """How a camera's image becomes an input: squeezed to the stored size, cropped, scaled."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    width_px: Pixels
    height_px: Pixels
    crop_width_px: Pixels
    crop_height_px: Pixels
    colour_order: Literal["rgb", "bgr"] = "rgb"
    scale: Positive = SCALE
    geometry: CameraGeometry | None

    @model_validator(mode="after")
    def _crop_fits(self) -> CameraInput:
        crop, size = self.crop_px, self.size_px
        if crop[0] > size[0] or crop[1] > size[1]:
            raise ValueError(f"the crop {crop} px is larger than the stored image {size} px")
        return self

    @classmethod
    def of(
        cls, camera: CameraConfig, size_px: tuple[int, int], crop_px: tuple[int, int]
    ) -> CameraInput:
        """A cell's camera, its images stored as (width, height) and cropped in the middle."""
        stored = camera.resized(*size_px)
        return cls(
            name=camera.name,
            width_px=size_px[0],
            height_px=size_px[1],
            crop_width_px=crop_px[0],
            crop_height_px=crop_px[1],
            geometry=CameraGeometry(
                **{key: getattr(stored, key) for key in CameraGeometry.model_fields}
            ),
        )

    @property
    def key(self) -> str:
        """Name of the encoder's input for this camera."""
        return f"{self.name}_image"

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the stored image."""
        return self.width_px, self.height_px

    @property
    def crop_px(self) -> tuple[int, int]:
        """Width and height of the crop."""
        return self.crop_width_px, self.crop_height_px


class ObservationSpec(Section):
    """What the policy sees; the steps are 1 / rate_hz apart."""

    steps: Annotated[int, Field(ge=1, le=16)]
    keys: tuple[StateKey, ...]
    cameras: tuple[CameraInput, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> ObservationSpec:
        inputs = self.shapes
        if len(inputs) < len(self.keys) + len(self.cameras):
            raise ValueError(f"each key and camera may be given once, not {list(inputs)}")
        if set(inputs) <= {"goal"}:
            raise ValueError("a policy needs at least one key or camera besides the goal")
        return self

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The encoder's inputs and their shapes, with the leading 1."""
        shapes: dict[str, tuple[int, ...]] = {
            key: (1, 3) if key == "goal" else (1, self.steps, 3) for key in self.keys
        }
        for camera in self.cameras:
            size = (camera.crop_height_px, camera.crop_width_px)
            shapes[camera.key] = (1, self.steps, 3, *size)
        return shapes

    @property
    def calibration_sha256(self) -> str | None:
        """Of the cameras' geometries; None for a policy without calibrated cameras."""
        geometries = {c.name: c.geometry.model_dump() for c in self.cameras if c.geometry}
        if not geometries:
            return None
        return hashlib.sha256(json.dumps(geometries, sort_keys=True).encode()).hexdigest()


class ActionSpec(Section):
    """The chunk: ``horizon`` pusher positions [m], of which ``execute`` are meant to be used.

    ``relative_to_pusher``: counted from the newest observed pusher position. ``low`` and ``high``
    bound the absolute positions; what a policy asks for beyond is clipped.
    """

    horizon: Annotated[int, Field(ge=1, le=256)]
    execute: Count
    space: Literal["absolute", "relative_to_pusher"]
    low: Vector2
    high: Vector2

    @model_validator(mode="after")
    def _sensible(self) -> ActionSpec:
        if self.execute > self.horizon:
            raise ValueError(f"execute {self.execute} is more than the horizon {self.horizon}")
        if not (self.low[0] < self.high[0] and self.low[1] < self.high[1]):
            raise ValueError(f"the bounds must have low < high, not {self.low} and {self.high}")
        return self


class Range(Section):
    """What is mapped to [-1, 1], component by component."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @model_validator(mode="after")
    def _not_empty(self) -> Range:
        if len(self.low) != len(self.high) or not all(
            a < b for a, b in zip(self.low, self.high, strict=True)
        ):
            raise ValueError(f"a range needs low < high, not {self.low} and {self.high}")
        return self

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """(..., N) to [-1, 1], float32."""
        low, high = np.array(self.low), np.array(self.high)
        return ((np.asarray(values) - low) * (2 / (high - low)) - 1).astype(np.float32)

    def restore(self, values: np.ndarray) -> np.ndarray:
        """The inverse of ``normalise``, float64."""
        low, high = np.array(self.low), np.array(self.high)
        return (np.asarray(values, dtype=float) + 1) * ((high - low) / 2) + low


class Normaliser(Section):
    """Ranges of the action and of those observation keys that are normalised outside the graph."""

    data_set: Name
    action: Range
    keys: dict[StateKey, Range] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sizes(self) -> Normaliser:
        for key, size, values in (
            ("action", 2, self.action),
            *((k, 3, r) for k, r in self.keys.items()),
        ):
            if len(values.low) != size:
                raise ValueError(f"the range of {key} needs {size} numbers, not {len(values.low)}")
        return self


class DiffusionSchedule(Section):
    """DDPM training, and DDIM (eta 0) at run time; the names are diffusers'."""

    kind: Literal["diffusion"] = "diffusion"
    train_steps: Annotated[int, Field(ge=1, le=10_000)]
    beta_schedule: Literal["squaredcos_cap_v2", "linear"] = "squaredcos_cap_v2"
    prediction: Literal["epsilon", "v_prediction", "sample"]
    clip_sample: bool = True
    timestep_spacing: Literal["leading", "trailing"] = "leading"
    inference_steps: Annotated[int, Field(ge=1, le=1000)]

    @model_validator(mode="after")
    def _fits(self) -> DiffusionSchedule:
        if self.inference_steps > self.train_steps:
            raise ValueError(
                f"inference_steps {self.inference_steps} is more than train_steps "
                f"{self.train_steps}"
            )
        return self


class FlowSchedule(Section):
    """x_s = (1 - s) data + s noise, s from 1 to 0 by Euler; the prediction is noise - data.

    The network's ``timestep`` is s * train_steps, rounded.
    """

    kind: Literal["flow"] = "flow"
    train_steps: Annotated[int, Field(ge=1, le=10_000)] = 1000
    inference_steps: Annotated[int, Field(ge=1, le=1000)]


class DirectSchedule(Section):
    """No noise: one call gives the chunk (``act`` and ``nearest``)."""

    kind: Literal["direct"] = "direct"


Schedule = Annotated[DiffusionSchedule | FlowSchedule | DirectSchedule, Field(discriminator="kind")]


class CellTask(Section):
    """The task of a work cell, as ``CellConfig.task`` has it; metres and radians."""

    kind: Literal["cell"] = "cell"
    slider: SliderName
    centre_of_mass_m: Vector2
    goal: Vector3
    pusher_home_m: Vector2

    @classmethod
    def of(cls, cell: CellConfig) -> CellTask:
        """The task of a cell."""
        names = [name for name in cls.model_fields if name != "kind"]
        return cls(**{name: getattr(cell.task, name) for name in names})


class PushTTask(Section):
    """The Push-T benchmark: pixels of its 512 board, y down."""

    kind: Literal["pusht"] = "pusht"


class DataSetRecord(Section):
    """A data set that was trained on, and how much."""

    name: Name
    episodes: Count
    weight: Fraction


class TrainingRecord(Section):
    """How the policy came about; zeros where nothing was learned."""

    model_config = ConfigDict(populate_by_name=True)

    data_sets: tuple[DataSetRecord, ...]
    steps: Annotated[int, Field(ge=0)]
    seed: int
    parameters: Annotated[int, Field(ge=0)]
    validation_loss: NonNegative | None = None
    calibration_sha256: Sha256 | None = None  # of the cell's calibration files
    configuration: dict[str, JsonValue] = Field(default_factory=dict)
    pose_estimator: TrainingRecord | None = Field(default=None, alias="eye")
    """Of the pose estimator, if there is one. In files its key is ``eye``, which the bundle's
    hash covers."""


class ParityRecord(Section):
    """The training framework against ONNX Runtime: the whole chunk, in normalised units."""

    frames: Count
    max_abs: NonNegative
    tolerance: Positive = 1e-4


class LatencyRecord(Section):
    """One chunk, observation to actions, as measured."""

    machine: Name
    threads: Count
    chunks: Count
    p50_ms: Positive
    p95_ms: Positive
    p99_ms: Positive


class FileRecord(Section):
    """A file of the bundle."""

    sha256: Sha256
    size: Annotated[int, Field(ge=1, le=2**30)]
