"""Sticks, deadmen and buttons of every device."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.errors import ConfigError, PushcellError
from teleop.devices.open_devices import open_devices
from teleop.devices.pad import PadDevice
from teleop.devices.pad_map import MAPS, load_map
from teleop.devices.pointer import PointerDevice
from teleop.devices.shaping import StickSpeed, shaped

SILENCE_S = 0.2
STICKS = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(np.array)


@given(stick=STICKS, dead_zone=st.floats(0, 0.8), expo=st.floats(0, 1))
def test_a_shaped_stick_keeps_its_way_and_stays_in_the_disc(stick, dead_zone, expo):
    answer = shaped(stick, dead_zone, expo)
    length, before = np.linalg.norm(answer), np.linalg.norm(stick)
    assert length <= 1 + 1e-12
    if before <= dead_zone:
        assert length == 0
    elif length > 0:
        assert answer / length == pytest.approx(stick / before)


@given(dead_zone=st.floats(0, 0.8), expo=st.floats(0, 1), lengths=st.lists(st.floats(0, 1)))
def test_further_is_never_slower_and_full_stays_full(dead_zone, expo, lengths):
    way = np.array([0.6, 0.8])
    answers = [np.linalg.norm(shaped(way * length, dead_zone, expo)) for length in sorted(lengths)]
    assert (np.diff(answers) >= -1e-12).all()
    assert shaped(way, dead_zone, expo) == pytest.approx(way)


def test_speeds_are_those_of_the_cell(cell):
    speed, full = StickSpeed.of(cell), np.array([1.0, 0.0])

    def m_s(slow=False, fast=False):
        return np.linalg.norm(speed.velocity(full, slow, fast))

    assert m_s() == pytest.approx(0.0575)
    assert m_s(slow=True) == pytest.approx(0.0575 / 2)
    assert m_s(fast=True) == pytest.approx(min(3 * 0.0575, cell.motion.teleop.speed_m_s))
    assert m_s(slow=True, fast=True) == pytest.approx(0.0575 * 1.5)


def pad(cell, name="gamepad"):
    return PadDevice(name, load_map(name), StickSpeed.of(cell), SILENCE_S)


def held(device, now_s):
    return device.read(now_s).deadman


AXES = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
RELEASED = [0] * 11
HELD = [0] * 4 + [1] + [0] * 6


def test_a_pad_that_falls_silent_is_released_and_must_be_let_go_first(cell):
    device = pad(cell)
    device.hear(0.0, AXES, RELEASED)
    device.hear(0.1, AXES, HELD)
    assert held(device, 0.1)
    assert held(device, 0.09 + SILENCE_S)
    assert not held(device, 0.11 + SILENCE_S)
    assert not device.connected
    device.hear(1.0, AXES, HELD)
    assert not held(device, 1.0), "it was stuck while nobody heard of it"
    device.hear(1.1, AXES, RELEASED)
    device.hear(1.2, AXES, HELD)
    assert held(device, 1.2)


def test_a_pad_that_comes_with_its_deadman_held_does_not_drive(cell):
    device = pad(cell)
    device.hear(0.0, AXES, HELD)
    assert not held(device, 0.0)


def test_a_pad_whose_axes_begin_at_their_end_does_not_drive_before_it_was_at_rest(cell):
    """As SDL has them until each is first moved."""
    device, ends = pad(cell), [-1.0, -1.0, *AXES[2:]]
    device.hear(0.0, ends, RELEASED)
    device.hear(0.1, ends, HELD)
    assert not held(device, 0.1)
    device.hear(0.2, AXES, RELEASED)
    device.hear(0.3, ends, HELD)
    assert held(device, 0.3)


def test_a_pad_drives_as_the_picture_shows(cell):
    device = pad(cell)
    device.hear(0.0, [-1.0, 0.0, *AXES[2:]], RELEASED)
    assert device.read(0.0).velocity == pytest.approx(0.0575 * StickSpeed.of(cell).axes[:, 0])
    device.hear(0.0, [0.0, 1.0, -1.0, *AXES[3:]], RELEASED)
    assert device.read(0.0).velocity == pytest.approx(0.02875 * StickSpeed.of(cell).axes[:, 1])


def test_a_trigger_that_was_never_touched_is_not_pressed(cell):
    device = pad(cell)
    device.hear(0.0, [-1.0, *[0.0] * 7], RELEASED)
    assert np.linalg.norm(device.read(0.0).velocity) == pytest.approx(0.0575)


def test_what_is_not_finite_or_not_there_is_still(cell):
    device = pad(cell)
    device.hear(0.0, [float("nan"), float("inf")], [])
    reading = device.read(0.0)
    assert not reading.deadman
    assert reading.velocity == pytest.approx([0, 0])


def test_the_keyboard_is_a_pad(cell):
    keyboard = load_map("keyboard")
    device = PadDevice("keyboard", keyboard, StickSpeed.of(cell), SILENCE_S)

    def press(*keys):
        device.hear(0.0, [], [int(key in keys) for key in keyboard.keys])
        return device.read(0.0)

    assert not press().deadman
    reading = press("Space", "ArrowRight", "ArrowUp")
    assert reading.deadman
    right, up = StickSpeed.of(cell).axes.T @ reading.velocity
    assert right == pytest.approx(up) == pytest.approx(0.0575 / np.sqrt(2))


def test_a_page_is_released_by_silence_and_by_letting_go():
    device, place = PointerDevice(SILENCE_S), np.array([0.6, 0.0])
    device.hear(0.0, False, None)
    device.hear(0.1, True, place)
    assert device.read(0.1).target is place
    device.hear(0.2, False, None)
    assert not held(device, 0.2)
    device.hear(0.3, True, None)
    assert device.read(0.3).deadman
    assert device.read(0.3).target is None
    assert not held(device, 0.31 + SILENCE_S)


@pytest.mark.parametrize("name", sorted(path.stem for path in MAPS.glob("*.yaml")))
def test_every_map_says_what_its_buttons_do(name):
    says = load_map(name).buttons
    assert any("drive, as seen" in does for _, does in says)
    assert any(does == "hold to drive" for _, does in says)


def test_an_unknown_device_is_told_which_there_are(cell):
    with pytest.raises(ConfigError, match=r"wand.*browser.*gamepad.*spacemouse"):
        open_devices("browser wand", cell)


def test_a_wrong_map_names_file_key_and_value(cell, tmp_path):
    wrong = tmp_path / "mine.yaml"
    wrong.write_text((MAPS / "gamepad.yaml").read_text().replace("expo: 0.4", "expo: 4"))
    with pytest.raises(ConfigError, match=r"mine\.yaml:\n  expo = 4"):
        open_devices(str(wrong), cell)


@pytest.mark.skipif(
    importlib.util.find_spec("pyspacemouse") is not None, reason="pyspacemouse is installed"
)
def test_a_spacemouse_without_its_library_is_one_clear_sentence(cell):
    with pytest.raises(PushcellError, match=r"pip install 'pushcell\[spacemouse\]'"):
        open_devices("spacemouse", cell)


# Kind -> numbers of axes and buttons, axes at rest, the deadman, success and stop.
PADS = {
    "gamepad": (8, 11, {2: 1.0, 5: 1.0}, 4, 0, 1),
    "gamepad_playstation": (8, 13, {2: 1.0, 5: 1.0}, 4, 0, 1),
    "gamepad_logitech_d": (6, 12, {}, 4, 1, 2),
    "gamepad_xbox_bluetooth": (8, 15, {4: 1.0, 5: 1.0}, 6, 0, 1),
    "gamepad_sdl": (6, 21, {}, 9, 0, 1),
}


def state(kind, *pressed):
    axes, buttons, resting, *_ = PADS[kind]
    return [resting.get(k, 0.0) for k in range(axes)], [int(k in pressed) for k in range(buttons)]


@pytest.mark.parametrize("kind", PADS)
def test_a_pad_is_taken_for_what_it_is(cell, kind):
    (device,) = open_devices("gamepad", cell)
    deadman, success, stop = PADS[kind][3:]
    device.hear(0.0, *state(kind))
    assert device.read(0.0).actions == frozenset()
    assert device.title == load_map(kind).title
    assert not device.problem
    device.hear(0.1, *state(kind, deadman))
    assert device.read(0.1).deadman
    device.hear(0.2, *state(kind, success, stop))
    assert device.read(0.2).actions == {"success", "stop"}


@pytest.mark.parametrize("other", PADS)
def test_a_map_is_for_its_own_pad_alone(cell, other):
    for name in PADS:
        if name == other:
            continue
        device = pad(cell, name)
        device.hear(0.0, *state(other))
        axes, buttons = PADS[other][:2]
        device.hear(0.1, [-1.0] * axes, [1] * buttons)
        reading = device.read(0.1)
        assert not reading.deadman
        assert reading.actions == frozenset()
        assert not reading.velocity.any()
        assert f"a pad of {axes} axes and {buttons} buttons, which no map" in device.problem
        assert device.buttons == ()
        assert device.connected


def test_a_pad_that_takes_anothers_place_must_be_let_go_first(cell):
    (device,) = open_devices("gamepad", cell)
    device.hear(0.0, *state("gamepad"))
    device.hear(0.1, *state("gamepad_sdl", 9))
    assert not held(device, 0.1)
    device.hear(0.12, *state("gamepad_sdl"))
    device.hear(0.14, *state("gamepad_sdl", 9))
    assert held(device, 0.14)


def test_the_counts_of_pads_differ_and_hold_what_their_maps_name():
    counts = {name: load_map(name).counts for name in PADS}
    assert len({(c.axes, c.buttons) for c in counts.values()}) == len(PADS)
    for name, found in counts.items():
        assert (found.axes, found.buttons) == PADS[name][:2]
        assert load_map(name).model_copy(update={"counts": None}).fits(*PADS[name][:2])


def test_a_map_without_counts_is_for_pads_that_have_what_it_names(cell, tmp_path):
    text = (MAPS / "gamepad.yaml").read_text()
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.replace("counts: {axes: 8, buttons: 11}\n", ""))
    assert load_map(str(mine)).fits(9, 30)
    assert not load_map(str(mine)).fits(8, 7)
    assert not load_map(str(mine)).fits(5, 11)
