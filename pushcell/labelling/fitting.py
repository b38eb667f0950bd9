"""Fits the slider's pose to pictures: the silhouette that agrees best with its colours.

Along lines across the silhouette's border, each pixel is the slider's more or less likely, by its
colour, and is to be inside more or less, by its distance to the border. Gauss-Newton on the
difference. The border is taken for wide at first, so that it finds its place from some way off, and
for a pixel in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pushcell.geometry import Array
from pushcell.labelling.colours import ColourModel
from pushcell.labelling.silhouette import Prism, border, excess, flow

COARSE_TO_FINE = (3.0, 1.5, 0.7)
FINE = (1.5, 0.7)
"""Widths of the silhouette's border [px], one after the other."""

SURE_AGREEMENT = 0.75
"""Of an outline that is the slider's."""

_SHARPEST_PX = COARSE_TO_FINE[-1]
_REACH = 2.7  # lines' half length, in widths of the border
_STEPS = 5
_CLOSE = 3e-5  # [m]
_FURTHEST = 0.03  # in one step
_LEAST_VARIANCE = 0.02  # of a pixel's difference: what is never better than that
_CORRELATED_PX = 1.5  # pixels that err alike
_BESIDE_PX = np.array([2.0, 3.0])  # from the border, where all is to be of one kind
_FEWEST_LINES = 10


@dataclass(frozen=True)
class Evidence:
    """One picture: what it shows, which colours are the slider's, and where it was taken from."""

    image: NDArray[np.uint8]  # (H, W, 3)
    visible: NDArray[np.bool_]  # (H, W) False where something may be in front
    colours: ColourModel
    projection: Array  # (3, 4) base frame [m] to pixels

    def at(self, pixels: Array) -> tuple[Array, Array, Array]:
        """Of the picture's pixels nearest to (N, K, 2): their places, (N, K) shares and weights.

        The share is how likely the colour is the slider's; a colour that may be either counts for
        little, and what is hidden or outside the picture for nothing.
        """
        nearest = np.round(pixels).astype(np.int64)
        height, width = self.visible.shape
        x, y = nearest[..., 0], nearest[..., 1]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        x, y = np.where(inside, x, 0), np.where(inside, y, 0)
        share = self.colours(self.image[y, x]).astype(float)
        weight = np.where(inside & self.visible[y, x], np.abs(2 * share - 1), 0.0)
        return nearest.astype(float), share, weight


@dataclass(frozen=True)
class Prior:
    """Where the slider is expected: a pose (3,) and standard deviations (3,) [m, m, rad]."""

    pose: Array
    deviation: Array


@dataclass(frozen=True)
class PoseFit:
    """A pose (3,) and its information (3, 3) [m, rad], by the pictures alone.

    ``agreement`` is the share of pixels that are as they should be: of those just inside the
    border or of those just outside, whichever is less. ``seen`` tells in how many pictures enough
    of the border is visible to tell.
    """

    pose: Array
    information: Array
    agreement: float
    seen: int

    @property
    def covariance(self) -> Array:
        """(3, 3) [m, rad]; a metre where the pictures say nothing."""
        return np.linalg.inv(self.information + np.diag([1.0, 1.0, 0.1])).astype(float)

    @property
    def deviation(self) -> Array:
        """(3,) standard deviations [m, m, rad]."""
        return np.sqrt(np.diag(self.covariance)).astype(float)


def fit_pose(
    start: Array,
    pictures: Sequence[Evidence],
    prism: Prism,
    prior: Prior | None = None,
    softness_px: Sequence[float] = COARSE_TO_FINE,
) -> PoseFit:
    """The pose (3,) near ``start`` at which the silhouette agrees best with all pictures."""
    pose, scale = start.astype(float), np.array([1.0, 1.0, 1 / prism.lever_m])
    information = np.zeros((3, 3))
    for softness in softness_px:
        for _ in range(_STEPS):
            information, pull = _normal_equations(pose, pictures, prism, softness, scale)
            normal = information
            if prior is not None:
                precision = (scale / prior.deviation) ** 2
                normal = normal + np.diag(precision)
                pull = pull + precision * (pose - prior.pose) / scale
            step = -np.linalg.solve(normal + 1e-3 * np.diag(np.diag(normal) + 1.0), pull)
            step *= min(1.0, _FURTHEST / max(float(np.abs(step).max()), 1e-9))
            pose = pose + scale * step
            if np.abs(step).max() < _CLOSE:
                break
    return PoseFit(pose, information / np.outer(scale, scale), *agreement_of(pose, pictures, prism))


def agreement_of(pose: Array, pictures: Sequence[Evidence], prism: Prism) -> tuple[float, int]:
    """How well a silhouette agrees with the pictures, and how many tell; see `Fit`."""
    scores = [_agreement(pose, picture, prism) for picture in pictures]
    telling = [score for score in scores if score is not None]
    if not telling:
        return 0.0, 0
    inside, around, weight = np.sum(telling, axis=0)
    return float(min(inside, around) / weight), len(telling)


def _normal_equations(
    pose: Array, pictures: Sequence[Evidence], prism: Prism, softness: float, scale: Array
) -> tuple[Array, Array]:
    """(3, 3) and (3,) of the scaled pose."""
    reach = _REACH * softness
    count = 2 * max(2, round(reach / max(1.0, softness / 1.5))) + 1
    offsets = np.linspace(-reach, reach, count)
    squares, products, total = 0.0, np.zeros(3), 0.0
    normal = np.zeros((3, 3))
    for picture in pictures:
        hulls = prism.hulls(pose, picture.projection)
        if hulls is None:
            continue
        points, normals = border(hulls)
        lines = points[:, None] + offsets[:, None] * normals[:, None]
        pixels, share, weight = picture.at(lines)
        if not weight.any():
            continue
        # Distances are those of the pixels that were taken, not of the points asked for.
        distance = np.sum((pixels - points[:, None]) * normals[:, None], axis=-1)
        covered = 1 / (1 + np.exp(np.clip(distance / softness, -30, 30)))
        residual = covered - share
        across = np.sum(
            normals[:, :, None] * flow(pose, picture.projection, points, prism.height_m), axis=1
        )
        jacobian = (covered * (1 - covered) / softness)[..., None] * (across * scale)[:, None]
        normal += np.einsum("nk,nki,nkj->ij", weight, jacobian, jacobian)
        products += np.einsum("nk,nki,nk->i", weight, jacobian, residual)
        squares += float((weight * residual**2).sum())
        total += float(weight.sum())
    spread = _CORRELATED_PX * max(squares / max(total, 1e-9), _LEAST_VARIANCE)
    return normal / spread, products / spread


def _agreement(pose: Array, picture: Evidence, prism: Prism) -> tuple[float, float, float] | None:
    hulls = prism.hulls(pose, picture.projection)
    if hulls is None:
        return None
    points, normals = border(hulls)
    beside = _BESIDE_PX[:, None] * normals[:, None]
    within, share_within, weight_within = picture.at(points[:, None] - beside)
    without, share_without, weight_without = picture.at(points[:, None] + beside)
    is_within = (weight_within > 0) & (excess(hulls, within) < -1)
    is_without = (weight_without > 0) & (excess(hulls, without) > 1)
    count_within, count_without = is_within.sum(), is_without.sum()
    if min(count_within, count_without) < _FEWEST_LINES * len(_BESIDE_PX):
        return None
    # Of two pictures the one that shows more counts more.
    size = float(count_within)
    inside = float(share_within[is_within].mean())
    around = float((1 - share_without[is_without]).mean())
    return size * inside, size * around, size
