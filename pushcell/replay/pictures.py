"""What is drawn over a camera's pictures: where the pusher went, and where it was to go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.action_chunk import ActionChunk
from pushcell.cameras.overlay import project
from pushcell.cameras.video_writer import VideoWriter
from pushcell.config.cell import CameraConfig, CellConfig
from pushcell.geometry import Array
from pushcell.replay.recording import Recording
from pushcell.replay.result import ReplayResult
from pushcell.replay.samples import SampleReader

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

EXECUTED: Colour = (255, 255, 255)
POLICIES: tuple[Colour, ...] = ((255, 140, 0), (0, 170, 255), (230, 60, 200), (120, 220, 60))
_STOPPED: Colour = (255, 60, 60)
_WIDTH_PX = 480
_BITS = 4
_SHOWN_STOP_S = 1.0


def fixed_camera(recording: Recording) -> str | None:
    """A camera that stands still and was recorded; the first of the cell."""
    base = recording.cell.arm.model.base_link
    for name in recording.map.cameras:
        camera = recording.camera(name)
        if camera is not None and camera.link == base and f"camera {name}" not in recording.missing:
            return name
    return None


def first_picture(recording: Recording) -> Image | None:
    """The first picture of the fixed camera; None where there is none."""
    name = fixed_camera(recording)
    if name is None:
        return None
    sample = next(SampleReader(recording).samples({f"camera {name}"}), None)
    if sample is None:
        return None
    return _Canvas(recording, name, sample.value).image


def overview(recording: Recording, outcomes: Sequence[ReplayResult]) -> Image | None:
    """The first picture with the executed way and every chunk of each policy."""
    name = fixed_camera(recording)
    sample = name and next(SampleReader(recording).samples({f"camera {name}"}), None)
    if not name or not sample:
        return None
    canvas = _Canvas(recording, name, sample.value)
    for outcome, colour in zip(outcomes, POLICIES, strict=False):
        for chunk in outcome.chunks:
            canvas.way(chunk.positions, colour, thickness=1)
    canvas.way(outcomes[0].executed.points, EXECUTED)
    for outcome in outcomes:
        for stop in outcome.stops:
            canvas.mark(outcome.executed.at(np.array([stop.time_s]))[0], _STOPPED)
    return canvas.image


def write_video(path: Path, recording: Recording, outcomes: Sequence[ReplayResult]) -> bool:
    """The fixed camera's pictures with the chunk of each moment; False where there are none."""
    name = fixed_camera(recording)
    if name is None:
        return False
    samples = SampleReader(recording).samples({f"camera {name}"}, by_capture=True)
    first = sample = next(samples, None)
    if first is None:
        return False
    camera = recording.camera(name)
    assert camera is not None
    canvas = _Canvas(recording, name, first.value)
    height, width = canvas.image.shape[:2]
    with VideoWriter(path, width, height, camera.rate_hz) as video:
        written = 0
        while sample is not None:
            canvas = _Canvas(recording, name, sample.value)
            _draw_moment(canvas, sample.stamp_s, outcomes)
            # Pictures that are missing are stood in for, so that the video keeps time.
            until = round((sample.stamp_s - first.stamp_s) * camera.rate_hz) + 1
            for _ in range(written, until):
                video.add(canvas.image)
            written = max(written, until)
            sample = next(samples, None)
    return True


def _draw_moment(canvas: _Canvas, now_s: float, outcomes: Sequence[ReplayResult]) -> None:
    executed = outcomes[0].executed
    canvas.way(executed.points[executed.times_s <= now_s], EXECUTED, thickness=1)
    for outcome, colour in zip(outcomes, POLICIES, strict=False):
        chunk = _chunk_at(outcome, now_s)
        if chunk is not None:
            canvas.way(chunk.positions, colour)
        stops = [s for s in outcome.stops if 0 <= now_s - s.time_s < _SHOWN_STOP_S]
        for stop in stops:
            canvas.say(f"stop: {stop.reason}", _STOPPED)
    canvas.say(f"{now_s - outcomes[0].start_s:.1f} s", EXECUTED)


def _chunk_at(outcome: ReplayResult, now_s: float) -> ActionChunk | None:
    k = int(np.searchsorted(outcome.chunk_times_s, now_s, side="right")) - 1
    chunk = outcome.chunks[k] if k >= 0 else None
    return chunk if chunk is not None and now_s <= chunk.end_s else None


class _Canvas:
    """One picture, at a width that can be looked at."""

    def __init__(self, recording: Recording, name: str, image: Image) -> None:
        camera = recording.camera(name)
        assert camera is not None
        height = 2 * round(_WIDTH_PX * image.shape[0] / image.shape[1] / 2)
        self.image: Image = np.ascontiguousarray(cv2.resize(image, (_WIDTH_PX, height)))
        self._camera: CameraConfig = camera.resized(_WIDTH_PX, height)
        self._cell: CellConfig = recording.cell
        self._lines = 0

    def way(self, points: Array, colour: Colour, thickness: int = 2) -> None:
        """Points (N, 2) at the height of the pusher's tip."""
        if len(points) < 2:
            return
        pixels = self._pixels(points)
        pixels = pixels[np.isfinite(pixels).all(axis=1)]
        corners = np.round(pixels * 2**_BITS).astype(np.int32)
        cv2.polylines(self.image, [corners], False, colour, thickness, cv2.LINE_AA, _BITS)

    def mark(self, point: Array, colour: Colour) -> None:
        """A cross at a point (2,)."""
        pixel = self._pixels(point[None])[0]
        if np.isfinite(pixel).all():
            at = (int(pixel[0]), int(pixel[1]))
            cv2.drawMarker(self.image, at, colour, cv2.MARKER_TILTED_CROSS, 14, 2)

    def say(self, text: str, colour: Colour) -> None:
        """A line of text below the last one."""
        self._lines += 1
        at = (8, 18 * self._lines)
        cv2.putText(self.image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(self.image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)

    def _pixels(self, points: Array) -> Array:
        heights = np.full(len(points), self._cell.pusher.tip_height_m)
        in_base = np.column_stack([points, heights])
        return project(self._camera, self._camera.pose_in_link, in_base)
