"""What a policy makes of an observation: features of poses, of images, or both, as one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pushcell.training.batches import Observation
from pushcell.training.config import ObservationConfig
from pushcell.training.domains import DOMAIN
from pushcell.training.pose_features import DIRECTION, PoseFeatures, SliderFrame
from pushcell.training.trunk import Trunk
from pushcell.training.vision import ImageNetwork


class Encoder(nn.Module):
    """Observations to embeddings (B, size).

    With ``told_domain`` it is told the observation's domain, the target where that is not given.
    With ``has_guidance`` embeddings are twice as long: the second half is that without a label.
    """

    has_guidance = False

    def __init__(self, config: ObservationConfig, told_domain: bool = False) -> None:
        super().__init__()
        self.config, self.told_domain = config, told_domain
        self.poses: PoseFeatures | None = None
        self.images = nn.ModuleDict()
        self.size = 0
        if config.features:
            self.poses = PoseFeatures(config)
            self.size += self.poses.size
        if config.vision:
            for camera in config.vision.cameras:
                self.images[camera] = ImageNetwork(config.vision)
            self.size += config.steps * len(config.vision.cameras) * config.vision.features
        self.size += DOMAIN if told_domain else 0
        self.trunk: Trunk | None = None
        if config.trunk:
            self.trunk = Trunk(config.trunk, self.size)
            self.size = self.trunk.size + (DIRECTION if config.uses_slider_pose else 0)

    @property
    def embedding_size(self) -> int:
        """Of an embedding, with guidance or without."""
        return 2 * self.size if self.has_guidance else self.size

    def forward(self, observation: Observation) -> Tensor:
        """Of raw poses, and of images that are cropped and in 0..1."""
        return self.embed(observation, None)

    def embed(self, observation: Observation, slider: SliderFrame | None) -> Tensor:
        """The same with another idea of where the slider is; its frames are (B, To)."""
        if not self.has_guidance:
            return self._embed(observation, slider)
        untold = {**observation, "domain": torch.zeros(len(observation["goal"]), DOMAIN)}
        return torch.cat([self._embed(observation, slider), self._embed(untold, slider)], -1)

    def _embed(self, observation: Observation, slider: SliderFrame | None) -> Tensor:
        parts, direction = [], []
        if self.poses is not None:
            slider = slider or SliderFrame.of(observation["slider"])
            if self.config.uses_slider_pose:
                direction.append(slider.direction[:, -1])
            parts.append(self.poses(observation["pusher"], slider, observation["goal"]))
        for camera, network in self.images.items():
            images = observation[f"{camera}_image"]
            parts.append(network(images.flatten(0, 1)).view(len(images), -1))
        if self.told_domain:
            target = torch.tensor([[1.0, 0.0]], device=parts[0].device)
            parts.append(observation.get("domain", target.expand(len(parts[0]), -1)))
        features = torch.cat(parts, -1)
        return features if self.trunk is None else torch.cat([self.trunk(features), *direction], -1)

    def fit(self, observation: Observation, data_set: str) -> None:
        """Fit the ranges of the poses' features on windows of raw poses."""
        if self.poses is not None:
            pusher, slider, goal = (observation[key] for key in ("pusher", "slider", "goal"))
            self.poses.fit(pusher, slider, goal, data_set)
