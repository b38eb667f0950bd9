"""A camera's intrinsics from views of a board: outlier views out, error held out, covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.bundle_adjustment import Bundle, rms
from calibration.lens_start import first_bundle
from calibration.misfit import Misfit
from calibration.stray_corners import without_stray_corners
from calibration.views import View, Views
from pushcell.cameras.camera_model import Lens, Model
from pushcell.errors import CalibrationError
from pushcell.geometry import Array

FEWEST_VIEWS = 6
_FEWEST_CORNERS = 6
_SMALLEST_TILT_SPREAD_RAD = np.radians(8.0)
_MOST_REJECTED = 0.4
# A view is out when its error is so much larger than the others' that chance cannot be why.
_OUTLIER_MADS = 5.0
_OUTLIER_RATIO = 3.0
_FOLDS = 10
_MODELS: tuple[Model, ...] = ("plumb_bob", "rational_polynomial", "equidistant")
# The board's shape is freed where each corner was seen so often, and unseen views say so.
_CORNERS_FOR_SHAPE = 8
_WORTH_IT = 0.9


@dataclass(frozen=True)
class Intrinsics:
    """A lens and how well it is known.

    ``covariance`` (p, p) is of the lens's parameters; ``used`` are the views without stray corners,
    and ``errors_px`` [(m, 2)] what is left at each of them, in order of the bundle's poses.
    Where the board was found not to be as described, ``shape_m`` (N, 3) is how its corners are
    off, else it is None. ``before_px`` (views,) are the views' RMS errors by OpenCV's solution.
    """

    bundle: Bundle
    covariance: Array
    held_out_px: float
    used: tuple[View, ...]
    rejected: dict[str, str]
    stray_corners: int
    before_px: Array
    errors_px: tuple[Array, ...]
    shape_m: Array | None

    @property
    def lens(self) -> Lens:
        """The calibrated lens: matrix, distortion and image size."""
        return self.bundle.lens

    @property
    def rms_px(self) -> float:
        """Over all corners of the used views."""
        return rms(np.concatenate(self.errors_px))

    @property
    def standard_deviations(self) -> dict[str, float]:
        """Standard deviation of each lens parameter, by name."""
        return dict(zip(self.lens.names, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    @property
    def misfit(self) -> Misfit:
        """Whether what is left is more than noise."""
        return Misfit.of(self.used, self.errors_px)


def calibrate_intrinsics(views: Views, model: Model | None = None) -> Intrinsics:
    """Calibrate; raises CalibrationError for views that cannot tell the intrinsics.

    The board's shape is estimated too where that tells unseen views better, and so is the lens
    model, where ``model`` is not given: wider ones are tried where plumb_bob leaves a pattern.
    """
    flat = _best_flat(views) if model is None else _calibrate(views, model, shape=False)
    if _count(flat.used) < _CORNERS_FOR_SHAPE * len(views.board.corners_m):
        return flat
    bent = _calibrate(views, flat.lens.model, shape=True)
    return bent if bent.held_out_px < _WORTH_IT * flat.held_out_px else flat


def _best_flat(views: Views) -> Intrinsics:
    """By the first model that leaves no pattern; else by the one that tells unseen views best."""
    found: list[Intrinsics] = []
    problem: CalibrationError | None = None
    for model in _MODELS:
        try:
            found.append(_calibrate(views, model, shape=False))
        except CalibrationError as error:
            problem = problem or error
        else:
            if not found[-1].misfit.certain:
                break
    if not found:
        assert problem is not None
        raise problem
    best = found[0]
    for other in found[1:]:
        if other.held_out_px < _WORTH_IT * best.held_out_px:
            best = other
    return best


def _calibrate(views: Views, model: Model, shape: bool) -> Intrinsics:
    corners_m = views.board.corners_m
    rejected = dict.fromkeys(views.without, "the board is not found")
    used = []
    for view in views.found:
        count = len(view.corners.ids)
        if count < _FEWEST_CORNERS or _on_a_line(corners_m[view.corners.ids]):
            rejected[view.name] = f"only {count} corners are seen, or all in one line"
        else:
            used.append(view)
    _require_enough(used, rejected)
    most, left_out = int(_MOST_REJECTED * len(used)), 0
    while True:
        start = first_bundle(used, corners_m, views.size, model)
        bundle = start.adjusted(used, shape)
        kept = without_stray_corners(used, bundle.corners_m, bundle.lens)
        bundle = bundle.adjusted(kept, shape)
        errors = bundle.errors(kept)
        worst, limit = _worst(errors)
        if worst is None:
            break
        left_out += 1
        if left_out > most:
            raise CalibrationError(
                f"more than {most} of {most + len(used)} views do not fit the others: is the board "
                "flat, its description right, and is every image of one camera with one focus?"
            )
        rejected[used[worst].name] = (
            f"its error of {rms(errors[worst]):.2f} px is over {limit:.2f} px"
        )
        del used[worst]
        _require_enough(used, rejected)
    _require_tilts(bundle.poses)
    before, used = used, kept
    return Intrinsics(
        bundle=bundle,
        covariance=_covariance(bundle, used, shape),
        held_out_px=_held_out(bundle, used, shape),
        used=tuple(used),
        rejected=rejected,
        stray_corners=_count(before) - _count(used),
        before_px=np.array([rms(e) for e in start.errors(before)]),
        errors_px=tuple(errors),
        shape_m=bundle.corners_m - corners_m if shape else None,
    )


def _count(views: Sequence[View]) -> int:
    """Their corners."""
    return sum(len(view.corners.ids) for view in views)


def _worst(errors: list[Array]) -> tuple[int | None, float]:
    """The index of the worst view when it is an outlier, else None; and the limit [px]."""
    sizes = np.array([rms(e) for e in errors])
    median = float(np.median(sizes))
    spread = 1.4826 * float(np.median(np.abs(sizes - median)))
    limit = max(median + _OUTLIER_MADS * spread, _OUTLIER_RATIO * median)
    worst = int(np.argmax(sizes))
    return (worst if sizes[worst] > limit else None), limit


def _covariance(bundle: Bundle, used: list[View], shape: bool) -> Array:
    """(p, p), whatever shape and poses are."""
    information = bundle.information(used, shape)
    residuals = np.concatenate(bundle.errors(used)).ravel()
    freedom = len(residuals) - len(information) - 6 * len(used)
    variance = float(residuals @ residuals) / freedom
    count = len(bundle.lens.names)
    covariance = np.linalg.inv(information)[:count, :count] * variance
    return np.asarray(covariance, dtype=float)


def _held_out(bundle: Bundle, used: list[View], shape: bool) -> float:
    """RMS error [px] in views that the fit has not seen; only their pose is fitted."""
    errors = []
    folds = min(_FOLDS, len(used))
    for fold in range(folds):
        seen = [i for i in range(len(used)) if i % folds != fold]
        others = [used[i] for i in seen]
        fitted = replace(bundle, poses=bundle.poses[seen]).adjusted(others, shape)
        for view in used[fold::folds]:
            points = fitted.corners_m[view.corners.ids]
            pose = fitted.lens.locate(points, view.corners.pixels)
            errors += replace(fitted, poses=pose[None]).errors([view])
    return rms(np.concatenate(errors))


def _require_enough(used: list[View], rejected: dict[str, str]) -> None:
    if len(used) < FEWEST_VIEWS:
        why = "; ".join(f"{name}: {reason}" for name, reason in rejected.items())
        left = f" (left out: {why})" if why else ""
        raise CalibrationError(
            f"only {len(used)} views can be used, {FEWEST_VIEWS} are needed: take more{left}"
        )


def _require_tilts(poses: Array) -> None:
    normals = poses[:, :3, 2]
    spread = np.arccos(np.clip(normals @ normals.T, -1, 1)).max()
    if spread < _SMALLEST_TILT_SPREAD_RAD:
        raise CalibrationError(
            f"all views show the board at the same tilt, within {np.degrees(spread):.0f} deg, so "
            "focal length and distance cannot be told apart: tilt it by 20 to 40 deg to all sides"
        )


def _on_a_line(points: Array) -> bool:
    flat = points[:, :2] - points[:, :2].mean(axis=0)
    return bool(np.linalg.matrix_rank(flat, tol=1e-6) < 2)
