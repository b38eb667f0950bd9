"""The whole calibration of a cell: drives the arm, takes pictures, calibrates, reports.

It stands in motion_node's place: its ways are not planar. It moves only while the operator holds
the deadman and no emergency stop is engaged, at a share of the joints' limits.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import Executor
from rclpy.qos import qos_profile_sensor_data
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool, String

from calibration.arm_drive import ArmDrive
from calibration.arm_latency import calibrate_arm_latency
from calibration.camera_procedure import CameraProcedure, Comparison
from calibration.proposals import propose, raised
from calibration.scene import Scene
from calibration.touching import Touching
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config import CameraConfig
from pushcell.geometry import Array, Pose
from pushcell_ros.base_node import OK, WARN, NodeExit, run_node, wait_until
from pushcell_ros.board_params import BoardParams
from pushcell_ros.commanding_node import LATCHED, CommandingNode
from pushcell_ros.conversions import joint_message, status_message, to_image
from pushcell_ros.params import parameter

_GRAPH_TIMEOUT_S = 60.0
_DRIVE_TIMEOUT_S = 300.0
_PICTURE_TIMEOUT_S = 600.0
_ASIDE_RAD = 0.9  # of the first joint: out of the way of cameras on the base
_OVER_MARK = np.array([0.0, 0.0, 0.05])
_STATE_RATE_HZ = 20.0
_GUIDANCE_RATE_HZ = 2.0


@dataclass(frozen=True)
class CalibrateParams(BoardParams):
    """Parameters of ``calibrate_node``."""

    views: int = parameter(30, "how many views of each camera")
    seed: int = parameter(0, "of the random views")
    speed: float = parameter(0.3, "share of the joints' limits")
    require_deadman: bool = parameter(
        True, "no motion unless the operator holds the deadman; false also releases the stop"
    )
    touch: bool = parameter(False, "touch the table board; only where its pose is exact")
    compare: bool = parameter(False, "fail unless the cell's own cameras are found again")
    slack: float = parameter(1.0, "they may be off by so many times 0.3 %, 1 mm and 0.1 deg")


class CalibrateNode(CommandingNode):
    """Camera after camera; then the arm's latency, from the same drives."""

    Params = CalibrateParams

    def __init__(self) -> None:
        super().__init__("calibrate_node")
        self._kinematics = ArmKinematics(self.cell)
        self._boards = self.params.boards(self.cell.arm.model)
        self._arm = ArmDrive(self.cell, self.params.require_deadman)
        if not self.params.require_deadman:
            self._arm.emergency_stop.release()
        self._out = Path(os.environ.get("PUSHCELL_RUN_DIR", ".")) / "calibration"
        self._progress = "waiting for the cell"
        self._guidance: dict[str, Any] = {}
        self._picture: np.ndarray | None = None
        self._table = Table(
            "camera", "focal length", "position", "direction", title="off what the cell's file says"
        )
        self._command = self.create_publisher(JointState, "/arm/joint_command", 10)
        self._motion_state = self.create_publisher(DiagnosticStatus, "/motion/state", 10)
        self._state = self.create_publisher(String, "/calibration/state", LATCHED)
        self.create_subscription(JointState, "/joint_states", self._on_joints, 10)
        self.create_subscription(Bool, "/safety/deadman", self._on_deadman, 10)
        self.serve_stop(self._arm.emergency_stop)
        self.every(self.cell.motion.rate_hz, self._tick)
        self.every(_STATE_RATE_HZ, self._publish_motion_state)
        self._every_steady(1 / _GUIDANCE_RATE_HZ, self._publish_guidance)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """How far it is."""
        halted = self._arm.halted(self.now())
        figures = {"emergency_stop": self._arm.emergency_stop.cause or "released"}
        if halted is not None:
            return WARN, f"{self._progress}; {halted}", figures
        return OK, self._progress, figures

    def spin(self, executor: Executor) -> None:
        """Everything, then the table; exit code 0 when all of it is good, 1 otherwise."""
        self._executor = executor
        self._wait(
            lambda: self._arm.joints is not None, _GRAPH_TIMEOUT_S, "the arm does not report"
        )
        start = self._joints
        up = raised(self._kinematics, start)
        self._go(up)
        # A list: every camera is calibrated, whatever the first ones came to.
        good = [self._calibrate(camera, up) for camera in self.cell.cameras]
        self._go(up)
        self._go(start, gently=True)
        good.append(calibrate_arm_latency(self._arm.commanded, self._arm.measured, self._out) == 0)
        Console(width=100).print(self._table)
        print(f"results and reports: {self._out}", flush=True)
        raise NodeExit(0 if all(good) else 1)

    def _calibrate(self, camera: CameraConfig, up: Array) -> bool:
        scene = Scene.of(camera, self.cell.arm.model, self._boards)
        procedure = CameraProcedure(camera.name, scene.setup, scene.words, self._out / camera.name)
        ways = propose(scene, self._kinematics, up, self.params.views, self.params.seed)
        for index, joints in enumerate(ways):
            self._progress = f"{camera.name}: view {index + 1} of {len(ways)}"
            self.get_logger().info(self._progress)
            self._go(joints)
            picture = self._take(camera)
            procedure.add(picture, self._kinematics.link_pose(self._joints, scene.link).matrix())
            self._guidance = procedure.guidance()
        self._go(up)
        result = procedure.finish()
        off = Comparison.of(camera, result)
        self._table.add_row(
            camera.name,
            f"{off.focal:.2%}",
            f"{1e3 * off.off_m:.2f} mm",
            f"{np.degrees(off.off_rad):.3f} deg",
        )
        near = off.within(self.params.slack) or not self.params.compare
        if result.saved is None or not near:
            return False
        return scene.setup == "eye-in-hand" or self._touch(camera, up, result.saved)

    def _touch(self, camera: CameraConfig, up: Array, hand_eye: Path) -> bool:
        """Put the tip on marks that the camera sees; only a simulated arm finds them by itself."""
        board = self._boards.get(self.cell.arm.model.base_link)
        if board is None or not self.params.touch:
            return True
        aside = up + np.eye(7)[0] * _ASIDE_RAD
        self._go(aside)
        touching = Touching.of(self._take(camera), board.board)
        self._go(up)
        pose = board.pose_in_link
        for corner in board.board.corners_m[touching.ids]:
            self._progress = str(touching.next)
            mark = pose.rotation @ corner + pose.translation
            over = self._tip_at(mark + _OVER_MARK)
            self._go(over)
            self._go(self._tip_at(mark), gently=True)
            touching.touch(self._kinematics.tip_pose(self._joints).translation)
            self._go(over, gently=True)
        self._go(up)
        thickness_m = float(pose.translation[2])
        out, lens = self._out / camera.name, hand_eye.with_suffix(".yaml")
        return touching.finish(out, lens, hand_eye, thickness_m) == 0

    def _tip_at(self, place: Array) -> Array:
        """The joints with the tip straight down at a place (3,) [m]."""
        posture = self._kinematics.pusher_posture(place[:2])
        return self._kinematics.solve(Pose(place, posture.rotation), self._joints)

    def _go(self, joints: Array, gently: bool = False) -> None:
        """Drive there and come to rest; waits for as long as it is halted.

        Gently: slowly, so that a stop on the way ends above the table, and to the very place.
        """
        slowly, within_rad = (0.2, 1e-4) if gently else (1.0, 2e-3)
        self._arm.go(joints, slowly * self.params.speed, within_rad)
        while not self._arm.arrived(self.now()):
            self._wait(lambda: not self._halted, math.inf, "")
            self._wait(
                lambda: self._halted or self._arm.arrived(self.now()),
                _DRIVE_TIMEOUT_S,
                "the arm does not get to the next pose",
            )

    def _take(self, camera: CameraConfig) -> np.ndarray:
        """A picture (H, W, 3) of the arm at rest, where it is now."""
        self._picture, still_since_s = None, self._arm.still_since_s
        topic = f"/camera/{camera.name}/color/image_raw"

        def on_image(message: Image) -> None:
            if self.control_time(message.header.stamp) > still_since_s:
                self._picture = to_image(message)

        subscription = self.create_subscription(Image, topic, on_image, qos_profile_sensor_data)
        problem = f"no picture on {topic}"
        self._wait(lambda: self._picture is not None, _PICTURE_TIMEOUT_S, problem)
        self.destroy_subscription(subscription)
        assert self._picture is not None
        return self._picture

    @property
    def _joints(self) -> Array:
        assert self._arm.joints is not None
        return self._arm.joints

    @property
    def _halted(self) -> bool:
        return self._arm.halted(self.now()) is not None

    def _tick(self) -> None:
        now = self.now()
        wanted = self._arm.tick(now)
        if wanted is not None:
            command = joint_message(self.stamp(now), *wanted)
            command.header.frame_id = self.get_name()
            self._command.publish(command)

    def _on_joints(self, message: JointState) -> None:
        now = self.control_time(message.header.stamp)
        self._arm.on_joints(now, np.array(message.position), np.array(message.velocity))

    def _on_deadman(self, message: Bool) -> None:
        self._arm.on_deadman(self.now(), message.data)

    def _publish_guidance(self) -> None:
        told = {"progress": self._progress, **self._guidance}
        self._state.publish(String(data=json.dumps(told)))

    def _publish_motion_state(self) -> None:
        """In motion_node's place, for the operator's page."""
        halted = self._arm.halted(self.now())
        values = {
            "source": "calibration",
            "phase": "holding" if halted else "moving",
            "emergency_stop": self._arm.emergency_stop.cause or "released",
            "require_deadman": self.params.require_deadman,
        }
        message = status_message("motion", OK, halted or self._progress, values)
        self._motion_state.publish(message)

    def _wait(self, condition: Callable[[], bool], timeout_s: float, problem: str) -> None:
        wait_until(self._executor, condition, timeout_s, f"{problem} within {timeout_s:.0f} s")


def main() -> None:
    """Run the node."""
    run_node(CalibrateNode)


if __name__ == "__main__":
    main()
