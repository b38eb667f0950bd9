"""The FiLM U-Net of Diffusion Policy, along the chunk."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from pushcell.errors import ConfigError
from pushcell.training.config_policy import UnetConfig

_ACTION = 2


class Unet(nn.Module):
    """Halves the chunk's length between levels and doubles it again; see ``networks``."""

    def __init__(
        self, config: UnetConfig, step: nn.Module, horizon: int, channels: int, embedding: int
    ) -> None:
        super().__init__()
        widths, factor = config.widths, 2 ** (len(config.widths) - 1)
        if horizon % factor:
            raise ConfigError(
                f"action.horizon {horizon} must be a multiple of {factor} for a U-Net of "
                f"{len(widths)} widths"
            )
        self.step = step
        size = config.step_features
        self.when = nn.Sequential(nn.Linear(size, 4 * size), nn.Mish(), nn.Linear(4 * size, size))
        seen = embedding + size

        def level(into: int, out: int) -> _Level:
            return _Level(into, out, seen, config.kernel, config.groups)

        self.down = nn.ModuleList(
            level(into, out) for into, out in itertools.pairwise((channels, *widths))
        )
        self.shrink = nn.ModuleList(nn.Conv1d(w, w, 3, stride=2, padding=1) for w in widths[:-1])
        self.middle = level(widths[-1], widths[-1])
        upwards = list(itertools.pairwise(reversed(widths)))
        self.grow = nn.ModuleList(nn.ConvTranspose1d(w, w, 4, 2, 1) for w, _ in upwards)
        self.up = nn.ModuleList(level(below + out, out) for below, out in upwards)
        self.outlet = nn.Sequential(
            _convolution(widths[0], widths[0], config.kernel, config.groups),
            nn.Conv1d(widths[0], _ACTION, 1),
        )

    def forward(self, sample: Tensor, timestep: Tensor, embedding: Tensor) -> Tensor:
        """(B, H, 2) of sample (B, H, C), timestep (B,), embedding (B, D)."""
        seen = torch.cat([self.when(self.step(timestep)), embedding], -1)
        state, levels = sample.mT, []
        for down, shrink in zip(self.down, [*self.shrink, None], strict=True):
            state = down(state, seen)
            if shrink is not None:
                levels.append(state)
                state = shrink(state)
        state = self.middle(state, seen)
        for grow, up in zip(self.grow, self.up, strict=True):
            state = up(torch.cat([grow(state), levels.pop()], 1), seen)
        return self.outlet(state).mT


class _Level(nn.Module):
    """Two blocks."""

    def __init__(self, into: int, out: int, seen: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [_Block(into, out, seen, kernel, groups), _Block(out, out, seen, kernel, groups)]
        )

    def forward(self, state: Tensor, seen: Tensor) -> Tensor:
        for block in self.blocks:
            state = block(state, seen)
        return state


class _Block(nn.Module):
    """Two convolutions with a scale and a shift between them, and a way around."""

    def __init__(self, into: int, out: int, seen: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.first = _convolution(into, out, kernel, groups)
        self.second = _convolution(out, out, kernel, groups)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(seen, 2 * out))
        self.around = nn.Conv1d(into, out, 1) if into != out else nn.Identity()

    def forward(self, state: Tensor, seen: Tensor) -> Tensor:
        scale, shift = self.film(seen)[..., None].chunk(2, 1)
        return self.second(self.first(state) * (1 + scale) + shift) + self.around(state)


def _convolution(into: int, out: int, kernel: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(into, out, kernel, padding=kernel // 2), nn.GroupNorm(groups, out), nn.Mish()
    )
