"""One camera of a whole cell's calibration: its views, its result and where that is saved."""

import json

import numpy as np
import pytest

from calibration.camera_procedure import CameraProcedure
from calibration.result_files import CalibrationOutcome, save
from pushcell import se3
from tests.calibration import rig

SETUP = "eye-in-hand"
LATER = "hand_eye_2999-01-01_00-00-00.json"


@pytest.fixture
def folder(tmp_path):
    """A folder with another result, whose name comes after all others."""
    (tmp_path / LATER).write_text("{}")
    return tmp_path


def test_a_procedure_gives_the_file_that_it_has_saved(folder, charuco, monkeypatch):
    rng = np.random.default_rng(0)
    poses = rig.looks(charuco, rng, 20)
    hands = rig.shaken(rig.hands(SETUP, poses), rng)
    corners = iter([view.corners for view in rig.seen(charuco, poses, rng)])
    monkeypatch.setattr(type(charuco), "find", lambda board, image: next(corners))
    procedure = CameraProcedure("wrist", SETUP, charuco.text, folder)
    picture = np.zeros((rig.LENS.size[1], rig.LENS.size[0]), np.uint8)
    for hand in hands:
        procedure.add(picture, hand)
    result = procedure.finish()
    assert result.saved.parent == folder
    assert result.saved.name != LATER
    saved = json.loads(result.saved.read_text())
    assert (saved["camera"], saved["setup"]) == ("wrist", SETUP)
    np.testing.assert_allclose(saved["transform"], result.pose)
    assert result.saved.with_suffix(".yaml").is_file()
    off_m, off_rad = se3.errors(result.pose, rig.CAMERA[SETUP])
    assert off_m < 0.002
    assert off_rad < np.radians(0.2)


def test_a_refused_result_has_a_report_and_no_file(folder):
    over = CalibrationOutcome("hand_eye", {"camera": "wrist"}, {}, (), problems=("too far off",))
    refused = save(over, folder)
    assert refused.path is None
    assert set(refused.files) == {"html"}
    assert save(over, folder, force=True).path.is_file()
