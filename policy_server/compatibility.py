"""Whether a bundle fits the cell that it shall drive: every mismatch names both values."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from policy_server.bundle_format import Manifest
from policy_server.bundle_sections import CameraGeometry, CameraInput, CellTask
from pushcell.cameras.calibrated import active_sha256
from pushcell.config.cell import CellConfig
from pushcell.errors import BundleError

# What a file's decimals cannot tell apart [m], [rad], [px].
_SAME = 1e-6


def check_fits_cell(manifest: Manifest, cell: CellConfig, where: str) -> None:
    """Raise BundleError that lists everything in which bundle and cell differ."""
    found = list(mismatches(manifest, cell))
    if found:
        raise BundleError(f"{where} does not fit this cell: {'; '.join(found)}")


def mismatches(manifest: Manifest, cell: CellConfig) -> Iterator[str]:
    """One sentence for each difference."""
    yield from _task(manifest, cell)
    if manifest.rate_hz > cell.motion.rate_hz:
        yield (
            f"the policy acts at {manifest.rate_hz} Hz, the cell's motion.rate_hz is "
            f"{cell.motion.rate_hz}"
        )
    for camera in manifest.observation.cameras:
        yield from _camera(camera, manifest.rate_hz, cell)
    yield from _calibration(manifest, cell)
    yield from _bounds(manifest, cell)


def _task(manifest: Manifest, cell: CellConfig) -> Iterator[str]:
    if not isinstance(manifest.task, CellTask):
        yield f"the policy is for the task {manifest.task.kind}, not for a work cell"
        return
    ours = CellTask.of(cell)
    for key in CellTask.model_fields:
        theirs, mine = getattr(manifest.task, key), getattr(ours, key)
        if not _same(theirs, mine):
            yield f"task.{key} is {theirs} in the bundle, {mine} in the cell"


def _camera(spec: CameraInput, rate_hz: float, cell: CellConfig) -> Iterator[str]:
    names = [camera.name for camera in cell.cameras]
    if spec.name not in names:
        yield f"the policy needs camera {spec.name!r}, the cell has {', '.join(names)}"
        return
    camera = cell.camera(spec.name)
    if camera.rate_hz < rate_hz:
        yield (
            f"camera {spec.name} gives {camera.rate_hz} images a second, the policy needs {rate_hz}"
        )
    if spec.geometry is None:
        yield f"camera {spec.name} of the bundle was never calibrated, the cell's is"
        return
    ours = CameraInput.of(
        camera, (spec.width_px, spec.height_px), (spec.crop_width_px, spec.crop_height_px)
    )
    model = cell.arm.model
    for key in CameraGeometry.model_fields:
        theirs, mine = getattr(spec.geometry, key), getattr(ours.geometry, key)
        # A link that this arm has not is another arm's base or hand: only its name is another.
        elsewhere = key == "link" and theirs not in (model.base_link, model.tip_link)
        if not elsewhere and not _same(theirs, mine):
            yield (
                f"camera {spec.name}: {key} is {theirs} in the bundle, "
                f"{mine} in the cell: they were calibrated differently"
            )


def _calibration(manifest: Manifest, cell: CellConfig) -> Iterator[str]:
    """What a policy learned to see was seen by the cameras as they were calibrated then."""
    theirs, mine = manifest.training.calibration_sha256, active_sha256(cell)
    if manifest.has_cameras and theirs is not None and theirs != mine:
        yield (
            f"the policy was trained with the calibration {theirs[:12]}, the cell's is "
            f"{mine[:12] if mine else 'none'}: name the files that were in use then"
        )


def _bounds(manifest: Manifest, cell: CellConfig) -> Iterator[str]:
    corners = np.array(cell.workspace.corners_m)
    slack = cell.motion.target_max_outside_m
    low, high = corners.min(axis=0) - slack, corners.max(axis=0) + slack
    action = manifest.action
    if (np.array(action.low) < low).any() or (np.array(action.high) > high).any():
        yield (
            f"actions from {action.low} to {action.high} m are allowed by the bundle, the cell's "
            f"guard takes {low.round(6).tolist()} to {high.round(6).tolist()} m"
        )


def _same(a: object, b: object) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=_SAME, abs_tol=_SAME)
    return a == b
