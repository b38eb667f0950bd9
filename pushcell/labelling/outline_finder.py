"""Finds the slider in a fixed camera's pictures as they come, by its colours and its outline."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pushcell import se3
from pushcell.cameras.camera_model import Lens
from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from pushcell.geometry import Array, Pose, polygon_area_and_centroid
from pushcell.labelling.appearance import SliderAppearance
from pushcell.labelling.arm_mask import visible
from pushcell.labelling.fitting import SURE_AGREEMENT, Evidence, PoseFit, agreement_of, fit_pose
from pushcell.labelling.silhouette import Prism
from pushcell.labelling.tracking import best_fit
from pushcell.labelling.undistorted import pinhole_matrix, reduced, undistorted
from pushcell.task import slider_of

# Where little of the border is to be seen a wrong pose may agree as well; it then says little.
_MOST_DEVIATION = np.array([1e-3, 1e-3, np.deg2rad(0.8)])
_HEADINGS, _TRIED = 16, 4
_FEWEST_PIXELS = 30


class OutlineFinder:
    """Follows the slider from picture to picture, and looks for it everywhere where it is lost."""

    def __init__(
        self,
        appearance: SliderAppearance,
        cell: CellConfig,
        camera: str,
        lens: Lens,
        X_BaseCamera: Array,
    ) -> None:
        shape = slider_of(cell.task)
        if appearance.slider != shape.name:
            raise ConfigError(
                f"the appearance is that of slider {appearance.slider!r}, the cell has "
                f"{shape.name!r}: label episodes of this one"
            )
        if camera not in appearance.colours:
            known = ", ".join(appearance.colours) or "none"
            raise ConfigError(f"the appearance is known to cameras {known}, not to {camera!r}")
        self._colours = appearance.colours[camera]
        self._prism = Prism.of(shape, appearance.height_m)
        self._centroid = polygon_area_and_centroid(shape.outline)[1]
        self._pusher, self._lens = cell.pusher, lens
        self._X_CameraBase = se3.inverse(X_BaseCamera)
        self._last: Array | None = None

    def find(self, image: NDArray[np.uint8], tip: Pose) -> PoseFit | None:
        """The slider's pose in a picture (H, W, 3); ``tip`` is the pusher's, in the base.

        None where nothing in the picture agrees with the outline, or too little of it is seen.
        """
        pictures = [self._evidence(image, tip)]
        fit = None
        if self._last is not None:
            fit = fit_pose(self._last, pictures, self._prism)
        if fit is None or fit.agreement < SURE_AGREEMENT:
            fit = best_fit(self._guesses(pictures[0]), pictures, self._prism)
        if fit is None or fit.agreement < SURE_AGREEMENT or (fit.deviation > _MOST_DEVIATION).any():
            return None
        self._last = fit.pose
        return fit

    def _evidence(self, image: NDArray[np.uint8], tip: Pose) -> Evidence:
        picture = undistorted(reduced(image), self._lens)
        height, width = picture.shape[:2]
        projection = pinhole_matrix(self._lens, (width, height)) @ self._X_CameraBase[:3]
        seen = visible(tip, self._pusher, projection, (height, width))
        return Evidence(picture, seen, self._colours, projection)

    def _guesses(self, evidence: Evidence) -> list[Array]:
        """Poses (3,) in the middle of the largest patch of its colours, those that agree best."""
        share = np.where(evidence.visible, evidence.colours(evidence.image), 0.0)
        _, _, stats, middles = cv2.connectedComponentsWithStats((share > 0.5).astype(np.uint8))
        areas = stats[1:, cv2.CC_STAT_AREA]  # the first is all the rest
        if not len(areas) or areas.max() < _FEWEST_PIXELS:
            return []
        middle = self._on_table(evidence.projection, middles[1 + int(areas.argmax())])
        headings = np.linspace(-np.pi, np.pi, _HEADINGS, endpoint=False)
        poses = [self._around(middle, theta) for theta in headings]
        poses.sort(key=lambda pose: -agreement_of(pose, [evidence], self._prism)[0])
        return poses[:_TRIED]

    def _around(self, middle: Array, theta: float) -> Array:
        """The pose (3,) whose outline has its centroid at a place (2,)."""
        c, s = np.cos(theta), np.sin(theta)
        return np.array([*(middle - np.array([[c, -s], [s, c]]) @ self._centroid), theta])

    def _on_table(self, projection: Array, pixel: Array) -> Array:
        """(2,) [m] where a pixel's ray is at half the slider's height."""
        height_m = self._prism.height_m / 2
        plane = np.column_stack([projection[:, :2], projection[:, 2] * height_m + projection[:, 3]])
        x, y, w = np.linalg.solve(plane, [*pixel, 1.0])
        return np.array([x / w, y / w])
