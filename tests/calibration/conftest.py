"""Boards, and real data where it is."""

from pathlib import Path

import numpy as np
import pytest

from calibration.boards import parse_board
from calibration.synthetic_images import SyntheticCamera
from calibration.views import find_board
from tests.calibration import rig
from tests.conftest import ROOT

CHARUCO = "charuco:7x5:0.030:0.021:DICT_4X4_50"


@pytest.fixture(scope="session")
def charuco():
    return parse_board(CHARUCO)


@pytest.fixture(scope="session")
def camera(charuco):
    return SyntheticCamera(charuco, rig.LENS, seed=0)


@pytest.fixture(scope="session")
def poses(charuco):
    """(20, 4, 4) of the board in the camera."""
    return rig.looks(charuco, np.random.default_rng(3), 20)


@pytest.fixture(scope="session")
def pictures(camera, poses):
    """Twenty (name, image): distorted, blurred, noisy."""
    return [(f"{index:02}.png", camera.take(pose)) for index, pose in enumerate(poses)]


@pytest.fixture(scope="session")
def views(pictures, charuco):
    return find_board(pictures, charuco)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets beside the project."""
    folder = next(
        (p / "shared" / "data" for p in ROOT.parents if (p / "shared" / "data").is_dir()), None
    )
    if folder is None:
        pytest.skip("the real data sets are not here: ../shared/data")
    return folder
