"""Reading what a calibration has saved."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from pushcell.cameras.rigid_poses import check_poses
from pushcell.errors import CalibrationError
from pushcell.geometry import Array
from pushcell.units import seconds_problem

# What is larger is of another unit.
_LONGEST_LATENCY_S = 5.0


def read_hand_eye(path: Path) -> tuple[str, Array]:
    """Setup and camera (4, 4) of a saved hand-eye calibration."""
    values = read_json(path)
    try:
        setup, transform = values["setup"], np.asarray(values["transform"], dtype=float)
    except (KeyError, TypeError, ValueError):
        transform = np.zeros(0)
    if transform.shape != (4, 4):
        raise CalibrationError(
            f"{path} is no hand-eye calibration: give the JSON file that `pushcell calibrate "
            "hand-eye` wrote"
        )
    check_poses(transform[None], (path.name,), f"of the camera in {path}")
    return setup, transform


def read_latency(path: Path, camera: str) -> float:
    """The saved latency [s] of a camera."""
    values = read_json(path)
    try:
        whose, latency_s = values["camera"], float(values["latency_s"])
    except (KeyError, TypeError, ValueError):
        raise CalibrationError(
            f"{path} is no latency: give the JSON file that `pushcell calibrate latency` wrote"
        ) from None
    if whose != camera:
        raise CalibrationError(f"{path} is the latency of {whose}, not of camera {camera}")
    if problem := seconds_problem(latency_s, _LONGEST_LATENCY_S):
        raise CalibrationError(f"{path}: latency_s is {problem}")
    return latency_s


def read_json(path: Path) -> Any:
    """The values of a JSON file; all numbers are finite."""
    try:
        return json.loads(
            path.read_text(encoding="utf-8"),
            parse_float=_finite,
            parse_int=_whole,
            parse_constant=_finite,
        )
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise CalibrationError(f"{path} is not JSON: {error}") from None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def _whole(text: str) -> int:
    _finite(text)
    return int(text)
