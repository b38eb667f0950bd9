"""How the pusher and the arm moved: rests, the limit of speed, joints' ends, the border."""

from __future__ import annotations

import numpy as np

from pushcell.config.cell import CellConfig
from pushcell.config.urdf import joint_limits
from pushcell.geometry import Array
from pushcell.recording.quality_report import QualityFinding, judged

_S = 1e-9
_PERIOD_NS = 50_000_000  # streams of hundreds a second are looked at so often
_RESTING_M = 0.003
_MOVING_M_S = 0.005
_AT_LIMIT_RAD = 0.01
_AT_BORDER_M = 0.003
_OF_SPEED = 0.97


class MotionCheck:
    """Fed with positions and their stamps; counts and extremes only."""

    def __init__(self, cell: CellConfig) -> None:
        self._limits = cell.recording.quality
        self._speeds = {"teleop": cell.motion.teleop.speed_m_s}
        self._other_speed = cell.motion.policy.speed_m_s
        margin = cell.arm.joint_position_margin_rad + _AT_LIMIT_RAD
        self._joint_ends = joint_limits(cell.arm.model).position + np.array([margin, -margin])
        self._workspace = cell.workspace
        self._due_ns: dict[str, int] = {}
        self._pusher: Array | None = None
        self._target: tuple[int, Array] | None = None
        self._rest_at: Array | None = None
        self._rest_since_ns = 0
        self._counts = dict.fromkeys(("moving", "fast", "joints", "ends", "tips", "border"), 0)
        self.way_m = 0.0
        self.pause_s = 0.0
        self.source = "hold"

    def due(self, topic: str, log_ns: int) -> bool:
        """Whether the next message of a topic is to be looked at."""
        if log_ns < self._due_ns.get(topic, 0):
            return False
        self._due_ns[topic] = log_ns + _PERIOD_NS
        return True

    def on_pusher(self, stamp_ns: int, tip: Array) -> None:
        """Where the pusher's tip is (2,) [m]; ValueError unless it is finite."""
        _check_finite(tip)
        if self._pusher is not None:
            self.way_m += float(np.linalg.norm(tip - self._pusher))
        self._pusher = tip
        if self._rest_at is None or np.linalg.norm(tip - self._rest_at) > _RESTING_M:
            self._rest_at, self._rest_since_ns = tip, stamp_ns
        self.pause_s = max(self.pause_s, (stamp_ns - self._rest_since_ns) * _S)
        near = not self._workspace.polygon.contains(tip, self._workspace.margin_m + _AT_BORDER_M)
        self._count("tips", "border", bool(near))

    def on_target(self, stamp_ns: int, tip: Array) -> None:
        """Where the filtered command is (2,) [m]; ValueError unless it is finite."""
        _check_finite(tip)
        if self._target is not None and stamp_ns > self._target[0]:
            speed = np.linalg.norm(tip - self._target[1]) / ((stamp_ns - self._target[0]) * _S)
            if speed > _MOVING_M_S:
                limit = self._speeds.get(self.source, self._other_speed)
                self._count("moving", "fast", bool(speed > _OF_SPEED * limit))
        self._target = stamp_ns, tip

    def on_joints(self, position: Array) -> None:
        """Count a measured joint position (n,) [rad], inside or outside the ends of its range."""
        if len(position) == len(self._joint_ends):
            low, high = self._joint_ends.T
            self._count("joints", "ends", bool(((position < low) | (position > high)).any()))

    def measures(self) -> dict[str, float]:
        """Shares of the time and lengths so far."""
        return {
            "pusher_way_m": self.way_m,
            "longest_pause_s": self.pause_s,
            "share_at_top_speed": self._share("moving", "fast"),
            "share_at_joint_ends": self._share("joints", "ends"),
            "share_at_border": self._share("tips", "border"),
        }

    def findings(self) -> list[QualityFinding]:
        """What is wrong with the motion so far."""
        limits, shares = self._limits, self.measures()
        found = judged(limits.pause_s, self.pause_s, f"the pusher rested for {self.pause_s:.1f} s")
        for name, bounds, text in (
            (
                "share_at_top_speed",
                limits.saturated,
                "of its way it was told its top speed",
            ),
            ("share_at_joint_ends", limits.at_limits, "of the time a joint was at its end"),
            ("share_at_border", limits.at_limits, "of the time the pusher was at the border"),
        ):
            found += judged(bounds, shares[name], f"{100 * shares[name]:.0f} % {text}")
        return found

    def _count(self, of: str, which: str, is_so: bool) -> None:
        self._counts[of] += 1
        self._counts[which] += is_so

    def _share(self, of: str, which: str) -> float:
        return self._counts[which] / max(1, self._counts[of])


def _check_finite(tip: Array) -> None:
    if not np.isfinite(tip).all():
        raise ValueError(f"a position is {tip.tolist()}")
