"""From readings to targets, and who drives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleop.device_arbiter import DeviceArbiter
from teleop.devices.reading import DeviceReading
from teleop.table_target import TableTarget

TIP = np.array([0.6, 0.0])
POINTS = st.tuples(st.floats(-2, 3), st.floats(-2, 2)).map(np.array)


@given(wanted=POINTS)
def test_a_target_is_never_far_from_the_tip_nor_outside(cell, wanted):
    target = TableTarget(cell).follow(DeviceReading(0.0, True, target=wanted), TIP, 0.02)
    assert np.linalg.norm(target - TIP) <= cell.teleop.lead_m + 1e-12
    assert cell.workspace.polygon.contains(target)
    assert cell.teleop.lead_m <= cell.motion.first_target_max_jump_m


def test_a_place_that_is_near_is_the_target(cell):
    near = TIP + np.array([0.01, -0.02])
    target = TableTarget(cell).follow(DeviceReading(0.0, True, target=near), TIP, 0.02)
    assert target == pytest.approx(near)


def test_following_it_arrives_at_a_place_far_away(cell):
    mapping, tip, place = TableTarget(cell), TIP, np.array([0.5, -0.2])
    for _ in range(100):
        tip = mapping.follow(DeviceReading(0.0, True, target=place), tip, 0.02)
    assert tip == pytest.approx(place)


def test_a_velocity_moves_the_target_and_begins_at_the_tip_each_time(cell):
    mapping = TableTarget(cell)
    reading = DeviceReading(0.0, True, velocity=np.array([0.0, 0.05]))
    for _ in range(10):
        target = mapping.follow(reading, TIP, 0.02)
    assert target == pytest.approx(TIP + np.array([0.0, 0.01]))
    mapping.begin()
    assert mapping.follow(reading, TIP, 0.02) == pytest.approx(TIP + np.array([0.0, 0.001]))


def test_without_a_wish_there_is_no_target(cell):
    assert TableTarget(cell).follow(DeviceReading(0.0, True), TIP, 0.02) is None


class Held:
    """A device whose reading a test sets."""

    title, buttons, connected = "", (), True

    def __init__(self, name):
        self.name, self.deadman, self.actions = name, False, frozenset()

    def read(self, now_s):
        return DeviceReading(now_s, self.deadman, actions=self.actions)

    def close(self):
        """Nothing is held."""


def test_who_held_first_drives_until_it_lets_go():
    first, second = Held("first"), Held("second")
    arbiter = DeviceArbiter([first, second])
    assert arbiter.read(0.0) == (None, [])
    second.deadman = True
    assert arbiter.read(0.1)[0].deadman
    first.deadman = True
    arbiter.read(0.2)
    assert arbiter.driver is second
    second.deadman = False
    arbiter.read(0.3)
    assert arbiter.driver is first
    first.deadman = False
    assert arbiter.read(0.4)[0] is None


def test_a_button_counts_once_a_press():
    device = Held("pad")
    arbiter = DeviceArbiter([device])
    device.actions = frozenset({"start"})
    assert arbiter.read(0.0)[1] == ["start"]
    assert arbiter.read(0.1)[1] == []
    device.actions = frozenset()
    arbiter.read(0.2)
    device.actions = frozenset({"start", "stop"})
    assert arbiter.read(0.3)[1] == ["start", "stop"]
