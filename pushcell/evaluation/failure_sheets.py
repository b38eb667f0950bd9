"""Failed trials looked into: a contact sheet each, in a folder named after the cause.

A sheet shows what the cameras saw, with the slider's true outline and where the policy took it to
be, and the error of that estimate along the trial.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.table import Table

from pushcell.cameras.overlay import draw_slider
from pushcell.config.cell import CameraConfig
from pushcell.errors import ConfigError
from pushcell.evaluation.bundle_controller import Moment
from pushcell.evaluation.estimated_slider import EstimatedSlider
from pushcell.evaluation.trial import Evaluation
from pushcell.geometry import Array, PlanarPose, wrap_angle, wrap_angles
from pushcell.simulation.closed_loop import TrialResult
from pushcell.task import Task

STOPPED = "stopped"
MISREAD = "slider misread"
NOT_HOME = "pusher not home"
STUCK = "slider stuck"
TOO_SLOW = "time over"
"""The causes, the first that fits: the guard or physics ended it; where the policy took the slider
to be was further off than success allows, in half of the last images; the slider was at the goal;
it did not move for `STUCK_S`; it was still moved."""

STUCK_S = 15.0
_STUCK_M, _STUCK_RAD = 2e-3, np.deg2rad(1.0)
_LAST = 0.25  # share of a trial's images that tell how it ended
_TILES = 10
_TILE_PX = 192
_TRUE_RGB, _ESTIMATE_RGB = (40, 220, 60), (235, 60, 60)


@dataclass(frozen=True)
class FailedTrial:
    """What a failed trial came to, and the errors of the estimated slider along it.

    ``errors`` is (N, 2) [m, rad], empty for a policy that estimates no pose that can be read.
    """

    seed: int
    cause: str
    reason: str
    errors: Array


@dataclass(frozen=True)
class FailureSheets:
    """Runs failed trials again, to watch them; raises ConfigError for a policy without images."""

    evaluation: Evaluation
    folder: Path

    def __post_init__(self) -> None:
        if not self.evaluation.sees_images:
            raise ConfigError(
                f"{self.evaluation.policy} sees no images: --failure-sheets shows what a policy "
                "from images saw; --failures draws the paths of any policy"
            )
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(f"--failure-sheets {self.folder} is a file, and must be a folder")

    def run(self, seed: int) -> FailedTrial:
        """The trial of that seed, and its sheet in the folder of its cause."""
        moments: list[Moment] = []
        result = self.evaluation.rollout(seed, moments.append)
        estimated = self._estimates(moments)
        errors = np.array(
            [_error(pose, m.slider) for pose, m in zip(estimated, moments, strict=False)]
        ).reshape(-1, 2)
        why = cause(result, errors, self.evaluation.task)
        trial = FailedTrial(seed, why, result.reason, errors)
        path = self.folder / trial.cause.replace(" ", "_") / f"seed_{seed}.png"
        for old in self.folder.glob(f"*/{path.name}"):
            old.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._draw(trial, moments, estimated, path)
        return trial

    def _estimates(self, moments: Sequence[Moment]) -> list[PlanarPose]:
        reader = EstimatedSlider.of(self.evaluation.policy)
        if reader is None:
            return []
        cell = self.evaluation.told_cell
        yaw, goal = cell.pusher.tip_yaw_rad, np.array(cell.task.goal)
        return [
            reader.pose(
                {
                    "pusher": np.array([*moment.pusher, yaw]),
                    "goal": goal,
                    **{f"{name}_image": image for name, image in moment.images.items()},
                }
            )
            for moment in moments
        ]

    def _draw(
        self,
        trial: FailedTrial,
        moments: Sequence[Moment],
        estimated: Sequence[PlanarPose],
        path: Path,
    ) -> None:
        task = self.evaluation.task
        cameras = moments[0].cameras
        chosen = np.unique(np.linspace(0, len(moments) - 1, _TILES).round().astype(int))
        figure = Figure(figsize=(16, 1.7 * len(cameras) + 3), layout="constrained")
        grid = figure.subplots(len(cameras) + 1, height_ratios=[1.0] * len(cameras) + [1.5])
        figure.suptitle(f"seed {trial.seed}, {trial.cause}: {trial.reason}", fontsize=10)
        for axes, camera in zip(grid, cameras, strict=False):
            tiles = [
                self._tile(camera, moments[k], estimated[k] if estimated else None) for k in chosen
            ]
            axes.imshow(np.hstack(tiles))
            middles = (np.arange(len(tiles)) + 0.5) * _TILE_PX
            axes.set_xticks(middles, [f"{moments[k].time_s:.1f} s" for k in chosen], fontsize=7)
            axes.set(yticks=[], ylabel=camera.name)
        _draw_errors(grid[-1], trial.errors, moments, task)
        figure.savefig(path, dpi=80)

    def _tile(
        self, camera: CameraConfig, moment: Moment, estimate: PlanarPose | None
    ) -> NDArray[np.uint8]:
        """What a camera saw, with outlines where it is fixed to the base."""
        image = cv2.resize(moment.images[camera.name], (_TILE_PX, _TILE_PX)).astype(np.uint8)
        if camera.link == self.evaluation.cell.arm.model.base_link:
            shown, task = camera.resized(_TILE_PX, _TILE_PX), self.evaluation.task
            for pose, colour in ((moment.slider, _TRUE_RGB), (estimate, _ESTIMATE_RGB)):
                if pose is not None:
                    draw_slider(image, shown, camera.pose_in_link, task, pose, colour)
        return image


def cause(result: TrialResult, errors: Array, task: Task) -> str:
    """The first of the causes above that fits a failed trial."""
    success = task.success
    if result.duration_s < success.time_limit_s - 1e-6:
        return STOPPED
    last = errors[int((1 - _LAST) * len(errors)) :]
    if len(last) and (np.median(last, axis=0) > [success.position_m, success.angle_rad]).any():
        return MISREAD
    if result.position_error_m <= success.position_m and result.angle_error_rad <= (
        success.angle_rad
    ):
        return NOT_HOME
    poses = result.slider_poses[result.times_s >= result.duration_s - STUCK_S]
    moved_m = np.linalg.norm(poses[:, :2] - poses[-1, :2], axis=1).max()
    turned_rad = np.abs(wrap_angles(poses[:, 2] - poses[-1, 2])).max()
    return STUCK if moved_m < _STUCK_M and turned_rad < _STUCK_RAD else TOO_SLOW


def causes_table(trials: Sequence[FailedTrial]) -> Table:
    """The causes, how often each was, and how far off the estimates were."""
    shown = Table(title="failed trials by cause")
    if not any(len(trial.errors) for trial in trials):
        shown.caption = "this bundle's graph has no slider's pose to read: nothing is told misread"
    for title in ("cause", "trials", "slider's error p50 / p95 [mm]", "[deg]", "seeds"):
        shown.add_column(title)
    for name, count in Counter(trial.cause for trial in trials).most_common():
        of_it = [trial for trial in trials if trial.cause == name]
        errors = np.vstack([trial.errors for trial in of_it])
        texts = ("-", "-")
        if len(errors):
            p50, p95 = np.percentile(errors, [50, 95], axis=0) * [1e3, 180 / np.pi]
            texts = (f"{p50[0]:.1f} / {p95[0]:.1f}", f"{p50[1]:.1f} / {p95[1]:.1f}")
        seeds = " ".join(str(trial.seed) for trial in sorted(of_it, key=lambda t: t.seed))
        shown.add_row(name, str(count), *texts, seeds)
    return shown


def _error(pose: PlanarPose, true: PlanarPose) -> tuple[float, float]:
    """[m, rad]."""
    off = np.hypot(pose.x - true.x, pose.y - true.y)
    return float(off), float(abs(wrap_angle(pose.theta - true.theta)))


def _draw_errors(axes: Any, errors: Array, moments: Sequence[Moment], task: Task) -> None:
    times = [moment.time_s for moment in moments]
    to_goal = [_error(moment.slider, task.goal)[0] for moment in moments]
    axes.plot(times, 1e3 * np.array(to_goal), color="grey", label="slider to goal [mm]")
    if len(errors):
        axes.plot(times, 1e3 * errors[:, 0], color="tab:red", label="estimate's error [mm]")
        axes.plot(times, np.rad2deg(errors[:, 1]), color="tab:blue", label="[deg]")
    axes.axhline(1e3 * task.success.position_m, color="grey", linestyle=":", linewidth=0.8)
    axes.set_yscale("symlog", linthresh=10.0)
    axes.set(xlabel="time [s]", ylim=(0, None))
    axes.legend(loc="upper right", fontsize=7)
