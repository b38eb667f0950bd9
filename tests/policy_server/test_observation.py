"""Observations: of one moment, in order, complete; or a reason by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_server.bundle_sections import CameraInput, ObservationSpec
from policy_server.observation import ObservationError, ObservationFault, Observer
from pushcell.cameras.image_transform import network_images

GOAL = (0.587, -0.0355, 0.0)
CAMERA = CameraInput(
    name="overhead",
    width_px=32,
    height_px=24,
    crop_width_px=28,
    crop_height_px=20,
    geometry=None,
)
SPEC = ObservationSpec(steps=2, keys=("pusher", "goal"), cameras=(CAMERA,))


def observer(**changes) -> Observer:
    values = {"goal": GOAL, "max_age_s": 0.15, "max_skew_s": 0.05, **changes}
    return Observer(SPEC, 10.0, **values)


def image(value: int) -> np.ndarray:
    return np.full((24, 32, 3), value, np.uint8)


def reason(found: Observer, now_s: float) -> ObservationFault:
    with pytest.raises(ObservationError) as caught:
        found.assemble(now_s)
    return caught.value.reason


def fed(stop_s: float = 1.0, **changes) -> Observer:
    """Images at 10 Hz whose value is their number, the pusher at 50 Hz with its time as x."""
    found = observer(**changes)
    for k in range(round(stop_s * 50) + 1):
        found.push_pose("pusher", k / 50, [k / 50, 0, 0])
        if k % 5 == 0:
            found.push_image("overhead", k / 50, image(k // 5))
    return found


def test_every_stream_is_read_where_the_slowest_was_captured() -> None:
    found = fed()
    for k in range(1, 4):
        found.push_pose("pusher", 1 + k / 50, [1 + k / 50, 0, 0])
    seen = found.assemble(1.07)
    assert seen.capture_s == 1.0
    assert seen.values["overhead_image"][:, 0, 0, 0].tolist() == [9, 10]
    np.testing.assert_allclose(seen.values["pusher"][:, 0], [0.9, 1.0])
    np.testing.assert_array_equal(seen.values["goal"], GOAL)


def test_a_beginning_is_continued_backwards() -> None:
    found = observer()
    found.push_pose("pusher", 0.0, [0.5, 0, 0])
    found.push_image("overhead", 0.0, image(7))
    seen = found.assemble(0.01)
    assert seen.values["pusher"][:, 0].tolist() == [0.5, 0.5]
    assert seen.values["overhead_image"][:, 0, 0, 0].tolist() == [7, 7]


def test_latencies_are_subtracted() -> None:
    seen = fed(latencies_s={"overhead": 0.04}).assemble(1.0)
    assert seen.capture_s == pytest.approx(0.96)
    np.testing.assert_allclose(seen.values["pusher"][-1, 0], 0.96)


def test_reasons_for_seeing_nothing() -> None:
    assert reason(observer(), 0.0) is ObservationFault.NEVER_SEEN
    found = fed()
    assert reason(found, 1.2) is ObservationFault.OLD
    assert reason(found, 0.9) is ObservationFault.FUTURE
    found.push_pose("pusher", 1.02, [np.nan, 0, 0])
    assert reason(found, 1.02) is ObservationFault.MALFORMED
    found.push_pose("pusher", 1.04, [1.04, 0, 0])
    found.assemble(1.04)
    found.push_image("overhead", 1.1, image(0).astype(np.float32))
    assert reason(found, 1.1) is ObservationFault.MALFORMED


def test_a_lost_frame_is_not_replaced_by_an_older_one() -> None:
    found = fed()
    for k in range(51, 62):
        found.push_pose("pusher", k / 50, [k / 50, 0, 0])
    found.push_image("overhead", 1.2, image(12))
    assert reason(found, 1.21) is ObservationFault.SKEWED


def test_time_that_goes_back_is_refused_until_the_stream_is_old() -> None:
    found = fed()
    found.push_image("overhead", 0.3, image(99))
    assert found.refused == 1
    assert found.assemble(1.0).values["overhead_image"][-1, 0, 0, 0] == 10
    assert reason(found, 1.3) is ObservationFault.OLD


@given(
    st.lists(st.floats(0.09, 0.11), min_size=4, max_size=6),
    st.lists(st.floats(0.015, 0.025), min_size=20, max_size=40),
)
def test_whatever_the_jitter_samples_are_past_and_in_order(frames, poses) -> None:
    found = observer()
    events = [(t, "pusher") for t in np.cumsum(poses)] + [
        (t, "overhead") for t in np.cumsum(frames)
    ]
    for k, (t, name) in enumerate(sorted(events)):
        if name == "pusher":
            found.push_pose("pusher", t, [t, 0, 0])
        else:
            found.push_image("overhead", t, image(k % 256))
        if not max(frames[0], poses[0]) <= t <= min(sum(frames), sum(poses)):
            continue
        seen = found.assemble(t)
        pusher = seen.values["pusher"][:, 0]
        assert pusher[-1] <= seen.capture_s <= t
        assert pusher[0] <= pusher[1]
        assert seen.capture_s - pusher[-1] <= 0.05


# Images


def test_network_images_are_the_middle_of_the_stored_ones() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
    found = network_images(images, CAMERA.crop_px)
    assert found.shape == (2, 3, 20, 28)
    assert found.dtype == np.float32
    expected = images[:, 2:22, 2:30].astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(found, expected.transpose(0, 3, 1, 2))
    bgr = network_images(images, CAMERA.crop_px, "bgr")
    np.testing.assert_array_equal(bgr, found[:, ::-1])
