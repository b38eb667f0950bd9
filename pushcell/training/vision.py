"""From images to features: networks for CPUs, and ResNet-18."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from pushcell.errors import ConfigError
from pushcell.training.config import VisionConfig
from pushcell.training.hourglass import Hourglass
from pushcell.training.layers import Float32Linear

_GROUP = 8  # channels a group, or more where they cannot be shared out so


class ImageNetwork(nn.Module):
    """Images (N, 3, h, w) in 0..1 to features (N, n)."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.body = _body(config)
        width, height = config.crop_px
        with torch.no_grad():
            channels, rows, columns = self.body(torch.zeros(1, 3, height, width)).shape[1:]
        self.pool: nn.Module
        if config.pooling == "spatial_softmax":
            if rows * columns == 1:
                raise ConfigError(
                    f"crop_px {config.crop_px} leaves one place to look at: spatial_softmax needs "
                    "more; take larger images or pooling average"
                )
            self.pool, size = SpatialSoftmax(rows, columns), 3 * channels
        elif config.pooling == "average":
            self.pool, size = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels
        else:
            self.pool, size = nn.Flatten(), channels * rows * columns
        self.outlet = Float32Linear(size, config.features)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        # Convolutions on CPUs are quicker where the channels of a pixel lie together.
        centred = (2 * images - 1).contiguous(memory_format=torch.channels_last)
        return self.outlet(self.pool(self.body(centred)))


class SpatialSoftmax(nn.Module):
    """(N, C, h, w) to (N, 3 C): where each channel is brightest, in -1..1, and how clearly.

    In whole precision: a place in 8 bits would be off by half a pixel.
    """

    grid: Tensor

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij"
        )
        self.register_buffer("grid", torch.stack([x.flatten(), y.flatten()]))

    def forward(self, maps: Tensor) -> Tensor:
        """See the class."""
        share = maps.float().flatten(2).softmax(-1)
        x, y = ((share * axis).sum(-1) for axis in self.grid)
        return torch.cat([x, y, share.amax(-1)], -1)


def _body(config: VisionConfig) -> nn.Module:
    if config.network == "hourglass":
        return Hourglass(config.width)
    return _resnet18() if config.network == "resnet18" else _small(config.width)


def _small(width: int) -> nn.Sequential:
    """Four halvings."""
    layers: list[nn.Module] = []
    widths = (3, width, 2 * width, 2 * width, 4 * width)
    for number, (into, out) in enumerate(itertools.pairwise(widths)):
        kernel = 5 if number == 0 else 3
        layers += [nn.Conv2d(into, out, kernel, 2, kernel // 2, bias=False), _norm(out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], widths[-1], 3, 1, 1), nn.ReLU())


def _resnet18() -> nn.Sequential:
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), _norm(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    blocks: list[nn.Module] = []
    for into, out, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
        blocks += [_Residual(into, out, stride), _Residual(out, out, 1)]
    return nn.Sequential(*stem, *blocks)


class _Residual(nn.Module):
    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(into, out, 3, stride, 1, bias=False),
            _norm(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            _norm(out),
        )
        self.around: nn.Module = nn.Identity()
        if into != out or stride != 1:
            self.around = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), _norm(out))

    def forward(self, state: Tensor) -> Tensor:
        return torch.relu(self.way(state) + self.around(state))


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(channels, max(1, channels // _GROUP)), channels)
