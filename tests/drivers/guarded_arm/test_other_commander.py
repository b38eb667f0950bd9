"""Two who command one arm: a rival ends in a stop, who begins after a silence is none."""

import numpy as np
import pytest

from pushcell.drivers.arm import Fault
from tests.drivers.guarded_arm.rig import DIRECTION, assert_jerk_limited_standstill


@pytest.mark.parametrize("interval", [1, 2, 7])
@pytest.mark.parametrize(
    ("sender", "ahead"),
    [("motion", 0), ("motion", 1), ("motion", -100), ("other", 0), ("other", 10**9)],
    ids=["copies", "counts on", "begins anew", "other", "other with numbers of its own"],
)
def test_a_rival_ends_in_a_stop_within_the_limits(rig, sender, ahead, interval):
    """Also one that says to be the commander itself."""
    rig.linked().follow()
    began = len(rig.driver.sent) - 3
    for tick in range(100):
        rig.tick()
        if tick % interval == 0 and rig.arm.fault is None:
            direction = DIRECTION[: len(rig.driver.q)]
            place = rig.driver.q + 0.01 * direction
            rig.arm.command(rig.now, rig.now, place, 2 * direction, sender, rig.number + ahead)
    assert rig.arm.fault.kind is Fault.OTHER_COMMANDER
    assert sender in rig.arm.waits_for
    assert_jerk_limited_standstill(rig.cell, rig.driver.sent[began:])
    assert rig.arm.reset() is None


def test_who_begins_after_a_silence_is_no_rival(rig):
    rig.linked().follow()
    rig.following_since = None
    rig.run(0.5)
    rig.arm.command(rig.now, rig.now, rig.driver.q, np.zeros_like(rig.driver.q), "restarted", 1)
    rig.run(0.1)
    assert rig.arm.fault is None
    assert rig.arm.commands_refused == 0
