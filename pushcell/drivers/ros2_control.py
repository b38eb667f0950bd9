"""Any arm under ros2_control, as far as it needs no ROS: joints by name, in the arm's own order.

`arm_node` hands in what its subscription hears and gives the publisher that sends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pushcell.closing import Closing
from pushcell.config.arm import Ros2ControlLinkConfig
from pushcell.drivers.arm import ArmFault, ArmReport, Fault
from pushcell.geometry import Array


class Ros2ControlDriver(Closing):
    """Reports come from a joint state broadcaster, commands go to one controller."""

    def __init__(
        self,
        link: Ros2ControlLinkConfig,
        joints: Sequence[str],
        publish: Callable[[Array], None],
    ) -> None:
        self._link = link
        self._joints = joints
        self._publish = publish
        self._heard: ArmReport | ArmFault | None = None
        self._listeners = self._publishers = 0
        self.others = 0

    def close(self) -> None:
        """Nothing is held open."""

    @property
    def waits_for(self) -> str | None:
        """What is missing before the arm takes commands, in words; None when it takes them."""
        if self._listeners == 0:
            return f"no controller listens on {self._link.command.topic}"
        return None

    def on_peers(self, listeners: int, publishers: int) -> None:
        """How many listen on, and publish, the command topic (this driver included)."""
        self._listeners, self._publishers = listeners, publishers

    def on_joint_states(
        self,
        stamp_s: float,
        names: Sequence[str],
        position: Sequence[float],
        velocity: Sequence[float],
        effort: Sequence[float],
    ) -> None:
        """A ``sensor_msgs/JointState``: any order; messages about other joints are let pass."""
        indices = {name: index for index, name in enumerate(names)}
        missing = [name for name in self._joints if name not in indices]
        if len(missing) == len(self._joints):
            self.others += 1
            return
        if missing:
            detail = f"{', '.join(missing)} among {', '.join(names)}: see arm.link.joints"
            self._heard = ArmFault(Fault.JOINTS_MISSING, detail)
            return
        if len(position) != len(names) or len(indices) != len(names):
            detail = f"{len(position)} positions for {len(indices)} different names of {len(names)}"
            self._heard = ArmFault(Fault.MALFORMED, detail)
            return
        if not stamp_s:
            # Every report would be taken for the first one once more.
            detail = f"header.stamp on {self._link.state_topic} is 0: its publisher must fill it in"
            self._heard = ArmFault(Fault.UNSTAMPED, detail)
            return
        order = [indices[name] for name in self._joints]
        self._heard = ArmReport(
            stamp_s,
            np.array(position)[order],
            _known(velocity, len(names), order),
            _known(effort, len(names), order),
        )

    def receive(self) -> ArmReport | ArmFault | None:
        """The newest report that was not given yet, or what is wrong with it; does not wait."""
        heard, self._heard = self._heard, None
        if self._publishers > 1:
            return ArmFault(Fault.OTHER_COMMANDER, f"on {self._link.command.topic}")
        return heard

    def send(self, position: Array) -> None:
        """Command joint positions (n,) [rad]."""
        self._publish(position)


def _known(values: Sequence[float], count: int, order: list[int]) -> Array | None:
    """The values in order; None where the arm has no such sensors, whose values are then NaN."""
    if len(values) != count:
        return None
    chosen = np.array(values)[order]
    return chosen if np.isfinite(chosen).all() else None
