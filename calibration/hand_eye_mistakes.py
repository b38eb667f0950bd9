"""Which mistake in the poses it is, where they do not fit: what they would fit otherwise."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from calibration.hand_eye_data import HandEyeData, PoseSighting
from calibration.hand_eye_start import consensus
from pushcell.errors import CalibrationError
from pushcell.geometry import Array


def cause_of_misfit(data: HandEyeData) -> str:
    """What people got wrong, in a sentence; empty where no common mistake explains it."""
    other = data.of_other_setup()
    if _fits(other):
        return (
            f"the poses do not fit {data.setup}, but they do fit {other.setup}. Three mistakes "
            "look exactly like this: the targets are inverted (give the target in the camera, not "
            "the camera in the target), the hands are inverted (give the hand in the base, not the "
            f"base in the hand), or the setup is another one (give --setup {other.setup})"
        )
    hands = data.with_hands(w_first(data.hand_in_base))
    for whose, changed in (
        ("the hands", hands),
        ("the targets", _with_targets_w_first(data)),
        ("hands and targets", _with_targets_w_first(hands)),
    ):
        if changed is not None and _fits(changed):
            return (
                f"the poses do not fit, but they do where the quaternions of {whose} are read "
                "with w first: give them as x y z w, or make the matrices of them in that order"
            )
    return ""


def w_first(poses: Array) -> Array:
    """(N, 4, 4) as they were meant, where quaternions w x y z were read as x y z w."""
    read = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
    meant = poses.copy()
    meant[:, :3, :3] = Rotation.from_quat(np.roll(read, -1, axis=1)).as_matrix()
    return meant


def _with_targets_w_first(data: HandEyeData) -> HandEyeData | None:
    """None where the targets were found in images, and not given."""
    if not all(isinstance(sighting, PoseSighting) for sighting in data.sightings):
        return None
    return data.with_targets(w_first(data.target_in_camera))


def _fits(data: HandEyeData) -> bool:
    try:
        consensus(data)
    except CalibrationError:
        return False
    return True
