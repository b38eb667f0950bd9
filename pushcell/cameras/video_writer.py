"""Videos (mp4) of images that come one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pushcell.closing import Closing
from pushcell.processes.priority import kept_priority


@dataclass(frozen=True)
class Codec:
    """One of FFmpeg's encoders, with its options."""

    encoder: str
    options: Mapping[str, str]


H264 = Codec("libx264", {"preset": "veryfast", "crf": "20"})


class VideoWriter(Closing):
    """Encodes RGB images as they come; a context manager. Sides must be even."""

    def __init__(
        self, path: Path, width_px: int, height_px: int, rate_hz: float, codec: Codec = H264
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), "w")
        rate = Fraction(rate_hz).limit_denominator(1001)
        self._stream = self._container.add_stream(codec.encoder, rate=rate)
        self._stream.width, self._stream.height = width_px, height_px
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = dict(codec.options)
        with kept_priority():
            self._container.start_encoding()

    def close(self) -> None:
        """Write what is still held back, and end the file."""
        self._container.mux(self._stream.encode())
        self._container.close()

    def add(self, image: np.ndarray) -> None:
        """Append one image (H, W, 3) uint8."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        self._container.mux(self._stream.encode(frame))
