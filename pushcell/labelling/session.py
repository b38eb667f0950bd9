"""Labels a set of episodes: learns what the slider looks like, then follows it through each.

What is known without a label is where the slider lies at the end of a success: at the goal, to
within what counts as success. From there it is followed backwards by the fixed camera in a few
episodes; those tell both cameras' colours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.geometry import Array, PlanarPose
from pushcell.labelling.appearance import SliderAppearance
from pushcell.labelling.arm_mask import visible
from pushcell.labelling.colours import ColourCounts, ColourModel
from pushcell.labelling.fitting import SURE_AGREEMENT, fit_pose
from pushcell.labelling.recorded_views import RecordedViews, read_views
from pushcell.labelling.silhouette import Prism, excess
from pushcell.labelling.smoothing import smooth, wrapped
from pushcell.labelling.tracking import REST_M, SliderModel, distances, follow
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.slider_labels import SliderLabels
from pushcell.task import slider_of

_ANCHORS = 12  # episodes whose ends tell the fixed camera's colours
_FOLLOWED = 3  # of those, episodes that tell all cameras'
_EACH = 5  # pictures
_STILL_M = 2e-4  # how far a slider that nobody pushes may creep from picture to picture
_MOST_DEVIATION = np.array([4e-3, 4e-3, np.deg2rad(3)])
_TELLS = 0.9  # share of pixels that colours tell rightly
# Pixels of the border: away from it while the slider's place is known to some millimetres alone.
_ROUGHLY, _CLOSELY = (4.0, 5.0), (1.5, 1.5)
_BEYOND_SUCCESS = 1.5


@dataclass(frozen=True)
class PoseTrack:
    """What was found in an episode: poses (T, 3), deviations (T, 3), and whether each is sure."""

    poses: Array
    deviations: Array
    agreement: Array  # (T,)
    reasons: list[str]  # why a picture is left out, empty where it is not

    def labels(self, views: RecordedViews) -> SliderLabels:
        """Those that are sure."""
        sure = np.array([not reason for reason in self.reasons])
        return SliderLabels(
            views.cameras[0].name,
            views.stamps_ns[sure],
            wrapped(self.poses[sure]),
            self.deviations[sure],
            len(views),
            dict(Counter(reason for reason in self.reasons if reason)),
        )


class Labeller:
    """Knows the slider's shape and, once it has looked at some episodes, its colours."""

    def __init__(self, cell: CellConfig, height_m: float) -> None:
        self._cell = cell
        shape = slider_of(cell.task)
        self._model = SliderModel(shape, Prism.of(shape, height_m), cell.pusher, {})

    @property
    def prism(self) -> Prism:
        """The slider's shape."""
        return self._model.prism

    @property
    def appearance(self) -> SliderAppearance:
        """What the slider looks like to each camera; by then it must have learned."""
        model = self._model
        return SliderAppearance(model.shape.name, model.prism.height_m, model.colours)

    def learn(self, episodes: Sequence[Path]) -> None:
        """The slider's colours; raises EpisodeError where no episode tells them."""
        self.learn_from(list(self._anchors(episodes)))

    def learn_from(self, anchors: Sequence[RecordedViews]) -> None:
        """See `learn`; from successes that were read already."""
        if not anchors:
            raise EpisodeError(
                "none of the episodes is a success with pictures of a fixed camera and of one on "
                "the arm: the slider's place at the goal is where labels begin"
            )
        counts = ColourCounts.none()
        for views in anchors:
            goal = views.info.task.goal_pose.as_array()
            counts += self._counts(views, 0, len(views) - 1, goal, _ROUGHLY)
        fixed = anchors[0].cameras[0].name
        self._model = self._seeing({fixed: counts})
        followed = {camera.name: ColourCounts.none() for camera in anchors[0].cameras}
        for views in anchors[:_FOLLOWED]:
            start = self._end_pose(views)
            fits = follow(views, self._model, start, backwards=True)
            for step in range(0, len(views), _EACH):
                if fits[step].agreement > SURE_AGREEMENT:
                    for number, camera in enumerate(views.cameras):
                        followed[camera.name] += self._counts(
                            views, number, step, fits[step].pose, _CLOSELY
                        )
        self._model = self._seeing(followed)

    def track(self, views: RecordedViews) -> PoseTrack:
        """Follow the slider through an episode; raises EpisodeError where it cannot be right."""
        shape, prism = self._model.shape, self._model.prism
        back = follow(views, self._model, self._end_pose(views), backwards=True)
        forth = follow(views, self._model, back[0].pose, backwards=False)
        best = [a if a.agreement >= b.agreement else b for a, b in zip(forth, back, strict=True)]
        both = [
            min(a.agreement, b.agreement) >= SURE_AGREEMENT
            for a, b in zip(forth, back, strict=True)
        ]
        apart = np.where(both, distances(forth, back, prism.lever_m), 0.0)
        spread = np.diag([1.0, 1.0, prism.lever_m**-2])
        agreement = np.array([fit.agreement for fit in best])
        covariances = np.array([fit.covariance for fit in best])
        # A fit that does not agree with its pictures says nothing, however sharp it is.
        covariances[agreement < SURE_AGREEMENT] += np.diag([1.0, 1.0, 10.0])
        covariances += (apart**2)[:, None, None] * spread
        found = np.array([fit.pose for fit in best])
        reach = np.array(
            [self._model.reach_m(views, found[k], k, k + 1) for k in range(len(views) - 1)]
        )
        poses, deviations = smooth(
            found, covariances, np.where(reach <= REST_M, _STILL_M, reach), prism.lever_m
        )
        gaps = [
            float(shape.distance(PlanarPose.from_array(pose), pusher))
            for pose, pusher in zip(poses, views.pusher, strict=True)
        ]
        reasons = [
            self._doubt(*row)
            for row in zip(deviations, agreement, [f.seen for f in best], gaps, strict=True)
        ]
        return PoseTrack(poses, deviations, agreement, reasons)

    def _doubt(self, deviation: Array, agreement: float, seen: int, gap_m: float) -> str:
        """Why a pose is not sure; empty where it is."""
        if (deviation > _MOST_DEVIATION).any():
            return "too uncertain"
        if seen and agreement < SURE_AGREEMENT:
            return "the outline does not agree"
        if gap_m < 0:
            return "the pusher would be inside"
        return ""

    def _anchors(self, episodes: Iterable[Path]) -> Iterator[RecordedViews]:
        count = 0
        for episode in episodes:
            if count < _ANCHORS and EpisodeInfo.load(episode).verdict == "success":
                try:
                    views = read_views(episode, self._cell)
                except EpisodeError:
                    continue  # it is told of when its turn comes
                count += 1
                yield views

    def _end_pose(self, views: RecordedViews) -> Array:
        """Where the slider lies at the end of a success.

        Raises EpisodeError where no slider of this outline is seen there.
        """
        goal, success = views.info.task.goal_pose, views.info.task.success
        pictures = self._model.evidence(views, len(views) - 1).fixed
        fit = fit_pose(goal.as_array(), pictures, self._model.prism)
        offset_m, turn_rad = PlanarPose.from_array(fit.pose).distance_to(goal)
        if fit.agreement < SURE_AGREEMENT or not fit.seen:
            raise EpisodeError(
                f"{views.path}: no slider {self._model.shape.name!r} is seen at the goal at its "
                f"end ({fit.agreement:.0%} of the pixels at its outline agree): it is not in the "
                "pictures, is another slider, or the fixed camera has moved"
            )
        if (
            offset_m > _BEYOND_SUCCESS * success.position_m
            or turn_rad > _BEYOND_SUCCESS * success.angle_rad
        ):
            raise EpisodeError(
                f"{views.path}: it was judged a success, but camera "
                f"{views.cameras[0].name!r} sees the slider {1e3 * offset_m:.0f} mm and "
                f"{np.rad2deg(turn_rad):.0f} deg off the goal at its end: the camera has moved "
                "since it was calibrated, or the verdict is wrong"
            )
        return fit.pose

    def _counts(
        self,
        views: RecordedViews,
        number: int,
        step: int,
        pose: Array,
        margins_px: tuple[float, float],
    ) -> ColourCounts:
        """Colours of the pixels that lie inside the slider at a pose, and of those outside."""
        camera = views.cameras[number]
        projection, image = camera.projections[step], camera.images[step]
        seen = visible(views.tip_poses[step], self._cell.pusher, projection, camera.size)
        hulls = self._model.prism.hulls(pose, projection)
        if hulls is None:
            return ColourCounts.none()
        rows, columns = np.indices(camera.size)
        outside = excess(hulls, np.stack([columns, rows], axis=-1).astype(float))
        return ColourCounts.of(
            image[seen & (outside < -margins_px[0])], image[seen & (outside > margins_px[1])]
        )

    def _seeing(self, counts: dict[str, ColourCounts]) -> SliderModel:
        colours = {}
        for name, seen in counts.items():
            if not seen.count:
                continue  # this camera never saw it
            colours[name] = ColourModel.learned(seen)
            told = colours[name].separates(seen)
            if told < _TELLS:
                raise EpisodeError(
                    f"camera {name!r} cannot tell the slider from the rest by its colours "
                    f"({told:.0%} of the pixels rightly): the slider is not where the goal is, is "
                    "another one, or has the table's colour"
                )
        old = self._model
        return SliderModel(old.shape, old.prism, old.pusher, colours)
