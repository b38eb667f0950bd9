"""A pad is mapped by pressing what is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushcell.errors import ConfigError
from teleop.devices.pad import PadDevice
from teleop.devices.pad_map import AxisStick, AxisSwitch, ButtonSwitch, load_map, write_map
from teleop.devices.pad_mapping import HOLD_S, PadMapper
from teleop.devices.shaping import StickSpeed
from tests.teleop.pressed_pad import PressedPad

ACTIONS = ("stop", "start", "success", "failure", "discard", "prepare")
# Map -> axes, buttons, where axes rest, triggers that are buttons too.
PADS = {
    "gamepad": (8, 11, {2: 1.0, 5: 1.0}, {}),
    "gamepad_playstation": (8, 13, {2: 1.0, 5: 1.0}, {2: 6, 5: 7}),
    "gamepad_logitech_d": (6, 12, {}, {}),
    "gamepad_xbox_bluetooth": (8, 15, {4: 1.0, 5: 1.0}, {}),
    "gamepad_sdl": (6, 21, {}, {}),
}


class Session:
    """A mapper that hears a pad, and its clock."""

    def __init__(self, pad, actions=ACTIONS):
        self.pad, self.mapper, self.now_s = pad, PadMapper(actions), 0.0
        self.wait()

    def wait(self, seconds=1.5 * HOLD_S):
        for _ in range(3):
            self.mapper.hear(self.now_s, self.pad.axes, self.pad.buttons)
            self.now_s += seconds / 3
            self.mapper.look(self.now_s)

    def use(self, part):
        """Hold a control, then let it go."""
        self.pad.press(part)
        self.wait()
        self.pad.let_go()
        self.wait()

    def answer(self, pad_map):
        """Use what the map has for each thing that is asked for."""
        while self.mapper.prompt:
            asked = self.mapper.asked
            self.use(pad_map.parts[asked])
            assert self.mapper.asked != asked, self.mapper.remark


@pytest.mark.parametrize("name", PADS)
def test_a_map_is_found_again_by_pressing_what_it_names(name, tmp_path):
    known = load_map(name)
    session = Session(PressedPad(*PADS[name]))
    session.answer(known)
    file = tmp_path / "mine.yaml"
    write_map(session.mapper.pad_map("", "/joy", known.dead_zone, known.expo), file)
    found = load_map(str(file))
    assert found.counts == known.counts
    assert found.topic == "/joy"
    for part, theirs in known.parts.items():
        pad = PressedPad(*PADS[name])
        pad.press(theirs)
        if isinstance(theirs, AxisStick):
            assert found.parts[part].value(pad.axes, pad.buttons) == 1.0
        else:
            assert found.parts[part].pressed(pad.axes, pad.buttons)
            pad.let_go()
            assert not found.parts[part].pressed(pad.axes, pad.buttons)


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from([-1.0, 1.0])), max_size=30))
@settings(deadline=None)
def test_whatever_is_pressed_the_deadman_is_a_button_and_no_control_is_used_twice(presses):
    session = Session(PressedPad(*PADS["gamepad"]))
    for index, end in presses:
        axis = session.mapper.asked in ("right", "up") or end < 0
        session.use(
            AxisSwitch(label="", axis=index, released=0.0, held=end)
            if axis
            else ButtonSwitch(label="", button=index)
        )
    parts = session.mapper._parts
    used = [control for part in parts.values() for control in part.controls]
    assert len(used) == len(set(used))
    assert isinstance(parts.get("deadman", ButtonSwitch(label="", button=0)), ButtonSwitch)


def session_after_sticks():
    session = Session(PressedPad(*PADS["gamepad"]))
    for name in ("right", "up"):
        session.use(load_map("gamepad").parts[name])
    return session


def button(number):
    return ButtonSwitch(label="", button=number)


def test_a_control_is_refused_the_second_time():
    session = session_after_sticks()
    session.use(button(4))
    session.use(button(4))
    assert session.mapper.asked == "slow"
    assert session.mapper.remark == "button 4 is 'deadman' already: use another"
    session.use(button(5))
    assert session.mapper.asked == "fast"


def test_the_deadman_is_no_trigger():
    session = session_after_sticks()
    session.use(load_map("gamepad").slow)
    assert session.mapper.asked == "deadman"
    assert session.mapper.remark == "it must be a button"


def test_a_stick_is_no_button_and_no_trigger():
    session = Session(PressedPad(*PADS["gamepad"]))
    session.use(button(0))
    assert "a stick is asked for" in session.mapper.remark
    session.use(load_map("gamepad").slow)
    assert "axis 2 does not come back to its middle" in session.mapper.remark
    assert session.mapper.asked == "right"


def test_two_controls_at_once_are_asked_for_again():
    session = session_after_sticks()
    session.pad.press(button(1))
    session.use(button(2))
    assert "more than one control at once" in session.mapper.remark
    assert session.mapper.asked == "deadman"


def test_a_trigger_that_is_only_touched_is_not_taken():
    session = session_after_sticks()
    session.use(button(4))
    session.pad.axes[2] = 1.0
    session.wait()
    session.wait(4.0)
    assert session.mapper.asked == "slow"
    assert "nothing was let go" in session.mapper.remark
    session.wait()
    session.use(load_map("gamepad").slow)
    assert session.mapper.asked == "fast"


def test_a_button_that_is_stuck_is_told():
    pad = PressedPad(*PADS["gamepad"])
    pad.press(button(3))
    session = Session(pad)
    assert session.mapper.prompt == "Let go of everything: button 3 is held."


def test_another_pad_begins_anew():
    session = session_after_sticks()
    session.pad = PressedPad(*PADS["gamepad_logitech_d"])
    session.wait()
    assert session.mapper.asked == "right"
    assert session.mapper.remark == "another pad is heard: from the beginning"


def test_pads_of_the_same_counts_are_told_apart_by_their_names(cell, tmp_path):
    text = load_map("gamepad").model_copy(update={"name": "Brand A"})
    write_map(text, tmp_path / "a.yaml")
    device = PadDevice("a", load_map(str(tmp_path / "a.yaml")), StickSpeed.of(cell), 0.2)
    axes, released = [0.0] * 8, [0] * 11
    device.hear(0.0, axes, released, "Brand B")
    device.hear(0.1, [1.0] * 8, [1] * 11, "Brand B")
    assert device.read(0.1).actions == frozenset()
    assert not device.read(0.1).deadman
    assert not np.any(device.read(0.1).velocity)
    assert "the pad 'Brand B' of 8 axes and 11 buttons, which no map" in device.problem
    assert "pushcell teleop map" in device.problem
    device.hear(0.2, axes, released, "Brand A")
    device.hear(0.3, axes, [1] * 11, "Brand A")
    assert device.read(0.3).deadman
    device.hear(0.4, axes, released)
    assert not device.problem, "joy_node tells no name"


def test_a_map_in_which_a_control_is_used_twice_is_refused(tmp_path):
    mine = tmp_path / "mine.yaml"
    known = load_map("gamepad")
    write_map(known, mine)
    mine.write_text(mine.read_text().replace("label: B, button: 1}", "label: B, button: 4}"))
    with pytest.raises(ConfigError, match="deadman and stop are both button 4"):
        load_map(str(mine))
