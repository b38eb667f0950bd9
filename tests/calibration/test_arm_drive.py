"""The way of the arm in a calibration, with an arm that does what it is told."""

import numpy as np
import pytest

from calibration.arm_drive import ArmDrive
from pushcell.config.cell import load_cell
from tests.conftest import SIM_CELL

TICK_S = 0.01
GOAL = np.array([0.4, -0.2, 0.0, 0.8, 0.0, 0.0, 0.1])


class Rig:
    """Silence stops the arm at once."""

    def __init__(self, require_deadman=False):
        self.drive = ArmDrive(load_cell(SIM_CELL), require_deadman)
        self.now, self.joints = 100.0, np.zeros(7)
        self.drive.on_joints(self.now, self.joints, np.zeros(7))

    def run(self, seconds, held=None):
        """Whether anything was commanded."""
        moved = False
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            if held is not None:
                self.drive.on_deadman(self.now, held)
            wanted = self.drive.tick(self.now)
            moved = moved or wanted is not None
            self.joints, velocity = (self.joints, np.zeros(7)) if wanted is None else wanted
            self.drive.on_joints(self.now, self.joints, velocity)
        return moved


def test_nothing_moves_before_the_stop_is_released():
    rig = Rig()
    rig.drive.go(GOAL, 0.3, 2e-3)
    assert not rig.run(2.0)
    assert rig.drive.emergency_stop.release() is None
    assert rig.run(10.0)
    assert rig.drive.arrived(rig.now)
    np.testing.assert_allclose(rig.joints, GOAL, atol=2e-3)


@pytest.mark.parametrize("stop", ["pressed", "asked for"])
def test_a_stop_halts_it_at_once_and_for_good(stop):
    rig = Rig()
    rig.drive.emergency_stop.release()
    rig.drive.go(GOAL, 0.3, 2e-3)
    rig.run(1.0)
    between = rig.joints
    assert 0.01 < np.abs(between).max() < 0.7
    if stop == "pressed":
        rig.drive.emergency_stop.set_pressed("A", True)
        rig.drive.emergency_stop.set_pressed("A", False)
    else:
        rig.drive.emergency_stop.engage("it was asked for")
    assert not rig.run(2.0)
    np.testing.assert_array_equal(rig.joints, between)
    rig.drive.emergency_stop.release()
    rig.run(10.0)
    assert rig.drive.arrived(rig.now), "it goes on from where it stands"


def test_it_moves_only_while_the_deadman_is_held():
    rig = Rig(require_deadman=True)
    rig.drive.emergency_stop.release()
    rig.drive.go(GOAL, 0.3, 2e-3)
    assert not rig.run(1.0)
    assert rig.run(1.0, held=True)
    assert rig.drive.halted(rig.now) is None
    assert not rig.run(1.0, held=False)
    # Whoever holds it and falls silent has let go, too.
    assert rig.run(1.0, held=True)
    rig.run(0.3)
    assert not rig.run(1.0)
    rig.run(10.0, held=True)
    assert rig.drive.arrived(rig.now)


def test_commands_and_reports_are_kept_with_rising_times():
    rig = Rig()
    rig.drive.emergency_stop.release()
    rig.drive.go(GOAL, 0.3, 2e-3)
    rig.run(10.0)
    for record in (rig.drive.commanded, rig.drive.measured):
        assert len(record) > 50
        assert (np.diff([time for time, _ in record]) > 0).all()
