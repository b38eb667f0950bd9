"""A camera's latency from an episode: where the pusher was, against where it was seen.

What remains of a delay when all goes by the stamps is how wrong the camera's stamps are.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from calibration.boards import Image
from calibration.latency import Signal
from pushcell import se3
from pushcell.bags.bag_reader import BagReader
from pushcell.bags.messages import capture_stamp_ns, planar_pose_of
from pushcell.cameras.calibrated import active_lens, active_pose
from pushcell.config.cell import CellConfig
from pushcell.errors import CalibrationError
from pushcell.geometry import Array
from pushcell.recording.store import BAG_FILE
from pushcell.recording.streams import COMPRESSED, IMAGE_TOPIC, PUSHER_TOPIC

_HUE = 10  # of 180
_LEAST_SATURATION = 100  # of 255
_FEWEST_PIXELS = 20
_LEAST_MOTION_PX = 20.0


def pusher_signals(episode: Path, cell: CellConfig, camera: str) -> tuple[Signal, Signal]:
    """Where the tip should be seen by the arm's reports, and where its colour is [px].

    Both along the line in the image along which it moved most. Raises CalibrationError for a
    camera that the arm carries, and where the pusher hardly moves or is hardly seen.
    """
    if cell.camera(camera).link != cell.arm.model.base_link:
        raise CalibrationError(
            f"camera {camera} moves with the pusher: its latency cannot be seen; take that of a "
            "camera of the same kind on the base"
        )
    stamps, places, seen_stamps, parts = _read(episode, cell, camera)
    expected = _project(cell, camera, places)
    seen = _nearest(parts, _at(seen_stamps, stamps, expected))
    middle = expected.mean(axis=0)
    way = np.linalg.svd(expected - middle, full_matrices=False)[2][0]
    along = (expected - middle) @ way
    if np.ptp(along) < _LEAST_MOTION_PX:
        raise CalibrationError(
            f"{episode}: the pusher moves by {np.ptp(along):.0f} px in the picture only: give an "
            "episode in which it moves all over the table"
        )
    cause = Signal("pusher by the arm", *_rising(stamps, along))
    return cause, Signal("pusher as seen", *_rising(seen_stamps, (seen - middle) @ way))


def find_colour(image: Image, colour: Array) -> Array:
    """(n, 2) the middles [px] of the parts of an RGB image (H, W, 3) with a colour (3,) in 0..1."""
    wanted = cv2.cvtColor(np.uint8(255 * colour)[None, None], cv2.COLOR_RGB2HSV)[0, 0]
    hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV).astype(int)
    off = np.abs(hsv[:, :, 0] - int(wanted[0]))
    mask = (np.minimum(off, 180 - off) < _HUE) & (hsv[:, :, 1] > _LEAST_SATURATION)
    _, _, sizes, middles = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    # The first one is all the rest.
    return middles[1:][sizes[1:, cv2.CC_STAT_AREA] >= _FEWEST_PIXELS]


def _read(episode: Path, cell: CellConfig, camera: str) -> tuple[Array, Array, Array, list[Array]]:
    """Stamps (n,) [s] and tips (n, 2) [m]; stamps (m,) [s] and m times pixels of its colour."""
    colour = np.array(cell.pusher.colour)
    topic = IMAGE_TOPIC.format(camera)
    tips: list[tuple[float, Array]] = []
    seen: list[tuple[float, Array]] = []
    with BagReader(episode / BAG_FILE) as bag:
        images = topic if topic in bag.types else topic + COMPRESSED
        if not (bag.counts.get(images) and bag.counts.get(PUSHER_TOPIC)):
            raise CalibrationError(f"{episode} has no {topic} or no {PUSHER_TOPIC}: record both")
        first_ns = bag.summary.start_ns
        for message in bag.messages([images, PUSHER_TOPIC]):
            stamp_s = 1e-9 * (capture_stamp_ns(message.cdr) - first_ns)
            if message.topic == PUSHER_TOPIC:
                tips.append((stamp_s, planar_pose_of(message.cdr)[:2]))
            else:
                parts = find_colour(bag.pixels(message), colour)
                if len(parts):
                    seen.append((stamp_s, parts))
    if not seen:
        raise CalibrationError(
            f"{episode}: nothing of pusher.colour {cell.pusher.colour} is seen by {camera}"
        )
    times, places = zip(*tips, strict=True)
    seen_times, found = zip(*seen, strict=True)
    return np.array(times), np.array(places), np.array(seen_times), list(found)


def _at(times: Array, stamps: Array, places: Array) -> Array:
    """(m, 2) places (n, 2) of stamps (n,) at times (m,) between them."""
    order = np.argsort(stamps)
    columns = (np.interp(times, stamps[order], column[order]) for column in places.T)
    return np.stack(list(columns), axis=1)


def _nearest(parts: list[Array], expected: Array) -> Array:
    """(m, 2) of each picture's parts the nearest to where the arm says: the arm may be as red."""
    return np.array(
        [
            some[np.argmin(np.linalg.norm(some - place, axis=1))]
            for some, place in zip(parts, expected, strict=True)
        ]
    )


def _project(cell: CellConfig, camera: str, tips: Array) -> Array:
    """(n, 2) pixels of tips (n, 2) [m] at their height."""
    X_CameraBase = se3.inverse(active_pose(cell, camera))
    points = np.column_stack([tips, np.full(len(tips), cell.pusher.tip_height_m)])
    in_camera = points @ X_CameraBase[:3, :3].T + X_CameraBase[:3, 3]
    return active_lens(cell, camera).project(in_camera)


def _rising(times: Array, values: Array) -> tuple[Array, Array]:
    """Without what came twice, or late."""
    kept = np.concatenate([[True], np.diff(np.maximum.accumulate(times)) > 0])
    return times[kept], values[kept]
