"""Planar poses in the base, of every message type in which people record them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from pushcell.bags.messages import BASE_FRAME, POSE
from pushcell.errors import EpisodeError
from pushcell.geometry import Array, Pose
from pushcell.replay.field_path import number_at
from pushcell.replay.topic_map import FramePose, PoseTopic
from pushcell.units import angle_problem, length_problem

TF = "tf2_msgs/msg/TFMessage"
TWIST = "geometry_msgs/msg/TwistStamped"
_NS = 10**9
# A velocity holds until the next one comes, but not for longer.
_LONGEST_STEP_S = 0.5
# How far the z axis of a pose on the table leans.
_HARDLY, _CLEARLY = np.radians(1.0), np.radians(20.0)


class _Seen(NamedTuple):
    """A pose in a frame, as the message has it."""

    frame: str
    position: Any
    orientation: Any


def _pose_stamped(message: Any) -> _Seen:
    """With covariance or without."""
    pose = getattr(message.pose, "pose", message.pose)
    return _Seen(message.header.frame_id, pose.position, pose.orientation)


def _bare_pose(message: Any) -> _Seen:
    """Without a frame, so of the base."""
    return _Seen(BASE_FRAME, message.position, message.orientation)


def _transform_stamped(message: Any) -> _Seen:
    transform = message.transform
    return _Seen(message.header.frame_id, transform.translation, transform.rotation)


_READERS: Mapping[str, Callable[[Any], _Seen]] = {
    POSE: _pose_stamped,
    "geometry_msgs/msg/PoseWithCovarianceStamped": _pose_stamped,
    "nav_msgs/msg/Odometry": _pose_stamped,
    "geometry_msgs/msg/Pose": _bare_pose,
    "geometry_msgs/msg/TransformStamped": _transform_stamped,
    TF: _transform_stamped,  # one of its transforms
}
POSES = tuple(_READERS)
"""The types that are read without ``fields``."""


class PoseReader:
    """Reads one topic; raises EpisodeError for a type that is not read."""

    def __init__(
        self, where: PoseTopic, kind: str, frames: Mapping[str, FramePose], origin: str
    ) -> None:
        """``origin`` names the recording in errors."""
        self._where, self._kind, self._frames, self._origin = where, kind, frames, origin
        self._getters = [number_at(path) for path in where.fields or ()]
        self._children: set[str] = set()
        self._path = None if where.integrate_from is None else _TwistPath(where.integrate_from)
        if not (self._getters or kind in _READERS or (self._path and kind == TWIST)):
            raise EpisodeError(f"{origin}: {where.topic} is {kind}; {_advice(kind)}")

    def part(self, message: Any) -> Any | None:
        """What of a message has the pose and its stamp; None where it is about other frames."""
        if self._kind != TF or self._getters:
            return message
        self._children |= {one.child_frame_id for one in message.transforms}
        if self._where.child is None and len(self._children) > 1:
            raise EpisodeError(
                f"{self._origin}: {self._where.topic} has transforms of "
                f"{', '.join(sorted(self._children))}: name one in the mapping (child, and parent)"
            )
        chosen = (one for one in message.transforms if self._chosen(one))
        return next(chosen, None)

    def pose(self, message: Any, stamp_ns: int) -> Array:
        """(3,) x, y, theta in the base; NaN for what is not finite. ValueError without the fields.

        ``message`` is what `part` gave; ``stamp_ns`` its stamp.
        """
        if self._getters:
            found = np.array([get(message) for get in self._getters])
            self._require_units(found, "fields")
            return found
        if self._path is not None:
            return self._path.after(message, stamp_ns, self._frame(message.header.frame_id))
        seen = _READERS[self._kind](message)
        p, q = seen.position, seen.orientation
        place, turn = [p.x, p.y, p.z], [q.x, q.y, q.z, q.w]
        if not np.isfinite([*place, *turn]).all():
            return np.full(3, np.nan)
        frame = self._frame(seen.frame)
        w_first = self._where.quaternion == "wxyz"
        pose = _in_base(place, _w_last(turn) if w_first else turn, frame)
        if not w_first and _tilted(pose) > _CLEARLY and _upright(place, _w_last(turn), frame):
            raise EpisodeError(
                f"{self._origin}: {self._where.topic} has a pose that is tilted by "
                f"{np.degrees(_tilted(pose)):.0f} deg, and upright if w stands first in its "
                "quaternion: give `quaternion: wxyz` in the mapping"
            )
        found = pose.planar().as_array()
        self._require_units(found, "poses")
        return found

    def place(self, message: Any, stamp_ns: int) -> Array:
        """(2,) or more of a target: its heading is the arm's own, and need not be a rotation."""
        if self._getters or self._path is not None:
            return self.pose(message, stamp_ns)
        seen = _READERS[self._kind](message)
        p, frame = seen.position, self._frame(seen.frame)
        return np.array([p.x, p.y]) if frame is None else frame.transform([[p.x, p.y, p.z]])[0, :2]

    @property
    def absence(self) -> str:
        """Why no message had a pose, where that is known."""
        if self._where.child is None or not self._children:
            return ""
        named = " to ".join(name for name in (self._where.parent, self._where.child) if name)
        return f"no transform of {named}; {self._where.topic} has {', '.join(self._children)}"

    def _require_units(self, pose: Array, what: str) -> None:
        """Raise EpisodeError for a pose that is not in metres and radians."""
        for problem in (length_problem(pose[:2]), angle_problem(pose[2])):
            if problem and np.isfinite(pose).all():
                raise EpisodeError(
                    f"{self._origin}: the {what} of {self._where.topic} are of {problem}"
                )

    def _chosen(self, transform: Any) -> bool:
        parent, child = self._where.parent, self._where.child
        return (parent is None or transform.header.frame_id == parent) and (
            child is None or transform.child_frame_id == child
        )

    def _frame(self, frame: str) -> Pose | None:
        """A frame in the base; None for the base itself."""
        if frame == BASE_FRAME:
            return None
        if frame not in self._frames:
            raise EpisodeError(
                f"{self._origin}: {self._where.topic} is in frame {frame!r}; known are "
                f"{', '.join([BASE_FRAME, *self._frames])}: give its pose in the base under frames"
            )
        return self._frames[frame].pose


def _in_base(place: list[float], turn: list[float], frame: Pose | None) -> Pose:
    in_frame = Pose.from_quaternion(place, turn)
    return in_frame if frame is None else frame @ in_frame


def _w_last(turn: list[float]) -> list[float]:
    """A quaternion w x y z that was taken for x y z w."""
    return [*turn[1:], turn[0]]


def _tilted(pose: Pose) -> float:
    """By how much the z axis leans from the vertical [rad]; a tool's may look down."""
    return float(np.arccos(min(1.0, abs(pose.rotation[2, 2]))))


def _upright(place: list[float], turn: list[float], frame: Pose | None) -> bool:
    return _tilted(_in_base(place, turn, frame)) < _HARDLY


class _TwistPath:
    """Integrates velocities in the plane from a pose that the mapping gives."""

    def __init__(self, start: tuple[float, float, float]) -> None:
        self._pose = np.array(start)
        self._twist = np.zeros(3)
        self._stamp_ns: int | None = None

    def after(self, message: Any, stamp_ns: int, frame: Pose | None) -> Array:
        """(3,) the pose at a message's stamp; its velocity counts from then on."""
        if self._stamp_ns is not None:
            passed_s = (stamp_ns - self._stamp_ns) / _NS
            self._pose = self._pose + self._twist * min(max(passed_s, 0.0), _LONGEST_STEP_S)
        v = message.twist.linear
        linear = np.array([v.x, v.y, v.z])
        if frame is not None:
            linear = frame.transform([linear])[0] - frame.translation
        self._stamp_ns = stamp_ns
        self._twist = np.array([linear[0], linear[1], message.twist.angular.z])
        return self._pose


def _advice(kind: str) -> str:
    if kind == TWIST:
        return "to integrate its velocities give integrate_from: [x, y, theta] in the mapping"
    return f"poses are read from {', '.join(POSES)}, and from other types by `fields`"
