"""Between the steps that learners use and the bag that an episode is kept in.

Everything has the stamp of its capture. A target has the stamp of the moment at which the pusher
is to be there; so the action of a step is the newest target up to one period after it.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.bags.messages import (
    CAMERA_INFO,
    IMAGE,
    PIXELS,
    POSE,
    camera_info_cdr,
    image_cdr,
    optical_frame,
    tool_pose_cdr,
    upright_pose_cdr,
)
from pushcell.cameras.image_transform import stored_image
from pushcell.config.cell import CameraConfig, CellConfig
from pushcell.errors import EpisodeError
from pushcell.geometry import PlanarPose
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo
from pushcell.recording.slider_labels import SliderLabels
from pushcell.recording.steps import Steps
from pushcell.recording.store import BAG_FILE, METADATA_FILE
from pushcell.recording.streams import (
    COMPRESSED,
    IMAGE_TOPIC,
    INFO_TOPIC,
    PUSHER_TOPIC,
    SEEN_SLIDER_TOPIC,
    SLIDER_TOPIC,
    TARGET_TOPIC,
)

_NS = 10**9
_FIRST_NS = _NS  # a stamp of zero would mean none to many a tool
_STALE_S = 0.5
_LONGEST_S = 24 * 3600.0

Stamps = NDArray[np.int64]


@dataclass(frozen=True)
class _Message:
    stamp_ns: int
    topic: str
    cdr: bytes


def episode_files(steps: Steps, info: EpisodeInfo, cell: CellConfig) -> dict[str, bytes]:
    """The files of an episode's folder, by name; the same bytes for the same episode.

    The cameras' models are written where the info has them.
    """
    stream = io.BytesIO()
    bag = BagWriter(stream, _topics(steps, info.cameras))
    for message in _messages(steps, info.cameras, cell):
        bag.add(message.topic, message.stamp_ns, message.cdr)
    metadata = bag.close(BAG_FILE).metadata_yaml(BAG_FILE)
    return {
        BAG_FILE: stream.getvalue(),
        METADATA_FILE: metadata.encode(),
        INFO_FILE: info.to_yaml().encode(),
    }


def read_steps(
    episode: Path,
    info: EpisodeInfo | None = None,
    image_px: tuple[int, int] | None = None,
    span_ns: tuple[int, int] | None = None,
) -> Steps:
    """The steps of an episode's folder at the rate that its info says.

    Of each stream the newest message at a step's time is taken; images are squeezed to
    ``image_px`` (width, height) where they have another size, and only the steps of a span of
    stamps are taken where one is given. Raises EpisodeError for streams that are missing or stand
    still.
    """
    info = info or EpisodeInfo.load(episode)
    with BagReader(episode / BAG_FILE) as bag:
        cameras = image_topics(bag)
        slider = SLIDER_TOPIC if bag.counts.get(SLIDER_TOPIC) else SEEN_SLIDER_TOPIC
        slider = slider if bag.counts.get(slider) else SLIDER_TOPIC  # the one to be missed
        seen = {PUSHER_TOPIC: "pusher", slider: "slider", **_camera_streams(cameras)}
        stamps = _stamps(bag, [*seen, TARGET_TOPIC], episode)
        ticks = _ticks(stamps, list(seen), info.rate_hz, episode)
        if span_ns is not None:
            ticks = ticks[(span_ns[0] <= ticks) & (ticks <= span_ns[1])]
        rows = _rows(stamps, ticks, seen, episode)
        values = _values(bag, stamps, rows, image_px)
    return _steps_of(values, values[slider], cameras, info)


def read_labelled_steps(
    episode: Path,
    labels: SliderLabels,
    info: EpisodeInfo | None = None,
    image_px: tuple[int, int] | None = None,
) -> Steps:
    """Those steps of an episode whose picture has a label, with the slider where that says.

    Nothing is read of what was recorded of the slider. Steps are left out between others: this is
    for who looks at each by itself. Raises EpisodeError as `read_steps` does, and where no step
    has a label.
    """
    info = info or EpisodeInfo.load(episode)
    with BagReader(episode / BAG_FILE) as bag:
        cameras = image_topics(bag)
        if labels.camera not in cameras:
            raise EpisodeError(
                f"{episode} has no pictures of camera {labels.camera!r}, of which its labels are"
            )
        seen = {PUSHER_TOPIC: "pusher", **_camera_streams(cameras)}
        stamps = _stamps(bag, [*seen, TARGET_TOPIC], episode)
        ticks = _ticks(stamps, list(seen), info.rate_hz, episode)
        rows = _rows(stamps, ticks, seen, episode)
        topic = cameras[labels.camera]
        _, steps, found = np.intersect1d(
            stamps[topic][rows[topic]], labels.stamps_ns, return_indices=True
        )
        if not len(steps):
            raise EpisodeError(f"{episode}: none of its steps has a label: label it again")
        rows = {name: chosen[steps] for name, chosen in rows.items()}
        values = _values(bag, stamps, rows, image_px)
    return _steps_of(values, labels.poses[found], cameras, info)


def _camera_streams(cameras: Mapping[str, str]) -> dict[str, str]:
    return {topic: f"camera {name}" for name, topic in cameras.items()}


def _rows(
    stamps: Mapping[str, Stamps], ticks: Stamps, seen: Mapping[str, str], episode: Path
) -> dict[str, Stamps]:
    """Which message of each topic belongs to each step; raises EpisodeError where there is none."""
    if len(ticks) < 2:
        raise EpisodeError(f"{episode}: there is no time at which all of {list(seen)} are there")
    rows = {
        topic: _newest(stamps[topic], ticks[:-1], what, episode) for topic, what in seen.items()
    }
    rows[TARGET_TOPIC] = _latest(stamps[TARGET_TOPIC], ticks[1:])
    return rows


def _steps_of(
    values: Mapping[str, NDArray[Any]],
    slider: NDArray[np.float64],
    cameras: Mapping[str, str],
    info: EpisodeInfo,
) -> Steps:
    return Steps(
        info.rate_hz,
        values[PUSHER_TOPIC],
        slider,
        values[TARGET_TOPIC][:, :2],
        np.array(info.task.goal),
        {name: values[topic] for name, topic in cameras.items()},
    )


def image_topics(bag: BagReader) -> dict[str, str]:
    """The topic of each camera's pictures, by the camera's name."""
    pattern = IMAGE_TOPIC.format("(.+)") + f"(?:{COMPRESSED})?"
    matches = (re.fullmatch(pattern, topic) for topic in sorted(bag.types))
    return {match[1]: match[0] for match in matches if match}


def _topics(steps: Steps, cameras: tuple[CameraConfig, ...]) -> list[Topic]:
    topics = [Topic(name, POSE) for name in (PUSHER_TOPIC, SLIDER_TOPIC, TARGET_TOPIC)]
    topics += [Topic(IMAGE_TOPIC.format(name), IMAGE) for name in steps.images]
    return topics + [Topic(INFO_TOPIC.format(camera.name), CAMERA_INFO) for camera in cameras]


def _messages(
    steps: Steps, cameras: tuple[CameraConfig, ...], cell: CellConfig
) -> Iterator[_Message]:
    """All messages in the order of their stamps."""
    tip_m = cell.pusher.tip_height_m
    slider_m = cell.simulation.physics.slider_height_m / 2 if cell.simulation else 0.0
    stamps = [_FIRST_NS + round(k * _NS / steps.rate_hz) for k in range(len(steps) + 1)]
    for camera in cameras:
        info = camera_info_cdr(stamps[0], optical_frame(camera.name), camera)
        yield _Message(stamps[0], INFO_TOPIC.format(camera.name), info)
    for k, (stamp, following) in enumerate(itertools.pairwise(stamps)):
        pusher, slider = map(PlanarPose.from_array, (steps.pusher[k], steps.slider[k]))
        yield _Message(stamp, PUSHER_TOPIC, tool_pose_cdr(stamp, pusher, tip_m))
        yield _Message(stamp, SLIDER_TOPIC, upright_pose_cdr(stamp, slider, slider_m))
        for name, images in steps.images.items():
            image = image_cdr(stamp, optical_frame(name), images[k])
            yield _Message(stamp, IMAGE_TOPIC.format(name), image)
        target = PlanarPose.from_array([*steps.action[k], pusher.theta])
        yield _Message(following, TARGET_TOPIC, tool_pose_cdr(following, target, tip_m))


def _stamps(bag: BagReader, topics: list[str], episode: Path) -> dict[str, Stamps]:
    """Sorted stamps of each topic; raises EpisodeError for one without messages."""
    found: dict[str, list[int]] = {topic: [] for topic in topics}
    for message in bag.messages(topics):
        found[message.topic].append(bag.stamp_ns(message))
    for topic, stamps in found.items():
        if not stamps:
            raise EpisodeError(f"{episode} has no messages of {topic}: it was not recorded")
    return {topic: np.sort(np.array(stamps)) for topic, stamps in found.items()}


def _ticks(stamps: Mapping[str, Stamps], seen: list[str], rate_hz: float, episode: Path) -> Stamps:
    """Times [ns] of the steps, while all that is seen is there, and of the end of the last."""
    start = max(stamps[topic][0] for topic in seen)
    start = max(start, stamps[TARGET_TOPIC][0] - round(_NS / rate_hz))
    end = min(stamps[topic][-1] for topic in seen)
    if (end - start) / _NS > _LONGEST_S:
        raise EpisodeError(f"{episode}: its stamps are days apart: leave this episode out")
    count = int((end - start) * rate_hz // _NS) + 1
    return start + np.round(np.arange(count + 1) * (_NS / rate_hz)).astype(np.int64)


def _latest(stamps: Stamps, times: Stamps) -> Stamps:
    return np.searchsorted(stamps, times, side="right") - 1


def _newest(stamps: Stamps, ticks: Stamps, what: str, episode: Path) -> Stamps:
    """Index of the newest stamp at each tick; raises EpisodeError where that is too old."""
    rows = _latest(stamps, ticks)
    age_s = (ticks - stamps[rows]) / _NS
    if age_s.max() > _STALE_S:
        since_s = (ticks[age_s.argmax()] - ticks[0]) / _NS
        raise EpisodeError(
            f"{episode}: nothing of the {what} for {age_s.max():.2f} s, {since_s:.1f} s after the "
            "start: leave this episode out"
        )
    return rows


def _values(
    bag: BagReader,
    stamps: Mapping[str, Stamps],
    rows: Mapping[str, Stamps],
    image_px: tuple[int, int] | None,
) -> dict[str, NDArray[Any]]:
    """What the chosen messages of each topic say, stacked; images are uint8."""
    wanted = {topic: set(stamps[topic][chosen].tolist()) for topic, chosen in rows.items()}
    read: dict[str, dict[int, NDArray[Any]]] = {topic: {} for topic in rows}
    for message in bag.messages(rows):
        stamp = bag.stamp_ns(message)
        if stamp in wanted[message.topic]:
            is_image = bag.types[message.topic] in PIXELS
            read[message.topic][stamp] = (
                _image(bag.pixels(message), image_px) if is_image else bag.planar_pose(message)
            )
    return {
        topic: np.stack([read[topic][stamp] for stamp in stamps[topic][chosen].tolist()])
        for topic, chosen in rows.items()
    }


def _image(pixels: NDArray[np.uint8], size_px: tuple[int, int] | None) -> NDArray[np.uint8]:
    return pixels if size_px is None else stored_image(pixels, size_px)
