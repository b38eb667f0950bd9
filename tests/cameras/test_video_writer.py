import numpy as np
import pytest

av = pytest.importorskip("av")

from pushcell.cameras.video_writer import VideoWriter  # noqa: E402


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
