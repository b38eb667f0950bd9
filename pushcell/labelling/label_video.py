"""A video of an episode's pictures with the outline that was found drawn over them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell.cameras.video_writer import VideoWriter
from pushcell.geometry import Array
from pushcell.labelling.recorded_views import CameraTrack, RecordedViews
from pushcell.labelling.session import PoseTrack
from pushcell.labelling.silhouette import Prism

_HEIGHT_PX = 384
_SURE_RGB, _UNSURE_RGB = (40, 220, 60), (235, 60, 60)
_FRACTION_BITS = 4


def write_label_video(path: Path, views: RecordedViews, track: PoseTrack, prism: Prism) -> None:
    """All cameras side by side: green where the pose is a label, red where it is left out."""
    pictures = [_pictures(views, track, prism, step) for step in range(len(views))]
    height, width = pictures[0].shape[:2]
    with VideoWriter(path, width, height, views.info.rate_hz) as video:
        for picture in pictures:
            video.add(picture)


def _pictures(views: RecordedViews, track: PoseTrack, prism: Prism, step: int) -> NDArray[np.uint8]:
    colour = _UNSURE_RGB if track.reasons[step] else _SURE_RGB
    drawn = [_drawn(camera, track.poses[step], prism, step, colour) for camera in views.cameras]
    whole = np.hstack(drawn)
    if track.reasons[step]:
        cv2.putText(whole, track.reasons[step], (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1)
    return whole


def _drawn(
    camera: CameraTrack, pose: Array, prism: Prism, step: int, colour: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """One camera's picture, enlarged, with the silhouette's parts."""
    scale = _HEIGHT_PX / camera.size[0]
    size = (2 * round(camera.size[1] * scale / 2), _HEIGHT_PX)
    picture = np.ascontiguousarray(cv2.resize(camera.images[step], size))
    for hull in prism.hulls(pose, camera.projections[step]) or ():
        corners = np.round(((hull.corners + 0.5) * scale - 0.5) * 2**_FRACTION_BITS)
        corners = np.clip(corners, -(2**20), 2**20).astype(np.int32)
        cv2.polylines(picture, [corners], True, colour, 1, cv2.LINE_AA, _FRACTION_BITS)
    return picture
