"""The pictures of the reports."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from calibration.bundle_adjustment import rms
from calibration.coverage import Coverage
from calibration.hand_eye import HandEye
from calibration.intrinsics import Intrinsics
from calibration.latency import Latency, Signal
from calibration.report import ReportFigure
from pushcell.geometry import Array

_GOOD, _BAD, _PALE = "#2c7fb8", "#c0392b", "#9bb7c9"


def intrinsics_pictures(result: Intrinsics, coverage: Coverage) -> list[ReportFigure]:
    """Coverage, residuals, view by view, distortion, the board's shape."""
    pictures = [
        ReportFigure(
            "Left: where corners were seen, and what is left at each (arrows, 200 times as long). "
            "Right: how the board was tilted; good sets surround the middle.",
            _coverage(result, coverage),
        ),
        ReportFigure(
            "Error of each view before (OpenCV's solution) and after, and all residuals.",
            _view_errors(result),
        ),
        ReportFigure(
            "How far the lens moves a point [px], which is then corrected.", _distortion(result)
        ),
    ]
    if result.shape_m is not None:
        caption = (
            "The board is not as described: how its corners are off, "
            "arrows in its plane (50 times as long), colour out of it."
        )
        pictures.append(ReportFigure(caption, _shape(result, result.shape_m)))
    return pictures


def hand_eye_pictures(result: HandEye) -> list[ReportFigure]:
    """Poses, before and after, left out."""
    return [
        ReportFigure(
            "Distance of the target from where it should be, pose by pose: OpenCV's best solver, "
            "this result, and each pose by the others alone.",
            _hand_eye_errors(result),
        ),
        ReportFigure(
            "Hand (dots, with its axes) and camera (large axes) [m].", _hand_eye_poses(result)
        ),
    ]


def latency_pictures(cause: Signal, effect: Signal, latency: Latency) -> list[ReportFigure]:
    """Before and after, and the correlation."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    before, after, peak = figure.subplots(3, 1)
    for axes, shift, title in ((before, 0.0, "as recorded"), (after, latency.delay_s, "shifted")):
        for signal, colour, offset in ((cause, _PALE, shift), (effect, _GOOD, 0.0)):
            height = (signal.values - signal.values.min()) / np.ptp(signal.values)
            axes.plot(signal.times_s + offset, height, color=colour, label=signal.name)
        axes.set_title(title, loc="left", fontsize=9)
    after.sharex(before)
    before.legend(loc="upper right")
    peak.plot(latency.lags_s * 1e3, latency.correlations, color=_GOOD)
    peak.axvline(latency.delay_s * 1e3, color=_BAD)
    peak.plot(latency.windows_s * 1e3, np.full(len(latency.windows_s), latency.correlation), "k|")
    peak.set_xlabel("delay [ms]")
    peak.set_ylabel("correlation")
    return [ReportFigure("Cause and effect; the ticks are parts of the record.", figure)]


def table_pictures(points: Array, residuals_m: Array, off_m: Array | None) -> list[ReportFigure]:
    """Touched points, their height over the plane, and how far the map is off."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    dots = axes.scatter(points[:, 0], points[:, 1], c=residuals_m * 1e3, cmap="coolwarm", s=80)
    figure.colorbar(dots, label="over the plane [mm]")
    if off_m is not None:
        for (x, y, _), off in zip(points, off_m, strict=True):
            axes.annotate(f"{1e3 * off:.1f} mm", (x, y), xytext=(6, 6), textcoords="offset points")
    axes.set_aspect("equal")
    axes.set_xlabel("x [m]")
    axes.set_ylabel("y [m]")
    return [ReportFigure("Touched points in the base; numbers are the map's error there.", figure)]


def _coverage(result: Intrinsics, coverage: Coverage) -> Figure:
    figure = Figure(figsize=(10, 4), layout="constrained")
    image, tilts = figure.subplots(1, 2, width_ratios=(1.6, 1))
    width, height = result.lens.size
    for view, errors in zip(result.used, result.errors_px, strict=True):
        u, v = view.corners.pixels.T
        image.plot(u, v, ".", color=_PALE, markersize=3)
        image.quiver(
            u,
            v,
            *(200 * errors.T),
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.002,
            color=_GOOD,
        )
    image.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xlabel="u [px]", ylabel="v [px]")
    x, y = np.degrees(coverage.tilts_rad).T
    tilts.scatter(x, y, c=coverage.distances_m, cmap="viridis")
    tilts.axhline(0, color="#ddd")
    tilts.axvline(0, color="#ddd")
    tilts.set(xlabel="tilt to the side [deg]", ylabel="tilt up and down [deg]", aspect="equal")
    return figure


def _view_errors(result: Intrinsics) -> Figure:
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    bars, dots = figure.subplots(1, 2, width_ratios=(2.2, 1))
    place = np.arange(len(result.used))
    bars.bar(place - 0.2, result.before_px, 0.4, color=_PALE, label="before")
    bars.bar(place + 0.2, [rms(e) for e in result.errors_px], 0.4, color=_GOOD, label="after")
    bars.set_xticks(place, [view.name for view in result.used], rotation=90, fontsize=6)
    bars.set_ylabel("RMS [px]")
    bars.legend()
    errors = np.concatenate(result.errors_px)
    dots.plot(*errors.T, ".", markersize=3, color=_GOOD)
    dots.set(xlabel="u [px]", ylabel="v [px]", aspect="equal")
    return figure


def _distortion(result: Intrinsics) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    lens, (width, height) = result.lens, result.lens.size
    v, u = np.mgrid[0:height:40j, 0:width:40j]
    straight = np.stack([u.ravel(), v.ravel(), np.ones(u.size)], axis=1)
    bent = lens.project(straight @ np.linalg.inv(lens.matrix).T)
    moved = np.linalg.norm(bent - straight[:, :2], axis=1).reshape(u.shape)
    lines = axes.contourf(u, v, moved, 12, cmap="Blues")
    figure.colorbar(lines, label="[px]")
    axes.set(ylim=(height, 0), aspect="equal", xlabel="u [px]", ylabel="v [px]")
    return figure


def _shape(result: Intrinsics, shape_m: Array) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    x, y, _ = (result.bundle.corners_m - shape_m).T
    dots = axes.scatter(x, y, c=1e3 * shape_m[:, 2], cmap="coolwarm")
    figure.colorbar(dots, label="out of its plane [mm]")
    axes.quiver(x, y, *(50 * shape_m[:, :2].T), angles="xy", scale_units="xy", scale=1, width=0.002)
    axes.set(aspect="equal", xlabel="x [m]", ylabel="y [m]")
    axes.invert_yaxis()
    return figure


def _hand_eye_errors(result: HandEye) -> Figure:
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots()
    data = result.fit.data
    before = {
        name: np.linalg.norm(data.pose_residuals(X, Y)[:, 3:], axis=1)
        for name, (X, Y) in result.solvers.items()
    }
    place = np.arange(len(data.names))
    if before:
        best = min(before, key=lambda name: float(np.mean(before[name] ** 2)))
        axes.bar(place - 0.27, 1e3 * before[best], 0.26, color=_PALE, label=f"before ({best})")
    axes.bar(place, 1e3 * result.residual_m, 0.26, color=_GOOD, label="after")
    axes.bar(place + 0.27, 1e3 * result.left_out_m, 0.26, color="#333", label="left out")
    axes.set_xticks(place, data.names, rotation=90, fontsize=7)
    axes.set_ylabel("[mm]")
    axes.legend()
    if result.outliers:
        names = ", ".join(outlier.name for outlier in result.outliers)
        axes.set_title(f"not used: {names}", color=_BAD, fontsize=9)
    return figure


def _hand_eye_poses(result: HandEye) -> Figure:
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.add_subplot(projection="3d")
    data = result.fit.data
    camera = result.camera if data.setup == "eye-to-hand" else data.hand_in_base[0] @ result.camera
    for pose, length in [(camera, 0.1), *((hand, 0.03) for hand in data.hand_in_base)]:
        for column, colour in enumerate(("#c0392b", "#27ae60", "#2c7fb8")):
            tip = pose[:3, 3] + length * pose[:3, column]
            axes.plot(*np.stack([pose[:3, 3], tip], axis=1), color=colour)
    axes.scatter(*data.hand_in_base[:, :3, 3].T, s=8, color="#333")
    axes.set(xlabel="x", ylabel="y", zlabel="z")
    axes.set_aspect("equal")
    return figure
