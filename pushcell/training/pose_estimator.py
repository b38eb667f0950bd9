"""Pose estimator: the slider's pose from images, learned from true or labelled poses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from pushcell.errors import TrainingError
from pushcell.training.batches import Batch, Observation
from pushcell.training.config import TrainConfig
from pushcell.training.config_policy import PoseConfig
from pushcell.training.layers import Float32Linear
from pushcell.training.normalizer import LinearNormalizer
from pushcell.training.policy import TrainablePolicy
from pushcell.training.pose_features import SliderFrame

_POSE = 4  # x, y, cos, sin
_SMALL = 0.05  # of the lever arm: larger errors count by their size, not by its square
_CORNERS_WEIGHT = 0.3


class PoseEstimator(TrainablePolicy):
    """Estimates the slider's frame; it has no chunks, so it cannot run as a policy."""

    corners: Tensor  # (K, 2) in the slider's frame

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        assert isinstance(config.policy, PoseConfig)
        self.lever_arm = config.policy.lever_arm
        self.places = LinearNormalizer(2)
        hidden = config.policy.hidden
        self.head = nn.Sequential(
            Float32Linear(self.encoder.size, hidden),
            nn.ReLU(),
            Float32Linear(hidden, hidden // 2),
            nn.ReLU(),
            Float32Linear(hidden // 2, _POSE),
        )
        self.register_buffer("corners", torch.tensor(config.policy.corners).view(-1, 2))
        self.outline = Float32Linear(self.encoder.size, 2 * len(self.corners))

    def forward(self, observation: Observation, chunk: Tensor) -> Tensor:
        """The error in place and direction, and in the places of corners; 1 is the lever arm."""
        embedding, true = self.encoder(observation), SliderFrame.of(observation["slider"][:, -1])
        place, direction = self._pose(embedding)
        loss = self._error(place - true.origin) + self._error(
            self.lever_arm * (direction - true.direction)
        )
        outline = self.places.restore(self.outline(embedding).view(-1, *self.corners.shape))
        return loss + _CORNERS_WEIGHT * self._error(outline - true.to_base(self.corners))

    def frame(self, observation: Observation) -> SliderFrame:
        """The slider's frame (B,) in an observation of one moment."""
        place, direction = self._pose(self.encoder(observation))
        length = direction.square().sum(-1, keepdim=True).add(1e-6).sqrt()
        return SliderFrame(place, direction / length)

    def _pose(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Where the slider is (B, 2), and its direction, of any length."""
        place, direction = self.head(embedding).split(2, -1)
        return self.places.restore(place), direction

    def _error(self, lengths: Tensor) -> Tensor:
        return smooth_l1_loss(lengths / self.lever_arm, torch.zeros_like(lengths), beta=_SMALL)

    def decode(self, embedding: Tensor, noise: Tensor) -> Tensor:
        """Not what this is for."""
        raise TrainingError(
            "policy kind pose is a pose estimator: another policy names it as observation.pose_from"
        )

    def measures(self, observation: Observation, chunk: Tensor) -> dict[str, Tensor]:
        """Mean errors of place, in the data's units, and of angle [deg]."""
        seen, true = poses_of(self.frame(observation)), observation["slider"][:, -1]
        turn = seen[:, 2] - true[:, 2]
        angle = torch.atan2(turn.sin(), turn.cos()).abs().rad2deg()
        place = (seen[:, :2] - true[:, :2]).norm(dim=-1)
        return {"place_error": place.mean(), "angle_error_deg": angle.mean()}

    def fit(self, batch: Batch, data_set: str) -> None:
        """See Policy; of the slider's place too."""
        super().fit(batch, data_set)
        places = batch.observation["slider"][..., :2]
        self.places.fit(places, ("slider x", "slider y"), data_set)


def poses_of(frame: SliderFrame) -> Tensor:
    """(..., 3) x, y, theta."""
    theta = torch.atan2(frame.direction[..., 1], frame.direction[..., 0])
    return torch.cat([frame.origin, theta[..., None]], -1)
