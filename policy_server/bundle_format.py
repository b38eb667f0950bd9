"""The policy bundle's manifest, ``bundle.yaml``: the one schema of what a policy needs and gives.

A bundle is a folder or a zip with ``bundle.yaml``, ``encoder.onnx``, ``denoiser.onnx`` and
``parity.npz``. What the graphs take and give, all float32 unless said otherwise, To observation
steps and H actions:

==================  ============================================  ===============================
graph               inputs                                        output
==================  ============================================  ===============================
``encoder.onnx``    one for each observation key: ``pusher`` and  ``embedding`` (1, D)
                    ``slider`` (1, To, 3), ``goal`` (1, 3),
                    ``<camera>_image`` (1, To, 3, h, w), cropped
``denoiser.onnx``   ``sample`` (1, H, 2), ``timestep`` (1,)       ``prediction`` (1, H, 2)
                    int64, ``embedding`` (1, D); with
                    ``max_prefix`` > 0 also ``prefix`` (1,) int64
``denoiser.onnx``   of ``act`` and ``nearest``: ``embedding``     ``prediction`` (1, H, 2): the
                    alone                                         normalised chunk itself
==================  ============================================  ===============================

Keys that the normaliser names are mapped from [low, high] to [-1, 1] before the encoder; the others
come as they are, in metres and radians (for Push-T: pixels). Images come as ``value / scale``.
Derived features are the encoder's business. Noise is always an input.

The first of To observations is the oldest; they are 1 / ``rate_hz`` apart, the last is the present.
The first of H actions is where the pusher is told to be one period later. ``prefix`` says how many
leading actions of ``sample`` are clean (already committed).

``parity.npz`` holds one real frame: an array for each encoder input, ``noise`` (1, H, 2) where the
policy takes noise, and ``chunk`` (1, H, 2), the normalised chunk that the training framework made
of it with the manifest's schedule and no prefix.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from policy_server.bundle_sections import (
    ActionSpec,
    CellTask,
    DirectSchedule,
    FileRecord,
    LatencyRecord,
    Normaliser,
    ObservationSpec,
    ParityRecord,
    PushTTask,
    Range,
    Schedule,
    Sha256,
    TrainingRecord,
)
from pushcell.bags.plain_yaml import yaml_text
from pushcell.config.types import NonNegative, Rate, Section
from pushcell.config.validation import describe
from pushcell.errors import BundleError

MANIFEST = "bundle.yaml"
ENCODER, DENOISER, PARITY = "encoder.onnx", "denoiser.onnx", "parity.npz"
FILES = (ENCODER, DENOISER, PARITY)
OPSET = 18
"""The ONNX operator set that graphs are exported with; loading takes no newer one."""

PolicyKind = Literal["diffusion", "flow", "act", "nearest", "programmed"]
"""How chunks are computed; ``programmed``: by code, nothing was learned."""


class Manifest(Section):
    """Everything that ``bundle.yaml`` says; a field left out has never been measured."""

    version: Literal[1] = 1
    kind: PolicyKind
    rate_hz: Rate
    observation: ObservationSpec
    action: ActionSpec
    normaliser: Normaliser
    schedule: Schedule
    max_prefix: Annotated[int, Field(ge=0)] = 0
    guidance: NonNegative = 0.0
    """Weight of classifier-free guidance, which the graphs contain."""
    task: Annotated[CellTask | PushTTask, Field(discriminator="kind")]
    calibration_sha256: Sha256 | None = None
    training: TrainingRecord
    parity: ParityRecord | None = None
    latency: LatencyRecord | None = None
    files: dict[str, FileRecord] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_together(self) -> Manifest:
        schedule = self.kind if self.kind in ("diffusion", "flow") else "direct"
        if self.schedule.kind != schedule:
            raise ValueError(f"kind {self.kind} needs schedule.kind {schedule}")
        if self.max_prefix and schedule == "direct":
            raise ValueError(f"kind {self.kind} takes no prefix: max_prefix must be 0")
        if self.max_prefix > self.action.horizon:
            raise ValueError(
                f"max_prefix {self.max_prefix} is more than the horizon {self.action.horizon}"
            )
        unknown = set(self.files) - set(FILES)
        if unknown:
            raise ValueError(f"files {sorted(unknown)} are unknown, allowed: {', '.join(FILES)}")
        for key in self.normaliser.keys:
            if key not in self.observation.keys:
                raise ValueError(f"the normaliser has {key}, which is not observed")
        if self.action.space == "relative_to_pusher" and "pusher" not in self.observation.keys:
            raise ValueError("actions relative to the pusher need the key pusher")
        if self.calibration_sha256 != self.observation.calibration_sha256:
            raise ValueError(
                f"calibration_sha256 is {self.calibration_sha256}, but the cameras' geometry has "
                f"{self.observation.calibration_sha256}"
            )
        return self

    @classmethod
    def programmed(
        cls,
        rate_hz: float,
        observation: ObservationSpec,
        action: ActionSpec,
        task: CellTask | PushTTask,
    ) -> Manifest:
        """Of a policy that is code: it has no data sets, no training and no normalised units."""
        return cls(
            kind="programmed",
            rate_hz=rate_hz,
            observation=observation,
            action=action,
            normaliser=Normaliser(data_set="none", action=Range(low=action.low, high=action.high)),
            schedule=DirectSchedule(),
            task=task,
            training=TrainingRecord(data_sets=(), steps=0, seed=0, parameters=0),
        )

    @property
    def sha256(self) -> str:
        """Names the policy: it covers all that is said here, and so every file's hash."""
        text = json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def is_generative(self) -> bool:
        """Whether chunks are made of noise."""
        return self.schedule.kind != "direct"

    @property
    def has_cameras(self) -> bool:
        """Whether the policy observes images."""
        return bool(self.observation.cameras)

    @property
    def denoiser_inputs(self) -> tuple[str, ...]:
        """Names of the inputs of ``denoiser.onnx``, in order."""
        if not self.is_generative:
            return ("embedding",)
        return ("sample", "timestep", "embedding", *(["prefix"] if self.max_prefix else []))

    def to_yaml(self) -> str:
        """The manifest as YAML, the content of ``bundle.yaml``."""
        return yaml_text(self.model_dump(mode="json", by_alias=True))

    @classmethod
    def from_values(cls, values: Any, origin: str) -> Manifest:
        """Check plain values; raises BundleError that names ``origin``, key, value and allowed."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise BundleError(f"{origin}: {describe(error, values, '; ')}") from None
