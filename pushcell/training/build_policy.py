"""From a configuration to its policy."""

from __future__ import annotations

from pushcell.training.act import ActPolicy
from pushcell.training.config import TrainConfig
from pushcell.training.denoising import DenoisingPolicy
from pushcell.training.nearest_neighbour import NearestPolicy
from pushcell.training.policy import TrainablePolicy
from pushcell.training.pose_estimator import PoseEstimator

_KINDS: dict[str, type[TrainablePolicy]] = {
    "diffusion": DenoisingPolicy,
    "flow": DenoisingPolicy,
    "act": ActPolicy,
    "nearest": NearestPolicy,
    "pose": PoseEstimator,
}


def make_policy(config: TrainConfig) -> TrainablePolicy:
    """The policy that a configuration describes, with weights drawn from torch's generator."""
    return _KINDS[config.policy.kind](config)
