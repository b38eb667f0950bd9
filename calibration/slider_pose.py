"""The slider's pose on the table from fiducial markers on its top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.optimize import least_squares

from calibration.boards import DICTIONARIES, Image, grey
from pushcell import se3
from pushcell.cameras.camera_model import Lens
from pushcell.errors import CalibrationError
from pushcell.geometry import Array, PlanarPose, wrap_angle

_PIXEL = 0.5  # standard deviation of a marker's corner [px]
_OFF_PX = 3.0  # what fits worse is no marker of ours
# The slider moves no faster than it is pushed.
_SPEED_M_S, _TURN_RAD_S = 0.3, 2.0
_GATE = 25.0  # chi-squared, 3 freedoms: once in 60,000 by chance


@dataclass(frozen=True)
class Fiducials:
    """Markers on the slider's top: each id's middle and heading (x, y, theta) in the slider."""

    dictionary: str
    side_m: float
    height_m: float
    markers: Mapping[int, PlanarPose]

    def __post_init__(self) -> None:
        if self.dictionary not in DICTIONARIES:
            known = ", ".join(DICTIONARIES)
            raise CalibrationError(f"there is no dictionary {self.dictionary!r}; known: {known}")

    def corners_m(self, marker: int) -> Array:
        """(4, 3) in the slider, upper left first, as seen from above."""
        half = self.side_m / 2
        flat = np.array([[-half, half], [half, half], [half, -half], [-half, -half]])
        points = self.markers[marker].transform(flat)
        return np.column_stack([points, np.full(4, self.height_m)])


@dataclass(frozen=True)
class SliderEstimate:
    """The slider's pose in the base, with covariance (3, 3) of x, y [m] and theta [rad]."""

    stamp_s: float
    pose: PlanarPose
    covariance: Array

    def age_s(self, now_s: float) -> float:
        """Since the image was taken."""
        return now_s - self.stamp_s


class SliderFinder:
    """Finds the slider in images of one camera (4, 4) in the base."""

    def __init__(self, fiducials: Fiducials, lens: Lens) -> None:
        self._fiducials, self._lens = fiducials, lens
        words = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, fiducials.dictionary))
        settings = cv2.aruco.DetectorParameters()
        settings.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        self._detector = cv2.aruco.ArucoDetector(words, settings)

    def find(self, image: Image, stamp_s: float, X_BaseCamera: Array) -> SliderEstimate | None:
        """The slider, flat on the table; None where its markers are not seen, or fit nowhere."""
        corners, ids, _ = self._detector.detectMarkers(grey(image))
        seen = {} if ids is None else dict(zip(ids.ravel().tolist(), corners, strict=True))
        known = [marker for marker in self._fiducials.markers if marker in seen]
        if not known:
            return None
        pixels = np.concatenate([seen[marker].reshape(4, 2) for marker in known]).astype(float)
        points = np.concatenate([self._fiducials.corners_m(marker) for marker in known])
        X_CameraBase = se3.inverse(X_BaseCamera)

        def off(pose: Array) -> Array:
            placed = PlanarPose.from_array(pose).transform(points[:, :2])
            in_base = np.column_stack([placed, points[:, 2]])
            in_camera = in_base @ X_CameraBase[:3, :3].T + X_CameraBase[:3, 3]
            return np.ravel(self._lens.project(in_camera) - pixels)

        start = self._start(points, pixels, X_BaseCamera)
        if start is None:
            return None
        fitted = least_squares(off, start, method="lm")
        if np.sqrt(np.mean(fitted.fun**2)) > _OFF_PX:
            return None
        covariance = _PIXEL**2 * np.linalg.inv(fitted.jac.T @ fitted.jac)
        x, y, theta = fitted.x
        return SliderEstimate(stamp_s, PlanarPose(x, y, wrap_angle(theta)), covariance)

    def _start(self, points: Array, pixels: Array, X_BaseCamera: Array) -> Array | None:
        """Where the pixels' rays meet the markers' plane, and the turn that fits these places."""
        rays = self._lens.rays(pixels) @ X_BaseCamera[:3, :3].T
        depth = (self._fiducials.height_m - X_BaseCamera[2, 3]) / rays[:, 2]
        if (depth <= 0).any():
            return None
        places = (X_BaseCamera[:3, 3] + depth[:, None] * rays)[:, :2]
        a, b = points[:, :2] - points[:, :2].mean(axis=0), places - places.mean(axis=0)
        theta = np.arctan2(np.sum(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]), np.sum(a * b))
        turned = PlanarPose(0.0, 0.0, float(theta)).transform(points[:, :2].mean(axis=0))
        return np.array([*(places.mean(axis=0) - turned), theta])


class SliderFilter:
    """A Kalman filter of a slider that stands, or is pushed at an unknown speed."""

    def __init__(self) -> None:
        self._estimate: SliderEstimate | None = None
        self.refused = 0

    @property
    def estimate(self) -> SliderEstimate | None:
        """The newest filtered estimate; None before the first detection."""
        return self._estimate

    def add(self, seen: SliderEstimate) -> SliderEstimate:
        """What is known with it. One that is too far off is refused once, and believed again."""
        before = self._estimate
        if before is None or seen.stamp_s <= before.stamp_s:
            self._estimate = seen if before is None else before
            return self._estimate
        passed_s = seen.stamp_s - before.stamp_s
        drift = passed_s * np.array([_SPEED_M_S, _SPEED_M_S, _TURN_RAD_S]) / 3
        predicted = before.covariance + np.diag(drift**2)
        off = seen.pose.as_array() - before.pose.as_array()
        off[2] = wrap_angle(off[2])
        spread = predicted + seen.covariance
        if off @ np.linalg.solve(spread, off) > _GATE:
            self.refused += 1
            # Wider from now on: where it is seen there again, it was put there.
            self._estimate = SliderEstimate(before.stamp_s, before.pose, 1e4 * predicted)
            return self._estimate
        gain = np.linalg.solve(spread, predicted).T
        pose = PlanarPose.from_array(before.pose.as_array() + gain @ off)
        settled = PlanarPose(pose.x, pose.y, wrap_angle(pose.theta))
        covariance = (np.eye(3) - gain) @ predicted
        self._estimate = SliderEstimate(seen.stamp_s, settled, (covariance + covariance.T) / 2)
        return self._estimate
