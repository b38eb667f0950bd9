"""Steps out of bags: exact for generated ones, the newest of each stream for recorded ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.bags.messages import IMAGE, POSE, image_cdr, tool_pose_cdr, upright_pose_cdr
from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.geometry import PlanarPose
from pushcell.recording.episode_steps import (
    PUSHER_TOPIC,
    SLIDER_TOPIC,
    TARGET_TOPIC,
    episode_files,
    read_steps,
)
from pushcell.recording.steps import Steps
from tests.recording.examples import assert_same, some_info, some_steps

MS = 10**6
numbers = st.floats(-6.2, 6.2, allow_subnormal=False)


def save(steps: Steps, cell: CellConfig, folder: Path) -> None:
    for name, content in episode_files(steps, some_info(steps, cell), cell).items():
        (folder / name).write_bytes(content)


@settings(max_examples=20)
@given(
    pusher=arrays(float, (4, 3), elements=numbers),
    slider=arrays(float, (4, 3), elements=numbers),
    action=arrays(float, (4, 2), elements=numbers),
    rate_hz=st.sampled_from([10.0, 7.0, 30.0]),
)
def test_steps_come_back_exactly(pusher, slider, action, rate_hz, tmp_path_factory, cell) -> None:
    folder = tmp_path_factory.mktemp("episode")
    steps = Steps(rate_hz, pusher, slider, action, np.array([0.587, -0.0355, 0.1]))
    save(steps, cell, folder)
    assert_same(read_steps(folder), steps)


def test_images_come_back_exactly_or_squeezed(tmp_path: Path, cell: CellConfig) -> None:
    steps = some_steps(count=60)  # several chunks
    save(steps, cell, tmp_path)
    assert_same(read_steps(tmp_path), steps)
    squeezed = read_steps(tmp_path, image_px=(12, 8)).images["wrist"]
    assert squeezed.shape == (60, 8, 12, 3)
    boxes = steps.images["wrist"].reshape(60, 8, 2, 12, 2, 3).mean(axis=(2, 4))
    assert np.abs(squeezed - boxes).max() <= 0.5


def test_the_same_steps_make_the_same_bytes(cell: CellConfig) -> None:
    steps = some_steps()
    info = some_info(steps, cell)
    assert episode_files(steps, info, cell) == episode_files(some_steps(), info, cell)


def record_streams(
    folder: Path, cell: CellConfig, gap_ms: tuple[int, int] = (0, 0), without: str = ""
) -> None:
    """Two seconds as a live cell has them: each stream at its own rate, with x = time [s].

    Images arrive 40 ms after their capture; their brightness is their number.
    """
    topics = {PUSHER_TOPIC: 5, SLIDER_TOPIC: 20, TARGET_TOPIC: 10}
    events = []
    for topic, period_ms in topics.items():
        make = upright_pose_cdr if topic == SLIDER_TOPIC else tool_pose_cdr
        for ms in range(1000, 3000, period_ms):
            cdr = make(ms * MS, PlanarPose(ms / 1000, 0, 0), 0)
            events.append((ms, topic, cdr))
    image_topic = "/camera/overhead/color/image_raw"
    for number, ms in enumerate(range(1013, 3000, 33)):
        if not gap_ms[0] <= ms < gap_ms[1]:
            image = np.full((4, 4, 3), number, np.uint8)
            events.append((ms + 40, image_topic, image_cdr(ms * MS, "eye", image)))
    kinds = {**dict.fromkeys(topics, POSE), image_topic: IMAGE}
    with (folder / "episode.mcap").open("wb") as stream:
        bag = BagWriter(stream, [Topic(name, kind) for name, kind in kinds.items()])
        for ms, topic, cdr in sorted(events):
            if topic != without:
                bag.add(topic, ms * MS, cdr)
        bag.close("episode.mcap")
    steps = some_steps()
    (folder / "episode.yaml").write_text(some_info(steps, cell).to_yaml())


def test_each_step_has_the_newest_of_each_stream_by_capture(
    tmp_path: Path, cell: CellConfig
) -> None:
    record_streams(tmp_path, cell)
    steps = read_steps(tmp_path)
    times = 1.013 + 0.1 * np.arange(len(steps))  # from when the first image was taken
    assert len(steps) == 20

    def newest(period_s: float, at: np.ndarray) -> np.ndarray:
        return 1.0 + np.floor((at - 1.0) / period_s + 1e-9) * period_s

    np.testing.assert_allclose(steps.pusher[:, 0], newest(0.005, times))
    np.testing.assert_allclose(steps.slider[:, 0], newest(0.020, times))
    # The action is where the target is one period later; the last target is the newest there is.
    expected = np.minimum(newest(0.010, times + 0.1), 2.99)
    np.testing.assert_allclose(steps.action[:, 0], expected)
    numbers = np.floor((times - 1.013) / 0.033 + 1e-9)
    np.testing.assert_array_equal(steps.images["overhead"][:, 0, 0, 0], numbers)


def test_a_stream_that_stands_still_or_is_missing_is_an_error(
    tmp_path: Path, cell: CellConfig
) -> None:
    record_streams(tmp_path, cell, gap_ms=(1500, 2200))
    with pytest.raises(EpisodeError, match=r"nothing of the camera overhead for 0\.\d+ s, 1\.\d s"):
        read_steps(tmp_path)
    record_streams(tmp_path, cell, without=TARGET_TOPIC)
    with pytest.raises(EpisodeError, match="no messages of /motion/target"):
        read_steps(tmp_path)


def test_steps_that_do_not_fit_together_are_refused() -> None:
    good = some_steps()
    with pytest.raises(EpisodeError, match="action must be"):
        Steps(10.0, good.pusher, good.slider, good.action[:-1], good.goal)
    with pytest.raises(EpisodeError, match="slider must be finite"):
        Steps(10.0, good.pusher, good.slider * np.nan, good.action, good.goal)
    with pytest.raises(EpisodeError, match="camera 'wrist'"):
        Steps(
            10.0,
            good.pusher,
            good.slider,
            good.action,
            good.goal,
            {"wrist": good.images["wrist"][:3]},
        )
