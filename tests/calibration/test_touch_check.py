"""Marks on the table: which, where they are seen, and what their touching comes to."""

import json

import numpy as np
import pytest

from calibration.boards import parse_board
from calibration.synthetic_images import SyntheticCamera
from calibration.table_command import CalibrateTable, outcome
from calibration.touch_check import Touching
from pushcell import se3
from pushcell.cameras.camera_info import camera_info_text
from pushcell.errors import CalibrationError
from tests.calibration import rig

BOARD = parse_board("charuco:7x5:0.036:0.028:DICT_5X5_50")
THICKNESS_M = 0.005
CAMERA = se3.from_rvec([np.pi, 0, 0], [0.5, 0.0, 0.5])
LYING = se3.from_rvec([np.pi, 0, 0], [0.38, 0.09, THICKNESS_M])


@pytest.fixture
def touching():
    picture = SyntheticCamera(BOARD, rig.LENS, seed=0).take(se3.inverse(CAMERA) @ LYING)
    return Touching.of(picture, BOARD)


def touch_all(touching, off=(0.0, 0.0, 0.0)):
    for corner in BOARD.corners_m[touching.ids]:
        assert "touch mark" in touching.next
        touching.touch((LYING @ [*corner, 1.0])[:3] + off)
    assert touching.next is None


def table(touching, folder):
    touching.save(folder / "touched.json")
    (folder / "camera.yaml").write_text(camera_info_text(rig.LENS, "overhead"))
    hand_eye = {"setup": "eye-to-hand", "transform": CAMERA.tolist()}
    (folder / "hand_eye.json").write_text(json.dumps(hand_eye))
    return outcome(
        CalibrateTable(
            touched=folder / "touched.json",
            out=folder,
            intrinsics=folder / "camera.yaml",
            hand_eye=folder / "hand_eye.json",
            marks_height=THICKNESS_M,
        )
    )


def test_marks_are_far_apart(touching):
    places = BOARD.corners_m[touching.ids]
    distances = np.linalg.norm(places[:, None] - places, axis=2) + np.eye(len(places))
    assert distances.min() > 1.9 * 0.036
    assert len(set(touching.ids.tolist())) == 6


def test_touching_the_marks_confirms_a_good_camera(touching, tmp_path):
    touch_all(touching)
    told = table(touching, tmp_path)
    assert told.problems == []
    assert told.figures["map_mm"] < 0.5
    assert abs(told.figures["height_mm"]) < 1e-6, "the board's thickness is no height of the table"
    # The map is of the table's own plane: it hits the place under the camera, seen in its middle.
    seen = np.array(touching.pixels[0])
    ray = rig.LENS.rays(seen[None])[0] @ CAMERA[:3, :3].T
    on_table = CAMERA[:3, 3] - ray * CAMERA[2, 3] / ray[2]
    straight = (rig.LENS.rays(seen[None]) @ rig.LENS.matrix.T)[0]
    mapped = np.array(told.figures["pixel_to_table"]) @ straight
    np.testing.assert_allclose(mapped[:2] / mapped[2], on_table[:2], atol=1e-6)


def test_a_camera_that_is_off_is_told(touching, tmp_path):
    touch_all(touching, off=(0.008, 0.0, 0.0))
    assert any("the map's error is 8" in problem for problem in table(touching, tmp_path).problems)


def test_a_hidden_board_is_told():
    with pytest.raises(CalibrationError, match="keep the arm out of the way"):
        Touching.of(np.full((480, 640), 128, np.uint8), BOARD)
