"""The arm's kinematics, and guards whose emergency stop is released."""

import pytest

from pushcell.arm.kinematics import ArmKinematics
from tests.motion.rig import Rig


@pytest.fixture(scope="module")
def kinematics(cell):
    return ArmKinematics(cell)


@pytest.fixture
def rig(cell, kinematics):
    return Rig(cell, kinematics).released()


@pytest.fixture
def operated(cell, kinematics):
    """A rig whose operator must hold the deadman, and does."""
    rig = Rig(cell, kinematics, require_deadman=True)
    rig.deadman = True
    return rig.released()
