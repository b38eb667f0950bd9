"""Finds points in images: heat maps at a quarter of their size, made with a look at the whole."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate

POINTS = 16


class Hourglass(nn.Module):
    """Images (N, 3, h, w) to maps (N, POINTS, h / 4, w / 4); h and w are multiples of 8.

    Batch norm, as at run time it is part of the convolutions.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        fine, coarse = 2 * width, 4 * width
        self.stem = nn.Sequential(_layer(3, width, 5, stride=2), _layer(width, fine, stride=2))
        self.near = _layer(fine, fine)
        self.down = _layer(fine, coarse, stride=2)
        self.far = nn.ModuleList([_layer(coarse, coarse), _layer(coarse, coarse, dilation=2)])
        self.up = nn.Conv2d(coarse, fine, 1)
        self.joined = _layer(fine, fine)
        self.outlet = nn.Conv2d(fine, POINTS, 1)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        detail = self.stem(images)
        detail = detail + self.near(detail)
        whole = self.down(detail)
        for layer in self.far:
            whole = whole + layer(whole)
        return self.outlet(self.joined(detail + interpolate(self.up(whole), scale_factor=2.0)))


def _layer(
    into: int, out: int, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(into, out, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )
