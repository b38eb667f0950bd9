"""How noise is added in training and taken away again: diffusion and flow matching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor

from pushcell.training.config_policy import DiffusionConfig, FlowConfig

Denoise = Callable[[Tensor, Tensor], Tensor]
"""Of a sample (B, H, 2) and timesteps (B,) int64."""
Hold = Callable[[Tensor], Tensor]
"""Puts what is already known back into a sample."""


class Objective(Protocol):
    """A way from noise to chunks; both are normalised, (B, H, 2)."""

    train_steps: int

    def timesteps(self, count: int, least: Tensor | None = None) -> Tensor:
        """(B,) drawn at random, of each sample among the noisiest 1 - ``least`` (B,) of them."""

    def noised(self, chunk: Tensor, noise: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy samples at timesteps (B,), and what the network shall predict."""

    def chunk_from_noise(self, noise: Tensor, denoise: Denoise, hold: Hold) -> Tensor:
        """The chunk that a network makes of noise."""


class Diffusion:
    """DDPM in training, DDIM without noise at run time."""

    def __init__(self, config: DiffusionConfig) -> None:
        self._prediction, self.train_steps = config.prediction, config.train_steps
        self._inference_steps = config.inference_steps
        common = {
            "num_train_timesteps": config.train_steps,
            "beta_schedule": config.beta_schedule,
            "prediction_type": config.prediction,
            "clip_sample": config.clip_sample,
        }
        self._train = DDPMScheduler(**common)
        self._run = DDIMScheduler(**common, set_alpha_to_one=True)

    def timesteps(self, count: int, least: Tensor | None = None) -> Tensor:
        """See Objective; 0 to train_steps - 1."""
        return _drawn(self.train_steps, count, least)

    def noised(self, chunk: Tensor, noise: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """See Objective."""
        sample = self._train.add_noise(chunk, noise, timestep)
        if self._prediction == "epsilon":
            return sample, noise
        if self._prediction == "sample":
            return sample, chunk
        return sample, self._train.get_velocity(chunk, noise, timestep)

    def chunk_from_noise(self, noise: Tensor, denoise: Denoise, hold: Hold) -> Tensor:
        """See Objective."""
        self._run.set_timesteps(self._inference_steps)
        sample = noise
        for step in self._run.timesteps:
            sample = hold(sample)
            prediction = denoise(sample, step.repeat(len(sample)).to(sample.device))
            sample = self._run.step(prediction, step, sample).prev_sample
        return hold(sample)


class Flow:
    """x_s = (1 - s) data + s noise; the network predicts noise - data."""

    def __init__(self, config: FlowConfig) -> None:
        self.train_steps = config.train_steps
        self._inference_steps = config.inference_steps

    def timesteps(self, count: int, least: Tensor | None = None) -> Tensor:
        """See Objective; 1 to train_steps."""
        return 1 + _drawn(self.train_steps, count, least)

    def noised(self, chunk: Tensor, noise: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
        """See Objective."""
        s = (timestep / self.train_steps)[:, None, None]
        return (1 - s) * chunk + s * noise, noise - chunk

    def chunk_from_noise(self, noise: Tensor, denoise: Denoise, hold: Hold) -> Tensor:
        """See Objective; Euler's method."""
        sample, count = noise, self._inference_steps
        for k in range(count):
            sample = hold(sample)
            timestep = round((1 - k / count) * self.train_steps)
            steps = torch.full((len(sample),), timestep, device=sample.device)
            sample = sample - denoise(sample, steps) / count
        return hold(sample)


def _drawn(steps: int, count: int, least: Tensor | None) -> Tensor:
    """(B,) of 0 to steps - 1; those of a sample are ``least`` (B,) * steps or more."""
    drawn = torch.randint(0, steps, (count,))
    if least is None:
        return drawn
    first = (least.cpu() * steps).long()
    return first + drawn * (steps - first) // steps


def make_objective(config: DiffusionConfig | FlowConfig) -> Objective:
    """The objective that a configuration names."""
    return Flow(config) if isinstance(config, FlowConfig) else Diffusion(config)
