"""The kinds of policies and networks, as a training's configuration names them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pushcell.config.types import Fraction, NonNegative, Positive, Section, Vector2

Count = Annotated[int, Field(ge=1)]


class MlpConfig(Section):
    """Residual layers over the whole chunk; small and quick."""

    kind: Literal["mlp"] = "mlp"
    width: Count = 512
    blocks: Count = 3
    dropout: Fraction = 0.0


class UnetConfig(Section):
    """Convolutions along the chunk, conditioned by FiLM."""

    kind: Literal["unet"] = "unet"
    widths: Annotated[tuple[Count, ...], Field(min_length=2)] = (64, 128, 256)
    kernel: Annotated[int, Field(ge=1)] = 5
    groups: Count = 8
    step_features: Annotated[int, Field(ge=2, multiple_of=2)] = 64

    @model_validator(mode="after")
    def _fits(self) -> UnetConfig:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} must be odd, or the chunk grows")
        if any(width % self.groups for width in self.widths):
            raise ValueError(f"widths {self.widths} must be multiples of groups {self.groups}")
        return self


class ObjectFrameConfig(Section):
    """Residual layers with FiLM, in the slider's axes; needs ``observation.trunk``."""

    kind: Literal["object_frame"] = "object_frame"
    width: Count = 192
    blocks: Count = 2


class TransformerConfig(Section):
    """Attention among the actions and to the observation."""

    kind: Literal["transformer"] = "transformer"
    width: Count = 128
    heads: Count = 4
    layers: Count = 4
    dropout: Fraction = 0.0

    @model_validator(mode="after")
    def _fits(self) -> TransformerConfig:
        _check_heads(self.width, self.heads)
        return self


NetworkConfig = Annotated[
    MlpConfig | UnetConfig | ObjectFrameConfig | TransformerConfig, Field(discriminator="kind")
]


class TrunkConfig(Section):
    """Residual layers over the features, run once a chunk."""

    width: Count = 384
    blocks: Count = 3


class DiffusionConfig(Section):
    """DDPM in training, DDIM at run time."""

    kind: Literal["diffusion"] = "diffusion"
    train_steps: Count = 100
    inference_steps: Count = 10
    beta_schedule: Literal["squaredcos_cap_v2", "linear"] = "squaredcos_cap_v2"
    prediction: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    clip_sample: bool = True
    max_prefix: Annotated[int, Field(ge=0)] = 0
    """Most leading actions that are given clean in training, for real-time chunking."""
    per_step_loss_weights: bool = False
    """Divide the error of each action by that action's spread; for prediction sample."""
    network: NetworkConfig

    @model_validator(mode="after")
    def _fits(self) -> DiffusionConfig:
        if self.inference_steps > self.train_steps:
            raise ValueError(
                f"inference_steps {self.inference_steps} is more than train_steps "
                f"{self.train_steps}"
            )
        return self


class FlowConfig(Section):
    """Straight lines from noise to data, followed by Euler's method."""

    kind: Literal["flow"] = "flow"
    train_steps: Count = 1000
    inference_steps: Count = 10
    max_prefix: Annotated[int, Field(ge=0)] = 0
    network: NetworkConfig


class ActConfig(Section):
    """Action chunking with transformers: a conditional VAE whose style is zero at run time."""

    kind: Literal["act"] = "act"
    width: Count = 128
    heads: Count = 4
    layers: Count = 3
    style: Count = 32
    kl_weight: NonNegative = 10.0
    dropout: Fraction = 0.1
    max_prefix: Literal[0] = 0

    @model_validator(mode="after")
    def _fits(self) -> ActConfig:
        _check_heads(self.width, self.heads)
        return self


class NearestConfig(Section):
    """The mean of the chunks of the nearest neighbours, weighted by exp(-distance)."""

    kind: Literal["nearest"] = "nearest"
    neighbours: Count = 10
    temperature: Positive = 0.1
    most_keys: Count = 50_000
    max_prefix: Literal[0] = 0

    @model_validator(mode="after")
    def _fits(self) -> NearestConfig:
        if self.neighbours > self.most_keys:
            raise ValueError(
                f"neighbours {self.neighbours} is more than most_keys {self.most_keys}"
            )
        return self


class PoseConfig(Section):
    """Not a policy: a pose estimator, the slider's pose from images; see ``pose_from``."""

    kind: Literal["pose"] = "pose"
    hidden: Count = 256
    lever_arm: Positive = 0.08
    """Errors in angle count as those of a point at this distance from the slider's origin."""
    corners: Annotated[tuple[Vector2, ...], Field(min_length=1)]
    """Of the slider, in its frame. They are estimated too, which makes the pose more exact."""


PolicyConfig = Annotated[
    DiffusionConfig | FlowConfig | ActConfig | NearestConfig | PoseConfig,
    Field(discriminator="kind"),
]


def _check_heads(width: int, heads: int) -> None:
    if width % heads:
        raise ValueError(f"width {width} must be a multiple of heads {heads}")
