"""The slider's pose from images, taught by its true pose: stage one of an image policy on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pushcell.training.batches import Batch, Observation
from pushcell.training.config import TrainConfig
from pushcell.training.config_policy import PoseConfig
from pushcell.training.policy import Policy
from pushcell.training.pose_features import Frame
from pushcell.training.ranges import Ranges

_POSE = 4  # x, y, cos, sin


class SliderEye(Policy):
    """No policy to run by itself: its "chunk" is the slider's frame, as one row x, y, cos, sin."""

    needs_noise = False

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        assert isinstance(config.policy, PoseConfig)
        self.arm = config.policy.arm
        self.places = Ranges(2)
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Linear(self.encoder.size, config.policy.hidden),
            nn.ReLU(),
            nn.Linear(config.policy.hidden, _POSE),
        )

    def forward(self, observation: Observation, chunk: Tensor) -> Tensor:
        """Mean square of the distance of points ``arm`` from the origin, where 1 is the arm."""
        true, seen = Frame.of(observation["slider"][:, -1]), self.frame(observation)
        place = (seen.origin - true.origin).square().sum(-1) / self.arm**2
        return (place + (seen.direction - true.direction).square().sum(-1)).mean()

    def frame(self, observation: Observation) -> Frame:
        """The slider's frame (B,) in an observation of one moment."""
        place, direction = self.head(self.encoder(observation)).split(2, -1)
        length = direction.square().sum(-1, keepdim=True).add(1e-6).sqrt()
        return Frame(self.places.restore(place), direction / length)

    def decode(self, embedding: Tensor, noise: Tensor) -> Tensor:
        """Not what this is for."""
        raise NotImplementedError("a pose policy makes no chunks")

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


def poses_of(frame: Frame) -> Tensor:
    """(..., 3) x, y, theta."""
    theta = torch.atan2(frame.direction[..., 1], frame.direction[..., 0])
    return torch.cat([frame.origin, theta[..., None]], -1)
