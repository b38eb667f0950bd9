"""TrainConfig: the one tree that is the schema of ``config/train/*.yaml``.

Every key that has no default is required, and unknown keys are errors. Poses and actions are in the
units of the data: metres and radians, for Push-T pixels and radians.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from pushcell.config.strict_yaml import parse_yaml, read_yaml
from pushcell.config.types import Fraction, Name, NonNegative, Positive, Rate, Section, Vector2
from pushcell.config.validation import describe
from pushcell.errors import ConfigError
from pushcell.old_names import TRAINING_KEYS, renamed, renamed_training
from pushcell.shipped import TRAININGS
from pushcell.training.cell_values import OF_OUTLINE, with_cell_values
from pushcell.training.config_domains import DomainsConfig
from pushcell.training.config_policy import (
    DiffusionConfig,
    FlowConfig,
    NearestConfig,
    ObjectFrameConfig,
    PolicyConfig,
    PoseConfig,
    TrunkConfig,
)

Count = Annotated[int, Field(ge=1)]
Pixels = tuple[Annotated[int, Field(ge=8)], Annotated[int, Field(ge=8)]]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
FeatureName = Literal[
    "pusher",
    "pusher_motion",
    "slider",
    "goal",
    "keypoints",
    "keypoints_from_pusher",
    "keypoints_from_goal",
    "pusher_in_slider",
    "pusher_in_goal",
    "goal_in_slider",
    "slider_in_goal",
    "pusher_waves",
    "pusher_at_edges",
    "slider_near_goal",
    "pusher_near_home",
]


OF_KEYPOINTS = OF_OUTLINE
FEATURE_POSES: dict[FeatureName, tuple[str, ...]] = {
    "pusher": ("pusher",),
    "pusher_motion": ("pusher",),
    "slider": ("slider",),
    "goal": ("goal",),
    "keypoints": ("slider",),
    "keypoints_from_pusher": ("pusher", "slider"),
    "keypoints_from_goal": ("slider", "goal"),
    "pusher_in_slider": ("pusher", "slider"),
    "pusher_in_goal": ("pusher", "goal"),
    "goal_in_slider": ("slider", "goal"),
    "slider_in_goal": ("slider", "goal"),
    "pusher_waves": ("pusher", "slider"),
    "pusher_at_edges": ("pusher", "slider"),
    "slider_near_goal": ("slider", "goal"),
    "pusher_near_home": ("pusher",),
}
"""The observed poses that each feature is computed from."""
_WITHOUT_SLIDER = tuple(name for name, poses in FEATURE_POSES.items() if "slider" not in poses)


class DataSetConfig(Section):
    """One data set: episodes, a zarr group, a LeRobot set or a packed file."""

    name: Name
    path: Path
    weight: NonNegative | None = None
    episodes: Count | None = None
    slider: Literal["recorded", "labels"] = "recorded"
    """Labels: where ``pushcell label`` found it, in those pictures that it is sure of."""


class FixedMixture(Section):
    """A sample comes from data set ``target`` with probability alpha, else from the others."""

    kind: Literal["fixed"] = "fixed"
    target: Name
    alpha: Fraction


class NaturalMixture(Section):
    """Data sets count by their episodes."""

    kind: Literal["natural"] = "natural"


class WeightedMixture(Section):
    """Data sets count by the ``weight`` of each."""

    kind: Literal["weights"] = "weights"


Mixture = Annotated[FixedMixture | NaturalMixture | WeightedMixture, Field(discriminator="kind")]


class DataConfig(Section):
    """What is learned from."""

    sets: Annotated[tuple[DataSetConfig, ...], Field(min_length=1)]
    mixture: Mixture = NaturalMixture()
    normaliser: Name
    """The data set that ranges are fitted on."""
    rate_hz: Rate = 10.0
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Part of each data set's episodes that is kept apart."""
    cache: Path

    @model_validator(mode="after")
    def _fits(self) -> DataConfig:
        names = [item.name for item in self.sets]
        if len(set(names)) < len(names):
            raise ValueError(f"the sets need different names, not {names}")
        asked = [self.normaliser]
        if isinstance(self.mixture, FixedMixture):
            asked.append(self.mixture.target)
        for name in asked:
            if name not in names:
                raise ValueError(f"there is no data set {name!r} among {names}")
        if isinstance(self.mixture, FixedMixture) and len(names) == 1 and self.mixture.alpha < 1:
            raise ValueError(
                f"mixture alpha {self.mixture.alpha} leaves a share to other sets than "
                f"{names[0]!r}, and there is none"
            )
        weights = [item.weight for item in self.sets]
        if isinstance(self.mixture, WeightedMixture):
            if None in weights or not sum(weight or 0 for weight in weights) > 0:
                raise ValueError("mixture kind weights needs a weight of each set, not all zero")
        elif any(weight is not None for weight in weights):
            raise ValueError(f"mixture kind {self.mixture.kind} takes no weights of sets")
        return self


class VisionConfig(Section):
    """How images become features; sizes are (width, height)."""

    cameras: Annotated[tuple[Name, ...], Field(min_length=1)]
    image_px: Pixels
    crop_px: Pixels
    network: Literal["small", "resnet18", "hourglass"] = "small"
    width: Count = 32
    pooling: Literal["average", "spatial_softmax", "flatten"] = "average"
    features: Count = 128
    colour_jitter: Fraction = 0.0
    blur: Fraction = 0.0
    """Share of images that are a little smoothed, in training."""
    noise: Fraction = 0.0
    """Standard deviation in training, at most, of images in 0..1."""

    @model_validator(mode="after")
    def _crop_fits(self) -> VisionConfig:
        if self.crop_px[0] > self.image_px[0] or self.crop_px[1] > self.image_px[1]:
            raise ValueError(f"crop_px {self.crop_px} is larger than image_px {self.image_px}")
        if self.network == "hourglass" and any(size % 8 for size in self.crop_px):
            raise ValueError(f"network hourglass needs multiples of 8, not crop_px {self.crop_px}")
        return self


class ObservationConfig(Section):
    """What the policy sees: features of poses, images, or both."""

    steps: Annotated[int, Field(ge=1, le=16)] = 2
    features: tuple[FeatureName, ...] = ()
    keypoints: tuple[Vector2, ...] = ()
    """Points of the slider, in its frame; for task ``cell`` its outline unless given."""
    pusher_radius: Positive | None = None
    """For pusher_at_edges, where the keypoints are the slider's outline; default: the cell's."""
    home: Vector2 | None = None
    """For pusher_near_home; for task ``cell`` the pusher's home in the cell file unless given."""
    unit_m: Positive = 1.0
    """Metres that a unit of the poses stands for; features are made of metres."""
    trunk: TrunkConfig | None = None
    vision: VisionConfig | None = None
    pose_from: Path | None = None
    """Checkpoint of a pose policy that stands in for the slider's true pose."""

    @model_validator(mode="after")
    def _fits(self) -> ObservationConfig:
        if not self.features and self.vision is None:
            raise ValueError("a policy needs features, vision or both")
        of_points = any(name in self.features for name in OF_KEYPOINTS)
        if bool(self.keypoints) != of_points:
            raise ValueError("keypoints and features of keypoints go together")
        for given, name in (
            (self.pusher_radius, "pusher_at_edges"),
            (self.home, "pusher_near_home"),
        ):
            if (given is None) == (name in self.features):
                key = "home" if name == "pusher_near_home" else "pusher_radius"
                raise ValueError(f"{key} and the feature {name} go together")
        if self.pose_from is not None and (self.vision is not None or not self.uses_slider_pose):
            raise ValueError("pose_from is for features of the slider, without vision")
        return self

    @property
    def uses_slider_pose(self) -> bool:
        """Whether a feature is made of the slider's pose."""
        return any(name not in _WITHOUT_SLIDER for name in self.features)

    @property
    def uses_goal(self) -> bool:
        """Whether a feature is computed from the goal."""
        return any("goal" in FEATURE_POSES[name] for name in self.features)


class ActionConfig(Section):
    """The chunk; ``execute`` of ``horizon`` actions are meant to be used."""

    horizon: Count = 16
    execute: Count = 8
    space: Literal["absolute", "relative_to_pusher"] = "absolute"
    pad_after: Annotated[int, Field(ge=0)] | None = None
    """How many actions past an episode's end repeat its last; execute - 1 unless given."""
    reach: Positive | None = None
    """Actions are within so much of 0, in x and y alike; else their ranges are fitted."""
    outliers: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Part of the actions, at either end, that ranges leave out; those are clipped."""

    @model_validator(mode="after")
    def _fits(self) -> ActionConfig:
        if self.execute > self.horizon:
            raise ValueError(f"execute {self.execute} is more than the horizon {self.horizon}")
        if self.padding >= self.horizon:
            raise ValueError(f"pad_after {self.pad_after} must be below the horizon {self.horizon}")
        return self

    @property
    def padding(self) -> int:
        """Most repeated actions at the end of a chunk."""
        return self.execute - 1 if self.pad_after is None else self.pad_after


class OptimiserConfig(Section):
    """AdamW, a cosine schedule with warm-up, and an average of the weights."""

    steps: Count
    batch_size: Count
    learning_rate: Positive = 1e-4
    weight_decay: NonNegative = 1e-6
    betas: tuple[Fraction, Fraction] = (0.95, 0.999)
    warmup_steps: Annotated[int, Field(ge=0)] = 500
    clip_norm: Positive = 1.0
    ema_decay: Fraction = 0.999
    start_from: Path | None = None
    """Checkpoint of the same networks: training begins with its averaged weights and its ranges."""


class DeviceConfig(Section):
    """Where it runs."""

    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Count = 1
    precision: Precision = "32-true"
    threads: Count | None = None
    """Of each process, on a CPU; as many as there are unless given."""


class LogConfig(Section):
    """How often what is told or kept, in steps."""

    log_every: Count = 100
    validate_every: Count = 1000
    validation_windows: Count = 1024
    checkpoint_every: Count = 1000
    keep_every: Count | None = None
    """Checkpoints at multiples of this are kept beside the last one."""
    tensorboard: bool = False


class TrainConfig(Section):
    """Everything that decides about a training run."""

    seed: Annotated[int, Field(ge=0)] = 0
    task: Literal["cell", "pusht"] = "cell"
    cell: Path = Path("sim")
    """The cell that a policy of task ``cell`` is for: its name, or the path of its file."""
    data: DataConfig
    observation: ObservationConfig
    action: ActionConfig = ActionConfig()
    policy: PolicyConfig
    domains: DomainsConfig | None = None
    training: OptimiserConfig
    device: DeviceConfig = DeviceConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="before")
    @classmethod
    def _from_cell(cls, values: Any) -> Any:
        """Fill what is not given and follows from the cell: outline, pusher radius and home."""
        return with_cell_values(values)

    @model_validator(mode="after")
    def _fits(self) -> TrainConfig:
        if isinstance(self.policy, PoseConfig):
            seen = self.observation
            if seen.vision is None or seen.steps != 1 or seen.uses_slider_pose:
                raise ValueError("policy kind pose needs vision, steps 1 and no slider's features")
        elif labelled := [item.name for item in self.data.sets if item.slider == "labels"]:
            raise ValueError(
                f"data set {labelled[0]!r} has slider labels, which have gaps: they are for policy "
                "kind pose; another sees with its checkpoint by observation.pose_from"
            )
        elif self.policy.max_prefix > self.action.horizon - 1:
            raise ValueError(f"max_prefix must be below the horizon {self.action.horizon}")
        if isinstance(self.policy, DiffusionConfig | FlowConfig):
            self._denoiser_fits(self.policy)
        if self.domains is not None:
            self._domains_fit(self.domains)
        if isinstance(self.policy, NearestConfig):
            if self.device.devices > 1:
                raise ValueError(
                    "policy kind nearest keeps windows in one process: device.devices 1"
                )
            if self.observation.vision is not None:
                raise ValueError(
                    "policy kind nearest learns nothing, so cannot learn to see: take "
                    "observation.pose_from in the place of vision"
                )
        if self.training.batch_size % self.device.devices:
            raise ValueError(f"batch_size must be a multiple of devices {self.device.devices}")
        return self

    def _domains_fit(self, domains: DomainsConfig) -> None:
        names = [item.name for item in self.data.sets]
        if domains.target not in names or len(names) < 2:
            raise ValueError(
                f"domains.target {domains.target!r} must be one of several data sets, not {names}"
            )
        if not isinstance(self.policy, DiffusionConfig | FlowConfig):
            raise ValueError("domains is for policies of kind diffusion and flow")

    def _denoiser_fits(self, policy: DiffusionConfig | FlowConfig) -> None:
        if isinstance(policy.network, ObjectFrameConfig) and not (
            self.observation.trunk is not None
            and self.observation.uses_slider_pose
            and self.action.space == "relative_to_pusher"
            and self.action.reach is not None
        ):
            raise ValueError(
                "network kind object_frame needs observation.trunk, features of the slider, "
                "action.space relative_to_pusher and action.reach"
            )
        if (
            isinstance(policy, DiffusionConfig)
            and policy.per_step_loss_weights
            and policy.prediction != "sample"
        ):
            raise ValueError("per_step_loss_weights needs prediction sample")


def load_train_config(name: Path, changes: tuple[str, ...] = ()) -> TrainConfig:
    """The training of a shipped name or of a YAML file, checked.

    ``changes`` are ``a.b=VALUE``, values as YAML.
    Raises ConfigError naming file, key, value and what is allowed.
    """
    path = TRAININGS.find(name)
    values = renamed_training(read_yaml(path), str(path))
    for change in changes:
        key, _, text = change.partition("=")
        key = renamed(key, TRAINING_KEYS, f"--set {change}")
        value = parse_yaml(text.encode(), f"--set {change}: {text!r}")
        _change(values, key.split("."), value, change)
    return train_config_of(renamed_training(values, str(path)), str(path))


def train_config_of(values: Any, origin: str) -> TrainConfig:
    """Check plain values; ``origin`` stands for the file in messages.

    Old names of keys are taken without a warning: nobody can change those in a checkpoint.
    """
    values = renamed_training(values, origin, warns=False)
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}:\n  {describe(error, values)}") from None


def _change(values: Any, keys: list[str], value: Any, change: str) -> None:
    for key in keys[:-1]:
        if isinstance(values, list):
            values = values[int(key)] if key.isdecimal() and int(key) < len(values) else None
        elif isinstance(values, dict):
            values = values.setdefault(key, {})
    if not isinstance(values, dict):
        raise ConfigError(f"--set {change}: there is no section {'.'.join(keys[:-1])}")
    values[keys[-1]] = value
