"""A bundle in a simulated world: the robot's observation, scheduler and policy, without threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policy_server.delay import InjectedDelay
from policy_server.loop import max_off_plan_m
from policy_server.policy import Policy
from pushcell.config.cell import CameraConfig, CellConfig
from pushcell.evaluation.frame_loss import FrameLoss
from pushcell.evaluation.simulated_cameras import SimulatedCameras
from pushcell.evaluation.stepped_policy import SteppedPolicy
from pushcell.geometry import Array, PlanarPose

_LOOKS, _LOSSES = 2, 3  # beside the seed, for the generators of a trial


@dataclass(frozen=True)
class Moment:
    """What there was when images were taken: the pusher at (2,) [m], RGB images by camera.

    ``cameras`` are those that took them.
    """

    time_s: float
    slider: PlanarPose
    pusher: Array
    images: Mapping[str, NDArray[np.uint8]]
    cameras: Sequence[CameraConfig]


Watch = Callable[[Moment], None]


class BundleController:
    """A `Controller` of one trial at a time, to be run at the policy's rate.

    Policies with cameras get the images of ``cameras``; others get the slider's true pose.
    """

    def __init__(
        self,
        cell: CellConfig,
        policy: Policy,
        chunking: str = "receding",
        delay: InjectedDelay | None = None,
        seed: int = 0,
        cameras: SimulatedCameras | None = None,
        lookahead_s: float = 0.0,
        watch: Watch | None = None,
        frame_loss: float = 0.0,
    ) -> None:
        """``watch`` is told of each moment whose images the policy takes; ``frame_loss`` is the
        probability with which a camera's image, or the slider's pose, does not arrive: the last
        one that did takes its place."""
        self._cell, self._policy, self._cameras, self._watch = cell, policy, cameras, watch
        self._chunking, self._delay, self._seed = chunking, delay or InjectedDelay(), seed
        self._lookahead_s, self._loss_probability = lookahead_s, frame_loss
        self.reset()

    def reset(self) -> None:
        """A new trial begins; it is the same again."""
        goal = np.array(self._cell.task.goal)
        self.stepped_policy = SteppedPolicy(
            self._policy,
            goal,
            self._chunking,
            self._delay,
            self._seed,
            self._lookahead_s,
            max_off_plan_m(self._cell),
        )
        self._loss = FrameLoss(self._loss_probability, np.random.default_rng([self._seed, _LOSSES]))
        self._images: dict[str, NDArray[np.uint8]] = {}
        if self._cameras is not None:
            self._cameras.begin(np.random.default_rng([self._seed, _LOOKS]))

    @property
    def done(self) -> bool:
        """Never: a policy does not say when it is done."""
        return False

    def act(self, time_s: float, slider: PlanarPose, pusher: ArrayLike) -> Array:
        """(1, 2) where the pusher shall be one period later [m]; there it stays without a plan."""
        position = np.asarray(pusher, dtype=float)
        self.observe(time_s, slider, position)
        target = self.stepped_policy.next_position(time_s)
        return (position if target is None else target)[None]

    def observe(self, time_s: float, slider: PlanarPose, pusher: Array) -> None:
        """Show the policy what there is now, the pusher at (2,) [m]."""
        observer = self.stepped_policy.observer
        observer.push_pose("pusher", time_s, [*pusher, self._cell.pusher.tip_yaw_rad])
        observer.push_pose("slider", time_s, self._loss.last("slider", slider).as_array())
        if self._cameras is not None:
            self._cameras.follow(pusher)
            view = self._cameras.view(slider)
            views = {c.name: self._loss.last(c.name, view) for c in self._cameras.cameras}
            if self.stepped_policy.needs_images(time_s):
                # Drawing takes longer than all the rest of a trial.
                self._images = self._cameras.images(views)
                if self._watch is not None:
                    self._watch(Moment(time_s, slider, pusher, self._images, self._cameras.cameras))
            for name, image in self._images.items():
                observer.push_image(name, time_s, image)
