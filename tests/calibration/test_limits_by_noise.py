"""Residuals are judged by the noise that is measured in the corners."""

from pathlib import Path

import numpy as np
import pytest

from calibration.hand_eye import calibrate_hand_eye
from calibration.hand_eye_command import HandEyeLimits, outcome
from calibration.hand_eye_data import CornerSighting, HandEyeData
from calibration.intrinsics import calibrate_intrinsics
from calibration.intrinsics_command import CalibrateIntrinsics
from calibration.intrinsics_command import outcome as intrinsics_outcome
from calibration.views import Views
from tests.calibration import rig
from tests.calibration.test_wide_lenses import LENSES, views_of

SETUP = "eye-in-hand"
EXACT = {"arm_mm": 0.02, "arm_deg": 0.002}


def data(board, pixel, rad, m, seed=0):
    """Corners of so much noise, hands of so much."""
    rng = np.random.default_rng(seed)
    poses = rig.looks(board, rng, 20)
    views = rig.seen(board, poses, rng, pixel)
    sightings = tuple(CornerSighting.of(view, board.corners_m, rig.LENS) for view in views)
    hands = rig.shaken(rig.hands(SETUP, poses), rng, rad, m)
    return HandEyeData(SETUP, rig.names(20), hands, sightings)


def left_out_problems(values, **options):
    result = outcome(calibrate_hand_eye(values), SETUP, "camera", HandEyeLimits(**options))
    return [problem for problem in result.problems if problem.startswith("leave-one-out")]


@pytest.mark.parametrize("pixel", [0.1, 2.0])
def test_what_the_corners_noise_explains_is_within_the_limits(charuco, pixel):
    assert left_out_problems(data(charuco, pixel, 0.0, 0.0), **EXACT) == []


def test_what_it_does_not_explain_is_over_them(charuco):
    shaken = data(charuco, 0.1, np.radians(0.5), 0.005)
    assert len(left_out_problems(shaken)) == 2
    assert left_out_problems(shaken, arm_mm=5.0, arm_deg=0.5) == []
    assert left_out_problems(shaken, max_left_out_mm=100.0, max_left_out_deg=10.0) == []


def held_out_problems(views, **options):
    options = CalibrateIntrinsics((), views.board.text, Path(), **options)
    result = calibrate_intrinsics(views, options.model)
    problems = intrinsics_outcome(options, views, result).problems
    return [problem for problem in problems if "held-out" in problem]


@pytest.mark.parametrize("pixel", [0.1, 0.8])
def test_the_corners_of_intrinsics_may_be_as_noisy_as_they_are(charuco, pixel):
    rng = np.random.default_rng(1)
    found = rig.seen(charuco, rig.looks(charuco, rng, 20), rng, pixel)
    views = Views(charuco, rig.LENS.size, found, ())
    assert held_out_problems(views) == []
    assert len(held_out_problems(views, max_held_out_px=0.01)) == 1


def test_a_lens_that_is_wider_than_its_model_is_over_the_limits(charuco):
    views, _ = views_of(LENSES["equidistant"], charuco, np.random.default_rng(2), count=15)
    (problem,) = held_out_problems(views, model="plumb_bob")
    assert "as the corners' own noise is 0." in problem
