"""What a recorded episode shows: pictures, where they were taken from, and the pusher.

Nothing is read of the slider, neither its true pose nor one that was seen by fiducials.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.messages import POSE, from_cdr
from pushcell.cameras.calibrated import active_lens, active_pose, active_sha256
from pushcell.cameras.camera_model import Lens
from pushcell.config.cell import CameraConfig, CellConfig
from pushcell.errors import EpisodeError
from pushcell.geometry import Array, Pose
from pushcell.labelling.undistorted import pinhole_matrix, reduced, undistorted
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import image_topics
from pushcell.recording.store import BAG_FILE
from pushcell.recording.streams import PUSHER_TOPIC

_STALE_NS = 500_000_000


@dataclass(frozen=True)
class CameraTrack:
    """A camera's pictures, without distortion, and where each was taken from."""

    name: str
    is_fixed: bool
    images: NDArray[np.uint8]  # (T, H, W, 3)
    projections: Array  # (T, 3, 4) base frame [m] to pixels

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.images.shape[1], self.images.shape[2]


@dataclass(frozen=True)
class RecordedViews:
    """An episode at the stamps of its fixed camera's pictures; that camera comes first."""

    path: Path
    info: EpisodeInfo
    stamps_ns: NDArray[np.int64]  # (T,)
    pusher: Array  # (T, 2) [m]
    tip_poses: list[Pose]  # T, in the base
    cameras: tuple[CameraTrack, ...]

    def __len__(self) -> int:
        return len(self.stamps_ns)


@dataclass(frozen=True)
class _CameraModel:
    config: CameraConfig
    lens: Lens
    pose_in_link: Pose


def read_views(episode: Path, cell: CellConfig) -> RecordedViews:
    """Read an episode; raises EpisodeError for one that lacks a camera, a calibration, a pusher."""
    info = EpisodeInfo.load(episode)
    if info.task.slider != cell.task.slider:
        raise EpisodeError(
            f"{episode} is of slider {info.task.slider!r}, the cell has {cell.task.slider!r}: give "
            "the cell it was recorded with by --cell"
        )
    base = cell.arm.model.base_link
    with BagReader(episode / BAG_FILE) as bag:
        topics = image_topics(bag)
        models = {name: _camera_model(name, info, cell, episode) for name in topics}
        fixed = [name for name, model in models.items() if model.config.link == base]
        moving = [name for name, model in models.items() if model.config.link != base]
        if not (fixed and moving):
            there = ", ".join(topics) or "no camera"
            raise EpisodeError(
                f"{episode} has pictures of {there} alone: labels need a fixed camera's and those "
                "of a camera on the arm"
            )
        names = [fixed[0], *fixed[1:], *moving]
        frames = {name: _frames(bag, topics[name]) for name in names}
        tips = _tips(bag, episode)
    stamps = frames[names[0]][0]
    stamps = stamps[(stamps >= tips[0][0]) & (stamps <= tips[0][-1])]
    for name in names[1:]:
        stamps = stamps[stamps >= frames[name][0][0]] if len(frames[name][0]) else stamps[:0]
    if len(stamps) < 2:
        raise EpisodeError(f"{episode} has no time at which pictures and pusher are both there")
    cameras = tuple(
        _track(models[name], base, stamps, frames[name], tips, cell, episode) for name in names
    )
    poses = [_tip_at(tips, stamp) for stamp in stamps.tolist()]
    pusher = np.array([pose.translation[:2] for pose in poses])
    return RecordedViews(episode, info, stamps, pusher, poses, cameras)


def _camera_model(name: str, info: EpisodeInfo, cell: CellConfig, episode: Path) -> _CameraModel:
    recorded = {camera.name: camera for camera in info.cameras}
    if name not in recorded:
        raise EpisodeError(
            f"{episode} does not say where camera {name!r} was nor how it sees: record it with a "
            "calibrated cell, or add the camera to its episode.yaml"
        )
    config = recorded[name]
    if info.calibration_sha256 is None:
        lens = Lens(config.matrix, config.distortion, config.size_px)
        return _CameraModel(config, lens, config.pose_in_link)
    if info.calibration_sha256 != active_sha256(cell):
        raise EpisodeError(
            f"{episode} was recorded with another calibration than this cell has: give the cell's "
            "file of that time with --cell"
        )
    pose = Pose.from_matrix(active_pose(cell, name))
    return _CameraModel(config, active_lens(cell, name), pose)


Frames = tuple[NDArray[np.int64], list[NDArray[np.uint8]]]
Tips = tuple[NDArray[np.int64], Array, list[Pose]]


def _frames(bag: BagReader, topic: str) -> Frames:
    """Stamps and pictures in the order of their stamps, reduced."""
    found: dict[int, NDArray[np.uint8]] = {}
    for message in bag.messages([topic]):
        found[bag.stamp_ns(message)] = reduced(bag.pixels(message))
    stamps = sorted(found)
    return np.array(stamps, np.int64), [found[stamp] for stamp in stamps]


def _tips(bag: BagReader, episode: Path) -> Tips:
    """Stamps, places (N, 3) and poses of the pusher's tip."""
    found: dict[int, Pose] = {}
    if bag.counts.get(PUSHER_TOPIC):
        for message in bag.messages([PUSHER_TOPIC]):
            read = from_cdr(message.cdr, POSE).pose
            p, q = read.position, read.orientation
            pose = Pose.from_quaternion([p.x, p.y, p.z], [q.x, q.y, q.z, q.w])
            found[bag.stamp_ns(message)] = pose
    if not found:
        raise EpisodeError(f"{episode} has no messages of {PUSHER_TOPIC}: it was not recorded")
    stamps = sorted(found)
    poses = [found[stamp] for stamp in stamps]
    return np.array(stamps, np.int64), np.array([pose.translation for pose in poses]), poses


def _tip_at(tips: Tips, stamp_ns: int) -> Pose:
    """The tip at a moment: between the poses before and after, turned like the nearer one."""
    stamps, places, poses = tips
    place = np.array([np.interp(stamp_ns, stamps, column) for column in places.T])
    return Pose(place, poses[int(np.abs(stamps - stamp_ns).argmin())].rotation)


def _track(
    model: _CameraModel,
    base_link: str,
    stamps: NDArray[np.int64],
    frames: Frames,
    tips: Tips,
    cell: CellConfig,
    episode: Path,
) -> CameraTrack:
    """The newest picture at each stamp."""
    rows = np.searchsorted(frames[0], stamps, side="right") - 1
    late = int((stamps - frames[0][rows]).max())
    if late > _STALE_NS:
        raise EpisodeError(
            f"{episode}: no picture of camera {model.config.name!r} for {1e-9 * late:.2f} s: leave "
            "this episode out"
        )
    lens = model.lens
    chosen = [undistorted(frames[1][row], lens) for row in rows]
    matrix = pinhole_matrix(lens, (chosen[0].shape[1], chosen[0].shape[0]))
    fixed = model.config.link == base_link
    projections = []
    for stamp in frames[0][rows].tolist():
        link = Pose.from_matrix(np.eye(4)) if fixed else _link_pose(_tip_at(tips, stamp), cell)
        base_in_camera = (link @ model.pose_in_link).inverse()
        projections.append(matrix @ base_in_camera.matrix()[:3])
    return CameraTrack(model.config.name, fixed, np.stack(chosen), np.array(projections))


def _link_pose(tip: Pose, cell: CellConfig) -> Pose:
    """The tip's link in the base: the pusher is mounted straight on it."""
    return tip @ Pose(np.array([0.0, 0.0, -cell.pusher.tip_offset_m]), np.eye(3))
