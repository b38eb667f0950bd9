"""``pushcell calibrate intrinsics``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tyro.conf import Positional, arg

from calibration.boards import parse_board
from calibration.bundle_adjustment import rms
from calibration.coverage import coverage_of
from calibration.intrinsics import Intrinsics, calibrate_intrinsics
from calibration.plots import intrinsics_pictures
from calibration.result_files import CalibrationOutcome, finish
from calibration.views import Views, read_views
from pushcell.cameras.camera_info import camera_info_text
from pushcell.cameras.camera_model import Model
from pushcell.errors import CalibrationError

_MOST_TIMES = 3.0
_FINE_PX = 0.15  # which is good, however quiet the corners are


@dataclass(frozen=True)
class CalibrateIntrinsics:
    """Calibrate a camera's intrinsics from images of a board.

    It saves a ROS camera_info YAML, the numbers as JSON and a report as HTML, with the date in the
    file names. A result that exceeds its limits is not saved; the exit code is then 1.

    example:
      pushcell calibrate intrinsics images/ --board charuco:7x5:0.030:0.021:DICT_4X4_50 --out out
    """

    images: Positional[tuple[Path, ...]]
    """One or more image files, or folders of image files."""
    board: str
    """The board: charuco:7x5:0.030:0.021:DICT_4X4_50 (squares, size of squares and markers in
    metres) or chessboard:9x7:0.020 (inner corners, size of squares)."""
    out: Path
    """Folder for the result."""
    model: Model | None = None
    """The lens model; by default the one that fits held-out views best."""
    camera: str = "camera"
    """Name of the camera in the cell file."""
    max_held_out_px: float | None = None
    """Limit: RMS error in held-out views; by default three times the noise of the corners."""
    max_focal_deviation: float = 0.005
    """Limit: standard deviation of the focal lengths, relative to them."""
    force: bool = False
    """Save the result even if it exceeds its limits."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the numbers as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises CalibrationError."""
    prog = "pushcell calibrate intrinsics"
    options = tyro.cli(CalibrateIntrinsics, prog=prog, args=list(words))
    if not options.images:
        raise CalibrationError("give one or more images, or folders of images")
    views = read_views(options.images, parse_board(options.board))
    result = calibrate_intrinsics(views, options.model)
    return finish(outcome(options, views, result), options.out, options.force, options.json)


def outcome(options: CalibrateIntrinsics, views: Views, result: Intrinsics) -> CalibrationOutcome:
    """What is told and saved of a result."""
    lens, deviations = result.lens, result.standard_deviations
    used = views.named([view.name for view in result.used])
    coverage = coverage_of(used, lens)
    focal = max(deviations["fx"] / lens.matrix[0, 0], deviations["fy"] / lens.matrix[1, 1])
    bend_mm = 0.0 if result.shape_m is None else 1e3 * float(np.abs(result.shape_m).max())
    problems = []
    limit_px = options.max_held_out_px
    if limit_px is None:
        limit_px = max(_MOST_TIMES * result.misfit.noise_px, _FINE_PX)
    if result.held_out_px > limit_px:
        problems.append(
            f"the held-out error is {result.held_out_px:.2f} px, allowed {limit_px:.3g}, as the "
            f"corners' own noise is {result.misfit.noise_px:.2f} px: hold the board still, and "
            "see whether it is flat, and whether the focus changes"
        )
    if focal > options.max_focal_deviation:
        problems.append(
            f"the focal length is known to {focal:.2%} only, allowed "
            f"{options.max_focal_deviation:.2%}: add tilted views"
        )
    figures = {
        "camera": options.camera,
        "board": views.board.text,
        "image_size": list(lens.size),
        "camera_matrix": lens.matrix.tolist(),
        "distortion": lens.distortion.tolist(),
        "rms_px": result.rms_px,
        "held_out_px": result.held_out_px,
        "views_used": [view.name for view in result.used],
        "views_rejected": [{"view": k, "reason": v} for k, v in result.rejected.items()],
        "stray_corners": result.stray_corners,
        "view_rms_px": [rms(errors) for errors in result.errors_px],
        "distortion_model": lens.model,
        "noise_px": result.misfit.noise_px,
        "systematic_px": result.misfit.systematic_px,
        "parameters": list(lens.names),
        "covariance": result.covariance.tolist(),
        "standard_deviations": deviations,
        "board_corners_m": result.bundle.corners_m.tolist(),
        "board_off_mm": bend_mm,
        "coverage": coverage.counts.tolist(),
        "missing": list(coverage.missing),
    }
    shown = {
        name: f"{value:.3f} ± {deviations[name]:.3f}"
        for name, value in zip(lens.names, lens.parameters, strict=True)
    }
    shown |= {
        "model": lens.model,
        "rms": f"{result.rms_px:.3f} px",
        "held out": f"{result.held_out_px:.3f} px",
        "views": f"{len(result.used)} used, {len(result.rejected)} left out",
        "stray corners": f"{result.stray_corners} left out",
        "board off its description": f"{bend_mm:.2f} mm" if bend_mm else "no",
    }
    told = parse_board(options.board).text
    variant = () if told == views.board.text else (f"the board is {views.board.text}, not {told}",)
    missing = tuple(f"missing: {advice}" for advice in coverage.missing)
    left_out = tuple(f"{name} is left out: {why}" for name, why in result.rejected.items())
    return CalibrationOutcome(
        kind="intrinsics",
        figures=figures,
        shown=shown,
        pictures=intrinsics_pictures(result, coverage),
        problems=problems,
        warnings=(*_misfit(result), *variant, *left_out, *missing),
        files={".yaml": camera_info_text(lens, options.camera)},
    )


def _misfit(result: Intrinsics) -> tuple[str, ...]:
    """Residuals that are more than noise, in words."""
    misfit = result.misfit
    if not misfit.certain:
        return ()
    return (
        f"the residuals follow a pattern of {misfit.systematic_px:.2f} px where the corners' own "
        f"noise is {misfit.noise_px:.2f} px: the lens is wider than {result.lens.model} describes, "
        "its focus has changed, or the board is not flat",
    )
