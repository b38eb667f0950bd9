"""``pushcell calibrate drift``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.table import Table
from tyro.conf import Positional, arg

from calibration.coverage import approximate_lens
from calibration.drift import DriftReference, measure_drift
from calibration.views import read_image
from pushcell.cameras.camera_info import read_camera_info
from pushcell.command_output import figures_table, show_result
from pushcell.errors import CalibrationError


@dataclass(frozen=True)
class CalibrateDrift:
    """Check whether a camera has moved since it was calibrated; if so, the exit code is 1.

    Take a reference of a board that stays in view, and name its file in the cell file (calibration,
    reference). Then compare with it at any time.

    examples:
      pushcell calibrate drift now.png --take chessboard:9x6:0.02 --reference ref.json
      pushcell calibrate drift now.png --reference ref.json --intrinsics camera.yaml
    """

    image: Positional[Path]
    """An image of the camera."""
    reference: Path
    """File of the reference."""
    take: Annotated[str | None, arg(metavar="BOARD")] = None
    """Write the reference of this board (format: pushcell calibrate intrinsics --help) instead of
    comparing."""
    intrinsics: Path | None = None
    """The camera's camera_info YAML file; without it, a field of view of 58 deg
    along the longer side of the image is assumed."""
    max_px: float = 1.0
    """Limit: movement of the board in the image (px)."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the numbers as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises CalibrationError."""
    options = tyro.cli(CalibrateDrift, prog="pushcell calibrate drift", args=list(words))
    image = read_image(options.image)
    if options.take is not None:
        return _take(options, DriftReference.take(image, options.take))
    size = image.shape[1], image.shape[0]
    lens = (
        approximate_lens(size)
        if options.intrinsics is None
        else read_camera_info(options.intrinsics)
    )
    drift = measure_drift(DriftReference.read(options.reference), image, lens)
    figures = {
        "moved_px": drift.moved_px,
        "moved_mm": 1e3 * drift.moved_m,
        "turned_deg": float(np.degrees(drift.turned_rad)),
        "limit_px": options.max_px,
    }
    good = drift.moved_px <= options.max_px
    title = "where it was" if good else "moved: calibrate again"
    show_result(figures, figures_table(title, figures), options.json)
    return 0 if good else 1


def _take(options: CalibrateDrift, reference: DriftReference) -> int:
    try:
        options.reference.write_text(reference.text(), encoding="utf-8")
    except OSError as error:
        raise CalibrationError(
            f"{options.reference} cannot be written ({error.strerror})"
        ) from None
    figures = {"corners": len(reference.corners.ids), "reference": str(options.reference)}
    table: Table = figures_table("reference taken", figures)
    show_result(figures, table, options.json)
    return 0
