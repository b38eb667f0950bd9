import os
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")

from pushcell.cameras.video_writer import VideoWriter  # noqa: E402
from pushcell.formats.lerobot_video import CODECS  # noqa: E402


def test_a_video_shows_what_was_added(tmp_path):
    path = tmp_path / "folder" / "v.mp4"
    with VideoWriter(path, 64, 48, 10.0) as video:
        for level in range(0, 200, 20):
            video.add(np.full((48, 64, 3), level, np.uint8))
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == 10
    assert len(frames) == 10
    assert np.allclose([frame.mean() for frame in frames], range(0, 200, 20), atol=4)


@pytest.mark.parametrize("codec", CODECS)
def test_no_encoder_takes_a_real_time_priority(tmp_path, codec):
    before = os.sched_getscheduler(0)
    with VideoWriter(tmp_path / "v.mp4", 64, 64, 10.0, CODECS[codec]) as video:
        for _ in range(3):
            video.add(np.zeros((64, 64, 3), np.uint8))
        threads = [int(task.name) for task in Path("/proc/self/task").iterdir()]
        assert all(os.sched_getscheduler(thread) != os.SCHED_FIFO for thread in threads)
    assert os.sched_getscheduler(0) == before
