"""Frames of a video at given times, decoded by PyAV; and videos as LeRobot writes them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from pushcell.cameras.video_writer import Codec, VideoWriter
from pushcell.closing import Closing
from pushcell.errors import EpisodeError

CODECS = {
    "av1": Codec("libsvtav1", {"g": "2", "crf": "30", "preset": "12"}),
    "h264": Codec("libx264", {"g": "2", "crf": "23"}),
}
"""Those of LeRobot, by the names that its metadata give them; every second frame is a whole one."""

_LEAST_PX = 64
# A frame may be so far from its time: clocks of videos count in coarse steps.
_NEAR_S = 1e-3


class Film(Closing):
    """One video of a camera, of one episode after the other."""

    def __init__(self, path: Path, images: NDArray[np.uint8], rate_hz: float, codec: str) -> None:
        """For images (T, H, W, 3) such as these; EpisodeError for other sizes."""
        height, width = images.shape[1:3]
        if height % 2 or width % 2 or min(height, width) < _LEAST_PX:
            raise EpisodeError(
                f"videos need even sides of at least {_LEAST_PX} px, not {width}x{height}: choose "
                "another --image-px, or leave --video out"
            )
        self._writer = VideoWriter(path, width, height, rate_hz, CODECS[codec])
        self._rate_hz, self._frames = rate_hz, 0

    def close(self) -> None:
        """Write the remaining frames and close the video file."""
        self._writer.close()

    def add(self, images: NDArray[np.uint8]) -> tuple[float, float]:
        """Append an episode (T, H, W, 3) RGB; where it begins and ends [s]."""
        start_s = self._frames / self._rate_hz
        for image in images:
            self._writer.add(image)
        self._frames += len(images)
        return start_s, self._frames / self._rate_hz


def frames_at(path: Path, times_s: NDArray[np.float64], what: str) -> NDArray[np.uint8]:
    """(T, H, W, 3) RGB at increasing times; raises EpisodeError naming the row that is not there.

    ``what`` names feature and episode.
    """
    found: NDArray[np.uint8] | None = None
    row = 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            start = max(0.0, float(times_s[0]) - _NEAR_S)
            container.seek(int(start / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.time is None or frame.time < times_s[row] - _NEAR_S:
                    continue
                if frame.time > times_s[row] + _NEAR_S:
                    break
                image = frame.to_ndarray(format="rgb24")
                if found is None:
                    found = np.empty((len(times_s), *image.shape), np.uint8)
                found[row] = image
                row += 1
                if row == len(times_s):
                    return found
    except (av.FFmpegError, OSError, IndexError) as error:
        raise EpisodeError(f"{path}, {what}: the video cannot be read ({error})") from None
    raise EpisodeError(f"{path}, {what}, row {row}: the video has no frame at {times_s[row]:.4f} s")
