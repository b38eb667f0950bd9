"""Follows the slider through an episode's pictures, from its end to its start and back again.

From one picture to the next the slider moves only where the pusher may touch it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pushcell.config.cell import PusherConfig
from pushcell.geometry import Array, PlanarPose, wrap_angles
from pushcell.labelling.arm_mask import visible
from pushcell.labelling.colours import ColourModel
from pushcell.labelling.fitting import FINE, Evidence, PoseFit, Prior, agreement_of, fit_pose
from pushcell.labelling.recorded_views import RecordedViews
from pushcell.labelling.silhouette import Prism
from pushcell.task import SliderShape

_TOUCH_M = 0.008  # nearer than that the pusher may push
REST_M = 0.0005
"""What a slider that nobody touches may be off by, from picture to picture."""
_PUSHED_M = 0.002  # and what the pusher moves
_LOST = 0.6  # agreement
_TRUSTED = 0.85  # agreement of a picture by itself
_TRIES = 24
_TRY_M, _TRY_RAD = 0.02, 0.25


@dataclass(frozen=True)
class Pictures:
    """Of one moment, by fixed cameras and by cameras on the arm."""

    fixed: list[Evidence]
    moving: list[Evidence]


@dataclass(frozen=True)
class SliderModel:
    """The slider, what it looks like to each camera, and the pusher in front of it."""

    shape: SliderShape
    prism: Prism
    pusher: PusherConfig
    colours: dict[str, ColourModel]

    def evidence(self, views: RecordedViews, step: int) -> Pictures:
        """Of each camera whose colours are known."""
        found = Pictures([], [])
        for camera in views.cameras:
            if camera.name in self.colours:
                projection = camera.projections[step]
                seen = visible(views.tip_poses[step], self.pusher, projection, camera.size)
                colours = self.colours[camera.name]
                kind = found.fixed if camera.is_fixed else found.moving
                kind.append(Evidence(camera.images[step], seen, colours, projection))
        return found

    def reach_m(self, views: RecordedViews, pose: Array, first: int, second: int) -> float:
        """How far the slider may have moved between two moments, by where the pusher was."""
        slider = PlanarPose.from_array(pose)
        gap = self.shape.distance(slider, views.pusher[[first, second]]) - self.pusher.radius_m
        if gap.min() > _TOUCH_M:
            return REST_M
        return _PUSHED_M + float(np.linalg.norm(views.pusher[first] - views.pusher[second]))


def follow(
    views: RecordedViews, model: SliderModel, start: Array, backwards: bool
) -> list[PoseFit]:
    """A fit of every moment, in the order of time; ``start`` (3,) is near the first one taken."""
    order = range(len(views))[:: -1 if backwards else 1]
    fits: dict[int, PoseFit] = {}
    pose, before = start, order[0]
    for step in order:
        pictures = model.evidence(views, step)
        reach = model.reach_m(views, pose, before, step)
        deviation = np.array([reach, reach, reach / model.prism.lever_m])
        fit = _fit(pictures, model.prism, Prior(pose, deviation))
        lost = fit.seen > 0 and fit.agreement < _LOST
        if lost and reach > REST_M:
            fit = _found_again(fit, pictures.fixed, model.prism, step)
        fits[step] = fit
        # A slider at rest that something hides is still where it was.
        pose = pose if lost and reach == REST_M else fit.pose
        before = step
    return [fits[step] for step in range(len(views))]


def _fit(pictures: Pictures, prism: Prism, prior: Prior) -> PoseFit:
    """By the fixed cameras; by those on the arm too, where their pictures agree by themselves.

    A camera on the arm looks at the slider in the arm's own shadow, which may be as dark: then it
    is worse than none, and where it agrees it is the better one.
    """
    fit = fit_pose(prior.pose, pictures.fixed, prism, prior, FINE)
    if not pictures.moving:
        return fit
    start, widths = fit.pose, FINE[-1:]
    if not fit.seen:
        start, widths = fit_pose(prior.pose, pictures.moving, prism, prior, FINE).pose, FINE[-1:]
    trusted = [one for one in pictures.moving if agreement_of(start, [one], prism)[0] > _TRUSTED]
    return fit_pose(start, [*pictures.fixed, *trusted], prism, prior, widths) if trusted else fit


def _found_again(fit: PoseFit, pictures: list[Evidence], prism: Prism, step: int) -> PoseFit:
    """The best of some fits from around; the given one where none is clearly better."""
    rng = np.random.default_rng(step)
    tries = rng.uniform(-1, 1, (_TRIES, 3)) * [_TRY_M, _TRY_M, _TRY_RAD]
    best = best_fit((fit.pose + offset for offset in tries), pictures, prism)
    return best if best and best.agreement > fit.agreement + 0.1 else fit


def best_fit(starts: Iterable[Array], pictures: list[Evidence], prism: Prism) -> PoseFit | None:
    """Of the fits from some poses the one that agrees best; None without any pose."""
    fits = (fit_pose(start, pictures, prism, None, FINE) for start in starts)
    return max(fits, key=lambda fit: fit.agreement, default=None)


def distances(forth: list[PoseFit], back: list[PoseFit], lever_m: float) -> NDArray[np.float64]:
    """(T,) distance between what both ways found [m], of the corners."""
    offsets = np.array([a.pose - b.pose for a, b in zip(forth, back, strict=True)])
    turns = wrap_angles(offsets[:, 2])
    return np.hypot(np.linalg.norm(offsets[:, :2], axis=1), lever_m * turns)
