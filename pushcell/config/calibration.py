"""The section ``calibration``: which results of ``pushcell calibrate`` are in use."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationInfo, field_validator

from pushcell.config.types import Name, Section


class CameraCalibrationConfig(Section):
    """One camera's files, beside the cell's; null for what was not calibrated.

    ``latency`` is how late its stamps are; ``reference`` is what the camera saw of a board that
    stays where it is, for the drift check.
    """

    camera: Name
    intrinsics: Path | None = None
    hand_eye: Path | None = None
    latency: Path | None = None
    reference: Path | None = None

    @field_validator("intrinsics", "hand_eye", "latency", "reference")
    @classmethod
    def _found(cls, given: Path | None, info: ValidationInfo) -> Path | None:
        if given is None:
            return None
        path = (info.context or {}).get("folder", Path()) / given
        if not os.path.isfile(path):  # also for a name that no file can have
            raise ValueError(f"allowed: a file, or null; there is no file {path}")
        return path

    @property
    def files(self) -> list[Path]:
        """Those that are given."""
        given = (self.intrinsics, self.hand_eye, self.latency, self.reference)
        return [path for path in given if path is not None]
