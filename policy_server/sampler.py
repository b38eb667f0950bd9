"""From noise to a chunk: DDIM and flow matching as one loop over noise levels, in numpy.

At a level the sample is x = signal * x0 + noise * e. The network's prediction gives both parts;
the next level puts them together again. With (signal, noise) = (sqrt(abar), sqrt(1 - abar)) that
is DDIM with eta 0, with (1 - s, s) it is Euler's method for a straight flow.

A guide pulls x0 towards a chunk that is known already, each action by its own weight. With weight
1 the action takes the way that noising the known one would have taken (inpainting).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy_server.bundle_sections import DiffusionSchedule, FlowSchedule

Floats = NDArray[np.floating]
Predict = Callable[[Floats, int], Floats]
"""The network: sample (1, H, 2) and timestep to prediction (1, H, 2)."""

SamplingSteps = Generator[tuple[Floats, int], Floats, Floats]
"""A chunk that is being sampled: gives the network's inputs, takes its prediction, returns it."""


@dataclass(frozen=True)
class NoiseLevel:
    """A level of noise, and what the network calls it."""

    timestep: int
    signal: float
    noise: float


@dataclass(frozen=True)
class InpaintingGuide:
    """A known chunk (H, 2), normalised, and how much each action is held to it (H,) in [0, 1].

    The first ``clean`` actions of the sample are given to the network as they are.
    """

    chunk: Floats
    weights: Floats
    clean: int = 0

    def pulled(self, chunk: Floats) -> Floats:
        """A chunk (1, H, 2) pulled towards the known one."""
        return chunk + self.weights[None, :, None] * (self.chunk[None] - chunk)

    def with_clean(self, sample: Floats) -> Floats:
        """A sample (1, H, 2) that begins with the clean actions."""
        return np.concatenate([self.chunk[None, : self.clean], sample[:, self.clean :]], axis=1)


class Sampler:
    """For one schedule; plain functions of their arguments."""

    def __init__(self, schedule: DiffusionSchedule | FlowSchedule) -> None:
        self._schedule = schedule
        if isinstance(schedule, DiffusionSchedule):
            self._alphas = _cumulative_alphas(schedule)

    def levels(self, denoising_steps: int) -> list[NoiseLevel]:
        """From the noisiest on, one for each call of the network."""
        schedule = self._schedule
        if not 1 <= denoising_steps <= schedule.train_steps:
            raise ValueError(
                f"denoising_steps must be in [1, {schedule.train_steps}], not {denoising_steps}"
            )
        if isinstance(schedule, FlowSchedule):
            times = (1 - k / denoising_steps for k in range(denoising_steps))
            return [NoiseLevel(round(s * schedule.train_steps), 1 - s, s) for s in times]
        alphas = ((t, float(self._alphas[t])) for t in _timesteps(schedule, denoising_steps))
        return [NoiseLevel(t, math.sqrt(alpha), math.sqrt(1 - alpha)) for t, alpha in alphas]

    def sample(
        self,
        predict: Predict,
        noise: Floats,
        denoising_steps: int | None = None,
        guide: InpaintingGuide | None = None,
        warm_start_fraction: float = 0.0,
    ) -> Floats:
        """A chunk (1, H, 2), normalised, of noise (1, H, 2); see `sampling_steps`."""
        sampling_steps = self.sampling_steps(noise, denoising_steps, guide, warm_start_fraction)
        asked = next(sampling_steps)
        while True:
            try:
                asked = sampling_steps.send(predict(*asked))
            except StopIteration as done:
                return done.value

    def sampling_steps(
        self,
        noise: Floats,
        denoising_steps: int | None = None,
        guide: InpaintingGuide | None = None,
        warm_start_fraction: float = 0.0,
    ) -> SamplingSteps:
        """A chunk of noise (1, H, 2), one prediction after the other.

        ``denoising_steps`` calls of the network, by default the schedule's.
        ``warm_start_fraction`` in [0, 1): the share of the levels, the noisiest ones, that are
        skipped: the guide's chunk, noised, takes their place.
        """
        denoising_steps = denoising_steps or self._schedule.inference_steps
        x, levels = noise, self.levels(denoising_steps)
        if guide is None:
            guide = _no_guide(noise)
        elif warm_start_fraction:
            levels = self.levels(round(denoising_steps / (1 - warm_start_fraction)))[
                -denoising_steps:
            ]
            x = levels[0].signal * guide.chunk[None] + levels[0].noise * noise
        weights = guide.weights[None, :, None]
        for level, following in zip(levels, [*levels[1:], _CLEAN], strict=True):
            x = guide.with_clean(x).astype(np.float32)
            x0, e = self._parts(x, (yield x, level.timestep), level)
            x0 = guide.pulled(x0)
            e = np.where(weights > 0, (x - level.signal * x0) / level.noise, e)
            x = following.signal * x0 + following.noise * e
        return guide.with_clean(x).astype(np.float32)

    def _parts(self, x: Floats, prediction: Floats, level: NoiseLevel) -> tuple[Floats, Floats]:
        """What the sample is made of: x0 and e."""
        a, b = level.signal, level.noise
        if isinstance(self._schedule, FlowSchedule):  # the prediction is e - x0
            return x - b * prediction, x + a * prediction
        kind = self._schedule.prediction
        x0 = e = prediction
        if kind == "epsilon":
            x0 = (x - b * prediction) / a
        elif kind == "sample":
            e = (x - a * prediction) / b
        else:
            x0, e = a * x - b * prediction, a * prediction + b * x
        return (np.clip(x0, -1, 1) if self._schedule.clip_sample else x0), e


_CLEAN = NoiseLevel(0, 1.0, 0.0)


def _no_guide(noise: Floats) -> InpaintingGuide:
    return InpaintingGuide(np.zeros_like(noise[0]), np.zeros(noise.shape[1], np.float32))


def _timesteps(schedule: DiffusionSchedule, denoising_steps: int) -> list[int]:
    train = schedule.train_steps
    if schedule.timestep_spacing == "leading":
        return [k * (train // denoising_steps) for k in reversed(range(denoising_steps))]
    return [
        round(train * (denoising_steps - k) / denoising_steps) - 1 for k in range(denoising_steps)
    ]


def _cumulative_alphas(schedule: DiffusionSchedule) -> Floats:
    """(train_steps,) share of the signal's power that is left; in single precision, as trained."""
    if schedule.beta_schedule == "linear":
        betas = np.linspace(1e-4, 0.02, schedule.train_steps, dtype=np.float32)
    else:
        share = [
            math.cos((k / schedule.train_steps + 0.008) / 1.008 * math.pi / 2) ** 2
            for k in range(schedule.train_steps + 1)
        ]
        betas = np.array([min(1 - b / a, 0.999) for a, b in itertools.pairwise(share)], np.float32)
    return np.cumprod(np.float32(1) - betas, dtype=np.float32)
