"""What a policy is told of poses: corners of the slider, the goal in its frame, and so on.

Part of the exported encoder, so that at run time raw poses are all there is to give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pushcell.training.config import FeatureName, ObservationConfig
from pushcell.training.fine_features import edges_seen, harmonics, nearness, waves
from pushcell.training.normalizer import LinearNormalizer

DIRECTION = 2


def turned(vectors: Tensor, direction: Tensor) -> Tensor:
    """Vectors (..., 2) turned by the angle of a direction (..., 2), its cosine and sine."""
    x, y, cos, sin = vectors[..., 0], vectors[..., 1], direction[..., 0], direction[..., 1]
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1)


@dataclass(frozen=True)
class SliderFrame:
    """Poses as (..., 2) origins and (..., 2) directions (cos, sin) of their x axes."""

    origin: Tensor
    direction: Tensor

    @classmethod
    def of(cls, poses: Tensor) -> SliderFrame:
        """From (..., 3) x, y, theta."""
        theta = poses[..., 2]
        return cls(poses[..., :2], torch.stack([theta.cos(), theta.sin()], -1))

    def to_base(self, points: Tensor) -> Tensor:
        """Points (..., K, 2) of this frame, (..., K, 2) in the base frame."""
        return turned(points, self.direction[..., None, :]) + self.origin[..., None, :]

    def turn_back(self, vectors: Tensor) -> Tensor:
        """Vectors (..., 2) of the base frame in this frame's axes."""
        cos, sin = self.direction[..., 0], self.direction[..., 1]
        x, y = vectors[..., 0], vectors[..., 1]
        return torch.stack([cos * x + sin * y, cos * y - sin * x], -1)

    def scaled(self, unit: float) -> SliderFrame:
        """The same with lengths that count so much."""
        return SliderFrame(self.origin * unit, self.direction)

    def inside(self, other: SliderFrame) -> Tensor:
        """(..., 4) this frame in another: x, y, cos, sin."""
        origin = other.turn_back(self.origin - other.origin)
        return torch.cat([origin, other.turn_back(self.direction)], -1)


@dataclass(frozen=True)
class Scene:
    """What there is at each of some moments (B, T), in metres; the pusher has no direction."""

    pusher: Tensor  # (B, T, 2)
    slider: SliderFrame
    goal: SliderFrame
    keypoints: Tensor  # (K, 2) in the slider's frame
    home: Tensor  # (2,) of the pusher
    pusher_radius: float

    def of_slider(self) -> Tensor:
        """(B, T, K, 2) the slider's keypoints in the base frame."""
        return self.slider.to_base(self.keypoints)


def _whole(frame: SliderFrame) -> Tensor:
    return torch.cat([frame.origin, frame.direction], -1)


def _pusher_in_slider(scene: Scene) -> Tensor:
    return scene.slider.turn_back(scene.pusher - scene.slider.origin)


def _slider_near_goal(scene: Scene) -> Tensor:
    """In the goal's axes, in the slider's, and in angle."""
    here, there = scene.slider.inside(scene.goal), scene.goal.inside(scene.slider)
    angle = torch.atan2(here[..., 3], here[..., 2])[..., None]
    parts = [nearness(here[..., :2]), nearness(there[..., :2]), nearness(angle)]
    return torch.cat([*parts, harmonics(here[..., 2:])], -1)


def _motion(pusher: Tensor) -> Tensor:
    """(B, T, 2) from one moment to the next; of the first, as there is none before, zero."""
    return torch.cat([torch.zeros_like(pusher[:, :1]), pusher[:, 1:] - pusher[:, :-1]], 1)


FEATURES: dict[FeatureName, Callable[[Scene], Tensor]] = {
    "pusher": lambda scene: scene.pusher,
    "pusher_motion": lambda scene: _motion(scene.pusher),
    "slider": lambda scene: _whole(scene.slider),
    "goal": lambda scene: _whole(scene.goal),
    "keypoints": lambda scene: scene.of_slider().flatten(2),
    "keypoints_from_pusher": lambda scene: (scene.of_slider() - scene.pusher[:, :, None]).flatten(
        2
    ),
    "keypoints_from_goal": lambda scene: (
        scene.of_slider() - scene.goal.to_base(scene.keypoints)
    ).flatten(2),
    "pusher_in_slider": _pusher_in_slider,
    "pusher_in_goal": lambda scene: scene.goal.turn_back(scene.pusher - scene.goal.origin),
    "goal_in_slider": lambda scene: scene.goal.inside(scene.slider),
    "slider_in_goal": lambda scene: scene.slider.inside(scene.goal),
    "pusher_waves": lambda scene: waves(_pusher_in_slider(scene)),
    "pusher_at_edges": lambda scene: edges_seen(
        _pusher_in_slider(scene), scene.keypoints, scene.pusher_radius
    ),
    "slider_near_goal": _slider_near_goal,
    "pusher_near_home": lambda scene: nearness(scene.pusher - scene.home),
}
"""Each is (B, T, n)."""


class PoseFeatures(nn.Module):
    """Chosen features, normalised; ``size`` numbers of a window of ``steps`` moments."""

    keypoints: Tensor
    home: Tensor

    def __init__(self, config: ObservationConfig) -> None:
        super().__init__()
        self._names = config.features
        self._unit_m = unit = config.unit_m
        self._pusher_radius_m = unit * (config.pusher_radius or 0.0)
        keypoints = unit * torch.tensor(config.keypoints, dtype=torch.float32)
        self.register_buffer("keypoints", keypoints.view(-1, 2))
        self.register_buffer("home", unit * torch.tensor(config.home or (0.0, 0.0)))
        self.components = self._components()
        self.ranges = LinearNormalizer(len(self.components))
        self.size = config.steps * len(self.components)

    def forward(self, pusher: Tensor, slider: SliderFrame, goal: Tensor) -> Tensor:
        """(B, size) of pusher (B, To, 3), the slider's frames (B, To) and goal (B, 3)."""
        return self.ranges.normalise(self._raw(pusher, slider, goal)).flatten(1)

    def fit(self, pusher: Tensor, slider: Tensor, goal: Tensor, data_set: str) -> None:
        """Fit the ranges on windows of raw poses."""
        raw = self._raw(pusher, SliderFrame.of(slider), goal)
        self.ranges.fit(raw, self.components, data_set)

    def _raw(self, pusher: Tensor, slider: SliderFrame, goal: Tensor) -> Tensor:
        goals, unit = SliderFrame.of(goal[:, None].expand(-1, pusher.shape[1], -1)), self._unit_m
        scene = Scene(
            pusher[..., :2] * unit,
            slider.scaled(unit),
            goals.scaled(unit),
            self.keypoints,
            self.home,
            self._pusher_radius_m,
        )
        return torch.cat([FEATURES[name](scene) for name in self._names], -1)

    def _components(self) -> list[str]:
        nothing = torch.zeros(1, 1, 3)
        frame = SliderFrame.of(nothing)
        scene = Scene(nothing[..., :2], frame, frame, self.keypoints, self.home, 0.0)
        sizes = {name: FEATURES[name](scene).shape[-1] for name in self._names}
        return [f"feature {name}[{k}]" for name, size in sizes.items() for k in range(size)]
