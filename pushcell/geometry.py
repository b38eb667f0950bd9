"""Poses and polygons as immutable values.

Conventions: metres and radians; a planar pose is (x, y, theta); ``pose_B_in_A`` (or
``X_AB``) maps coordinates in B to coordinates in A; quaternions are x y z w.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def wrap_angle(angle_rad: float) -> float:
    """The same angle in [-pi, pi)."""
    return (angle_rad + math.pi) % (2 * math.pi) - math.pi


def wrap_angles(angles_rad: Array) -> Array:
    """The same angles [rad], each in [-pi, pi)."""
    return (angles_rad + np.pi) % (2 * np.pi) - np.pi


@dataclass(frozen=True)
class PlanarPose:
    """A pose in the plane: x, y [m] and theta [rad]; an element of SE(2)."""

    x: float
    y: float
    theta: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.x, self.y, self.theta)):
            raise ValueError(f"a planar pose must be finite, not {self.as_array()}")

    @classmethod
    def from_array(cls, values: ArrayLike) -> PlanarPose:
        """From (3,) x, y, theta."""
        x, y, theta = np.asarray(values, dtype=float)
        return cls(float(x), float(y), float(theta))

    @classmethod
    def exp(cls, twist: ArrayLike) -> PlanarPose:
        """The pose reached from the identity by a body twist (vx, vy, omega) held for unit time."""
        vx, vy, omega = (float(value) for value in np.asarray(twist, dtype=float))
        # sin(w)/w and (1 - cos(w))/w, the latter without cancellation.
        a = float(np.sinc(omega / math.pi))
        b = omega / 2 * float(np.sinc(omega / (2 * math.pi))) ** 2
        return cls(a * vx - b * vy, b * vx + a * vy, omega)

    def log(self) -> Array:
        """The body twist (3,) whose ``exp`` is this pose, with theta in [-pi, pi)."""
        theta = wrap_angle(self.theta)
        half = theta / 2
        a = 1.0 - theta**2 / 12 if abs(theta) < 1e-6 else half / math.tan(half)
        return np.array([a * self.x + half * self.y, -half * self.x + a * self.y, theta])

    @property
    def position(self) -> Array:
        """(2,) x, y [m]."""
        return np.array([self.x, self.y])

    @property
    def rotation(self) -> Array:
        """(2, 2) rotation matrix."""
        c, s = math.cos(self.theta), math.sin(self.theta)
        return np.array([[c, -s], [s, c]])

    def as_array(self) -> Array:
        """(3,) x, y, theta."""
        return np.array([self.x, self.y, self.theta])

    def __matmul__(self, other: PlanarPose) -> PlanarPose:
        """Composition: ``pose_B_in_A @ pose_C_in_B == pose_C_in_A``."""
        x, y = self.transform(other.position)
        return PlanarPose(float(x), float(y), wrap_angle(self.theta + other.theta))

    def inverse(self) -> PlanarPose:
        """``pose_A_in_B`` of ``pose_B_in_A``."""
        x, y = -self.rotation.T @ self.position
        return PlanarPose(float(x), float(y), wrap_angle(-self.theta))

    def transform(self, points: ArrayLike) -> Array:
        """Points (..., 2) from this frame into its parent frame."""
        return np.asarray(points, dtype=float) @ self.rotation.T + self.position

    def distance_to(self, other: PlanarPose) -> tuple[float, float]:
        """Distance of the positions [m] and of the angles [rad], both >= 0."""
        offset = math.hypot(self.x - other.x, self.y - other.y)
        return offset, abs(wrap_angle(self.theta - other.theta))


_IDENTITY = np.eye(3)
_NOT_A_ROTATION = 1e-5


@dataclass(frozen=True)
class Pose:
    """A pose in space: translation (3,) [m] and rotation matrix (3, 3)."""

    translation: Array
    rotation: Array

    def __post_init__(self) -> None:
        # Made at every tick of the control loop: np.allclose takes ten times as long.
        error = self.rotation @ self.rotation.T - _IDENTITY
        if not np.abs(error).max() < _NOT_A_ROTATION:
            raise ValueError(f"not a rotation matrix:\n{self.rotation}")

    @classmethod
    def from_xyz_rpy(cls, xyz_m: ArrayLike, rpy_rad: ArrayLike) -> Pose:
        """From a translation and fixed-axis roll, pitch, yaw (URDF's convention)."""
        roll, pitch, yaw = np.asarray(rpy_rad, dtype=float)
        rotation = _rotation_z(yaw) @ _rotation_y(pitch) @ _rotation_x(roll)
        return cls(np.asarray(xyz_m, dtype=float), rotation)

    @classmethod
    def from_matrix(cls, matrix: ArrayLike) -> Pose:
        """From a homogeneous (4, 4) matrix."""
        m = np.asarray(matrix, dtype=float)
        return cls(m[:3, 3].copy(), m[:3, :3].copy())

    @classmethod
    def from_planar(cls, pose: PlanarPose, z_m: float = 0.0) -> Pose:
        """The planar pose at height z."""
        return cls(np.array([pose.x, pose.y, z_m]), _rotation_z(pose.theta))

    def planar(self) -> PlanarPose:
        """Projection on the table: x, y and the heading of the x axis."""
        heading = math.atan2(self.rotation[1, 0], self.rotation[0, 0])
        return PlanarPose(float(self.translation[0]), float(self.translation[1]), heading)

    def matrix(self) -> Array:
        """Homogeneous (4, 4) matrix."""
        m = np.eye(4)
        m[:3, :3], m[:3, 3] = self.rotation, self.translation
        return m

    @property
    def rpy(self) -> Array:
        """(3,) fixed-axis roll, pitch, yaw [rad], the inverse of ``from_xyz_rpy``."""
        r = self.rotation
        pitch = math.atan2(-r[2, 0], math.hypot(r[0, 0], r[1, 0]))
        return np.array([math.atan2(r[2, 1], r[2, 2]), pitch, math.atan2(r[1, 0], r[0, 0])])

    @property
    def quaternion_xyzw(self) -> Array:
        """(4,) unit quaternion x y z w with w >= 0."""
        # The symmetric matrix whose dominant eigenvector is the quaternion (Bar-Itzhack 2000):
        # no branches, and exact for every rotation.
        r = self.rotation
        k = np.array(
            [
                [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
                [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
                [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], 0],
                [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
            ]
        )
        quaternion = np.linalg.eigh(k)[1][:, -1]
        return quaternion if quaternion[3] >= 0 else -quaternion

    @classmethod
    def from_quaternion(cls, xyz_m: ArrayLike, quaternion_xyzw: ArrayLike) -> Pose:
        """From a translation and a quaternion x y z w of any non-zero length."""
        q = np.asarray(quaternion_xyzw, dtype=float)
        norm = float(np.linalg.norm(q))
        if not norm > 1e-9:
            raise ValueError(f"a rotation needs a non-zero quaternion, not {q}")
        x, y, z, w = q / norm
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        return cls(np.asarray(xyz_m, dtype=float), rotation)

    def __matmul__(self, other: Pose) -> Pose:
        """Composition: ``X_AB @ X_BC == X_AC``."""
        return Pose(self.transform(other.translation), self.rotation @ other.rotation)

    def inverse(self) -> Pose:
        """``X_BA`` of ``X_AB``."""
        return Pose(-self.rotation.T @ self.translation, self.rotation.T)

    def transform(self, points: ArrayLike) -> Array:
        """Points (..., 3) from this frame into its parent frame."""
        return np.asarray(points, dtype=float) @ self.rotation.T + self.translation


def _rotation_x(angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _rotation_y(angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _rotation_z(angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


@dataclass(frozen=True)
class ConvexPolygon:
    """A convex polygon, counter-clockwise; inside is where every edge's distance is <= 0."""

    vertices: Array  # (N, 2) [m]
    normals: Array  # (N, 2) outward unit normals
    offsets: Array  # (N,) normals @ x <= offsets [m]

    @classmethod
    def from_vertices(cls, vertices: Sequence[Sequence[float]] | Array) -> ConvexPolygon:
        """From (N, 2) corners in either direction; raises ValueError unless strictly convex."""
        v = np.asarray(vertices, dtype=float)
        if v.ndim != 2 or v.shape[1] != 2 or len(v) < 3:
            raise ValueError(f"a polygon needs at least three (x, y) corners, not shape {v.shape}")
        if _signed_area(v) < 0:
            v = v[::-1]
        edges = np.roll(v, -1, axis=0) - v
        turns = _cross(edges, np.roll(edges, -1, axis=0))
        # Turning left at every corner is not enough: a star does that too, twice round.
        exterior = np.arctan2(turns, np.sum(edges * np.roll(edges, -1, axis=0), axis=1))
        if not (turns > 1e-12).all() or exterior.sum() > 2 * math.pi + 1e-6:
            raise ValueError(f"the polygon {v.tolist()} is not convex or has a repeated corner")
        lengths = np.linalg.norm(edges, axis=1, keepdims=True)
        normals = np.column_stack([edges[:, 1], -edges[:, 0]]) / lengths
        return cls(v, normals, np.sum(normals * v, axis=1))

    def excess(self, points: ArrayLike) -> Array:
        """How far points (..., 2) lie beyond the worst edge [m]; negative inside."""
        return np.max(np.asarray(points, dtype=float) @ self.normals.T - self.offsets, axis=-1)

    def contains(self, points: ArrayLike, margin_m: float = 0.0) -> NDArray[np.bool_]:
        """Whether points (..., 2) are inside and at least ``margin_m`` from every edge."""
        return self.excess(points) <= -margin_m

    def inset(self, margin_m: float) -> ConvexPolygon:
        """The polygon whose edges are moved inwards; raises ValueError if nothing is left."""
        offsets = self.offsets - margin_m
        previous_n, previous_o = np.roll(self.normals, 1, axis=0), np.roll(offsets, 1)
        corners = [
            np.linalg.solve(np.stack([n0, n1]), [o0, o1])
            for n0, o0, n1, o1 in zip(previous_n, previous_o, self.normals, offsets, strict=True)
        ]
        inner = np.array(corners)
        if not np.all(inner @ self.normals.T <= offsets + 1e-9):
            raise ValueError(f"a margin of {margin_m} m leaves nothing of the polygon, or an edge")
        return ConvexPolygon(inner, self.normals, offsets)

    def nearest(self, point: ArrayLike) -> Array:
        """The point (2,) of the polygon nearest to the given one (itself when inside)."""
        p = np.asarray(point, dtype=float)
        if self.contains(p):
            return p
        edges = np.roll(self.vertices, -1, axis=0) - self.vertices
        along = np.sum((p - self.vertices) * edges, axis=1) / np.sum(edges * edges, axis=1)
        on_edges = self.vertices + np.clip(along, 0, 1)[:, None] * edges
        return on_edges[np.argmin(np.linalg.norm(on_edges - p, axis=1))]


def outline_crosses_itself(outline: Array) -> bool:
    """Whether any two edges of the closed outline (N, 2) that are not neighbours meet."""
    start, end = outline, np.roll(outline, -1, axis=0)
    count = len(outline)
    for i in range(count):
        for j in range(i + 2, count):
            neighbours = i == 0 and j == count - 1
            if not neighbours and _segments_meet(start[i], end[i], start[j], end[j]):
                return True
    return False


def signed_distance_to_outline(points: ArrayLike, outline: Array) -> Array:
    """Distance of points (..., 2) to the closed outline (N, 2) [m]; negative inside."""
    p = np.asarray(points, dtype=float)[..., None, :]
    start, end = outline, np.roll(outline, -1, axis=0)
    edge = end - start
    along = np.clip(np.sum((p - start) * edge, axis=-1) / np.sum(edge * edge, axis=-1), 0, 1)
    distance = np.linalg.norm(p - start - along[..., None] * edge, axis=-1).min(axis=-1)
    # Even-odd rule: an upward or downward edge that spans the point's y and lies to its right.
    spans = (start[:, 1] > p[..., 1]) != (end[:, 1] > p[..., 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing_x = start[:, 0] + (p[..., 1] - start[:, 1]) * edge[:, 0] / edge[:, 1]
    inside = np.count_nonzero(spans & (p[..., 0] < crossing_x), axis=-1) % 2 == 1
    return np.where(inside, -distance, distance)


def polygon_area_and_centroid(outline: Array) -> tuple[float, Array]:
    """Signed area [m^2] (positive counter-clockwise) and centroid (2,) of a closed outline."""
    following = np.roll(outline, -1, axis=0)
    cross = _cross(outline, following)
    area = float(cross.sum() / 2)
    return area, ((outline + following) * cross[:, None]).sum(axis=0) / (6 * area)


def _signed_area(outline: Array) -> float:
    return float(_cross(outline, np.roll(outline, -1, axis=0)).sum() / 2)


def _cross(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _segments_meet(a: Array, b: Array, c: Array, d: Array) -> bool:
    def side(p: Array, q: Array, r: Array) -> float:
        return float(_cross(q - p, r - p))

    def within(p: Array, q: Array, r: Array) -> bool:
        return bool(np.all(np.minimum(p, q) <= r) and np.all(r <= np.maximum(p, q)))

    sides = side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    touching = zip(sides, ((a, b, c), (a, b, d), (c, d, a), (c, d, b)), strict=True)
    return any(value == 0 and within(*corners) for value, corners in touching)
