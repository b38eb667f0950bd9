"""The cell's active calibration: the files that its configuration names, read and hashed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pushcell.cameras.calibration_files import read_hand_eye, read_latency
from pushcell.cameras.camera_info import read_camera_info
from pushcell.cameras.camera_model import Lens
from pushcell.config.cell import CameraConfig, CellConfig
from pushcell.errors import CalibrationError
from pushcell.geometry import Array


def active_lens(cell: CellConfig, camera: str) -> Lens:
    """The calibrated lens of a camera; as the cell's file has it where none was calibrated.

    Raises CalibrationError for one of another image size.
    """
    said = cell.camera(camera)
    path = cell.calibration_of(camera).intrinsics
    if path is None:
        return Lens(said.matrix, said.distortion, (said.width_px, said.height_px))
    lens = read_camera_info(path)
    if lens.size != (said.width_px, said.height_px):
        raise CalibrationError(
            f"{path} is for images of {lens.size[0]}x{lens.size[1]}, camera {camera} gives "
            f"{said.width_px}x{said.height_px}: calibrate it at the size at which it is used"
        )
    return lens


def active_pose(cell: CellConfig, camera: str) -> Array:
    """(4, 4) the camera in the link that carries it, calibrated where that was done."""
    said = cell.camera(camera)
    path = cell.calibration_of(camera).hand_eye
    if path is None:
        return said.pose_in_link.matrix()
    setup, pose = read_hand_eye(path)
    if setup != _setup(cell, said):
        raise CalibrationError(
            f"{path} is {setup}, but camera {camera} is on {said.link}: name the right file"
        )
    return pose


def active_latency_s(cell: CellConfig, camera: str) -> float:
    """By how much a camera's stamps are later than its pictures [s]; 0 where not measured."""
    path = cell.calibration_of(camera).latency
    return 0.0 if path is None else read_latency(path, camera)


def active_sha256(cell: CellConfig) -> str | None:
    """Of all files of the active calibration; None where there is none."""
    paths = [path for entry in cell.calibration for path in entry.files]
    if not paths:
        return None
    digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _setup(cell: CellConfig, camera: CameraConfig) -> str:
    return "eye-to-hand" if camera.link == cell.arm.model.base_link else "eye-in-hand"
