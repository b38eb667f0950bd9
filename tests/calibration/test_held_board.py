"""A board in a person's hands: which pictures are kept, and what is asked for."""

import numpy as np
import pytest

from calibration.held_board import HeldBoard
from calibration.taken_views import TakenViews
from pushcell import se3
from tests.calibration.conftest import CHARUCO

PERIOD_S = 0.1


class Person:
    """Holds boards before a camera of ten pictures a second."""

    def __init__(self, folder, enough):
        self.held = HeldBoard(TakenViews("overhead", CHARUCO, folder), enough)
        self.now = 50.0

    def hold(self, pictures):
        """How many were kept."""
        kept = 0
        for picture in pictures:
            self.now += PERIOD_S
            kept += self.held.look(self.now, picture)
        return kept


@pytest.fixture
def person(tmp_path):
    return Person(tmp_path, 3)


def test_one_view_is_kept_of_a_board_that_is_held_still(person, pictures):
    assert person.hold([pictures[0][1]] * 3) == 0
    assert person.held.advice == "hold the board still"
    assert person.hold([pictures[0][1]] * 20) == 1
    assert "move the board" in person.held.advice
    assert person.hold([pictures[1][1]] * 20) == 1


def test_a_board_that_moves_is_not_kept(person, camera, poses):
    moving = [
        camera.take(se3.from_rvec(np.zeros(3), [0.004 * k, 0, 0]) @ poses[0]) for k in range(12)
    ]
    assert person.hold(moving) == 0
    assert person.hold(moving[-1:] * 6) == 1


def test_no_board_is_told(person):
    assert person.hold([np.full((480, 640), 128, np.uint8)]) == 0
    assert "not seen" in person.held.advice


def test_it_is_done_when_nothing_is_missing(person, pictures):
    for index, (_, picture) in enumerate(pictures):
        assert person.hold([picture] * 6) == 1
        known = person.held.taken.guidance()
        assert known["views"] == index + 1
        assert person.held.done == (index >= 2 and not known["missing"])
    assert person.held.done
