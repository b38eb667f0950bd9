"""The views of a hand-eye calibration, and the one equation of both setups.

Frames: base B, hand H (the arm's last link), camera C, target T (the board). With the camera on
the base (eye to hand) the target is on the hand, else (eye in hand) on the table. Both are

    target_in_camera = inverse(X) inverse(G) Y

with X the camera in its carrier (what is looked for), Y the target in its own carrier, and G the
camera's carrier in the target's: hand in base for eye in hand, its inverse for eye to hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from calibration.views import View
from pushcell import se3
from pushcell.cameras.camera_model import Lens
from pushcell.cameras.rigid_poses import check_poses
from pushcell.errors import CalibrationError
from pushcell.geometry import Array

Indices = NDArray[np.signedinteger[Any]]
Mask = NDArray[np.bool_]
Setup = Literal["eye-to-hand", "eye-in-hand"]
FEWEST_POSES = 6


class Sighting(Protocol):
    """What one view says of the target's pose in the camera."""

    @property
    def target_in_camera(self) -> Array:
        """(4, 4) the pose that fits this view best."""

    @property
    def base_variance(self) -> float | None:
        """Variance [px^2] of the residuals where it is known without the arm's poses."""

    def turned(self, half_turn: Array) -> Sighting:
        """The same, if the board was taken for itself turned round (4, 4)."""

    def scaled(self, scale: float) -> Sighting:
        """The same, if the target is so many times as large as it was taken for."""

    def by_scale(self, target_in_camera: Array) -> Array:
        """(m, 1): how what is expected moves with the target's scale."""

    def residual(self, target_in_camera: Array) -> Array:
        """(m,) seen less expected, of another pose."""

    def jacobian(self, target_in_camera: Array) -> Array:
        """(m, 6): how what is expected moves with a twist of the target, camera fixed."""


@dataclass(frozen=True)
class PoseSighting:
    """A pose that somebody else measured: rotation and translation residuals in the camera."""

    target_in_camera: Array
    base_variance: None = None

    def turned(self, half_turn: Array) -> PoseSighting:
        """See `Sighting.turned`."""
        return PoseSighting(self.target_in_camera @ half_turn)

    def scaled(self, scale: float) -> PoseSighting:
        """See `Sighting.scaled`: a larger target is as much farther away."""
        pose = self.target_in_camera.copy()
        pose[:3, 3] *= scale
        return PoseSighting(pose)

    def by_scale(self, target_in_camera: Array) -> Array:
        """(6, 1): it is what was seen that moves, against what is expected."""
        return np.concatenate([np.zeros(3), -self.target_in_camera[:3, 3]])[:, None]

    def residual(self, target_in_camera: Array) -> Array:
        """(6,) [rad] and [m]; rotation about the target's origin."""
        return pose_residual(self.target_in_camera, target_in_camera)

    def jacobian(self, target_in_camera: Array) -> Array:
        """(6, 6) derivative of the expected pose by a twist of the target in the camera."""
        return pose_jacobian(target_in_camera)


@dataclass(frozen=True)
class CornerSighting:
    """A board's corners (n, 3) [m], seen at pixels (n, 2) through a lens."""

    lens: Lens
    corners_m: Array
    pixels: Array

    @classmethod
    def of(cls, view: View, corners_m: Array, lens: Lens) -> CornerSighting:
        """Of one view of a board."""
        return cls(lens, corners_m[view.corners.ids], view.corners.pixels)

    @cached_property
    def target_in_camera(self) -> Array:
        """(4, 4) by reprojection error."""
        return self.lens.locate(self.corners_m, self.pixels)

    @cached_property
    def base_variance(self) -> float:
        """Of one coordinate of a corner [px^2], from how well the board alone fits."""
        left = self.residual(self.target_in_camera)
        return float(left @ left) / max(1, len(left) - 6)

    def through(self, lens: Lens) -> CornerSighting:
        """The same through another lens."""
        return replace(self, lens=lens)

    def by_lens(self, target_in_camera: Array) -> Array:
        """(2n, p): how what is expected moves with the lens's parameters."""
        points = self._points(target_in_camera)
        return self.lens.by_parameters(points).reshape(2 * len(points), -1)

    def scaled(self, scale: float) -> CornerSighting:
        """See `Sighting.scaled`."""
        return replace(self, corners_m=self.corners_m * scale)

    def by_scale(self, target_in_camera: Array) -> Array:
        """(2n, 1) derivative of the expected pixels by the board's scale [px]."""
        outwards = self.corners_m @ target_in_camera[:3, :3].T
        by_twist = self.lens.project_with_jacobian(self._points(target_in_camera))[1]
        return np.einsum("nij,nj->ni", by_twist[..., 3:], outwards).reshape(-1, 1)

    def turned(self, half_turn: Array) -> CornerSighting:
        """See `Sighting.turned`."""
        corners = self.corners_m @ half_turn[:3, :3].T + half_turn[:3, 3]
        return CornerSighting(self.lens, corners, self.pixels)

    def residual(self, target_in_camera: Array) -> Array:
        """(2n,) observed minus expected pixels of the corners [px]."""
        expected = self.lens.project(self._points(target_in_camera))
        return (self.pixels - expected).ravel()

    def jacobian(self, target_in_camera: Array) -> Array:
        """(2n, 6) derivative of the expected pixels by a twist of the target in the camera."""
        return self.lens.project_with_jacobian(self._points(target_in_camera))[1].reshape(-1, 6)

    def _points(self, target_in_camera: Array) -> Array:
        return self.corners_m @ target_in_camera[:3, :3].T + target_in_camera[:3, 3]


@dataclass(frozen=True)
class HandEyeData:
    """Named views with the hand's poses in the base (N, 4, 4) when they were taken."""

    setup: Setup
    names: tuple[str, ...]
    hand_in_base: Array
    sightings: tuple[Sighting, ...]
    half_turn: Array | None = None

    def __post_init__(self) -> None:
        if len(self.names) < FEWEST_POSES:
            raise CalibrationError(
                f"only {len(self.names)} poses with the target in view: hand-eye calibration needs "
                f"{FEWEST_POSES} at least, 15 to 25 are good"
            )
        check_poses(self.hand_in_base, self.names, "of the hand in the base")
        check_poses(self.target_in_camera, self.names, "of the target in the camera")
        check_in_front(self.target_in_camera)

    @property
    def target_in_camera(self) -> Array:
        """(N, 4, 4) as each view alone tells it."""
        return np.array([s.target_in_camera for s in self.sightings])

    @property
    def carrier(self) -> Array:
        """(N, 4, 4) the camera's carrier in the target's carrier: G."""
        if self.setup == "eye-in-hand":
            return self.hand_in_base
        return se3.inverse(self.hand_in_base)

    def subset(self, indices: Indices) -> HandEyeData:
        """The data of the views with these indices, in this order."""
        chosen = [int(i) for i in indices]
        return replace(
            self,
            names=tuple(self.names[i] for i in chosen),
            hand_in_base=self.hand_in_base[chosen],
            sightings=tuple(self.sightings[i] for i in chosen),
        )

    def of_other_setup(self) -> HandEyeData:
        """The same views, taken for what they are not."""
        other: dict[str, Setup] = {"eye-to-hand": "eye-in-hand", "eye-in-hand": "eye-to-hand"}
        return replace(self, setup=other[self.setup])

    def with_hands(self, hand_in_base: Array) -> HandEyeData:
        """The same views with other poses of the hand (N, 4, 4)."""
        return replace(self, hand_in_base=hand_in_base)

    def with_targets(self, target_in_camera: Array) -> HandEyeData:
        """The same views with other poses of the target (N, 4, 4), instead of what was seen."""
        return replace(self, sightings=tuple(map(PoseSighting, target_in_camera)))

    @property
    def lens(self) -> Lens:
        """Through which all corners were seen; raises CalibrationError for mere poses."""
        lenses = [s.lens for s in self.sightings if isinstance(s, CornerSighting)]
        if not lenses:
            raise CalibrationError("a lens can be refined from images only: give --images")
        return lenses[0]

    def through(self, lens: Lens) -> HandEyeData:
        """The same through another lens."""
        corners = (s for s in self.sightings if isinstance(s, CornerSighting))
        return replace(self, sightings=tuple(s.through(lens) for s in corners))

    def scaled(self, scale: float) -> HandEyeData:
        """The same with a target so many times as large."""
        return replace(self, sightings=tuple(s.scaled(scale) for s in self.sightings))

    def turned(self, which: Mask) -> HandEyeData:
        """The same with the boards of some views (N,) bool turned round."""
        if self.half_turn is None:
            return self
        half_turn = self.half_turn
        pairs = zip(self.sightings, which, strict=True)
        turned = tuple(s.turned(half_turn) if turn else s for s, turn in pairs)
        return replace(self, sightings=turned)

    def expected(self, X: Array, Y: Array) -> Array:
        """(N, 4, 4) the target in the camera."""
        return se3.inverse(self.carrier @ X) @ Y

    def pose_residuals(self, X: Array, Y: Array) -> Array:
        """(N, 6) rotations [rad] and shifts [m] from expected to seen target, in camera axes."""
        return pose_residual(self.target_in_camera, self.expected(X, Y))

    def targets(self, X: Array) -> Array:
        """(N, 4, 4) the target in its carrier, as each view tells it: all the same, but noise."""
        return self.carrier @ X @ self.target_in_camera


def check_in_front(target_in_camera: Array) -> None:
    """Raise CalibrationError where all targets are behind the camera, and it in front of them."""
    depths_m, others_m = target_in_camera[:, 2, 3], se3.inverse(target_in_camera)[:, 2, 3]
    if (depths_m < 0).all() and (others_m > 0).all():
        raise CalibrationError(
            f"all targets are behind the camera, by {-depths_m.max():.2f} to "
            f"{-depths_m.min():.2f} m: they are inverted (the camera in the target); give the "
            "target in the camera, whose z axis looks forward"
        )


def pose_residual(seen: Array, expected: Array) -> Array:
    """(..., 6) rotation [rad] and shift [m] from expected (..., 4, 4) to seen, in camera axes."""
    turn = se3.difference(seen @ se3.inverse(expected))[..., :3]
    return np.concatenate([turn, seen[..., :3, 3] - expected[..., :3, 3]], axis=-1)


def pose_jacobian(expected: Array) -> Array:
    """(..., 6, 6): how (rotation, position) of what is expected move with a twist of it."""
    J = np.zeros((*expected.shape[:-2], 6, 6)) + np.eye(6)
    J[..., 3:, :3] = -se3.skew(expected[..., :3, 3])
    return J
