"""The whole calibration of a cell: drives the arm, takes pictures, calibrates, reports.

It stands in motion_node's place: its ways are not planar. It moves only while the operator holds
the deadman, at a share of the joints' limits; when it falls silent the arm's driver stops them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rclpy.executors import Executor
from rclpy.qos import qos_profile_sensor_data
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Bool

from calibration import se3
from calibration.boards import grey
from calibration.hand_eye import calibrate_hand_eye
from calibration.hand_eye_command import CalibrateHandEye
from calibration.hand_eye_command import outcome as hand_eye_outcome
from calibration.hand_eye_data import CornerSighting, HandEyeData, Setup
from calibration.intrinsics import Intrinsics, calibrate_intrinsics
from calibration.intrinsics_command import CalibrateIntrinsics
from calibration.intrinsics_command import outcome as intrinsics_outcome
from calibration.joint_drive import JointDrive
from calibration.latency import Signal, measure_latency
from calibration.latency_command import CalibrateLatency
from calibration.latency_command import outcome as latency_outcome
from calibration.lens import Lens
from calibration.mounted_board import MountedBoard
from calibration.outcome import finish
from calibration.proposals import Scene, propose, raised
from calibration.views import find_board
from pushcell.arm.kinematics import ArmKinematics
from pushcell.config import CameraConfig
from pushcell.geometry import Array
from pushcell_ros.base_node import OK, CellNode, NodeExit, run_node, wait_until
from pushcell_ros.conversions import joint_message, to_image, to_seconds
from pushcell_ros.params import parameter

_GRAPH_TIMEOUT_S = 60.0
_DRIVE_TIMEOUT_S = 300.0
_PICTURE_TIMEOUT_S = 600.0
_REST_S, _REST_RAD_S = 0.3, 1e-3
# What a simulated cell, of which the truth is known, must come to.
_TRUE_FOCAL, _TRUE_M, _TRUE_RAD = 0.003, 0.001, np.radians(0.1)


@dataclass(frozen=True)
class CalibrateParams:
    """Parameters of ``calibrate_node``."""

    cell: str = parameter("", "path of the cell's YAML file")
    hand_board: str = parameter("", "board on the arm's last link, for cameras on the base")
    hand_board_pose: str = parameter("", "roughly its x y z roll pitch yaw in that link [m, rad]")
    table_board: str = parameter("", "board on the table, for cameras on the arm")
    table_board_pose: str = parameter("", "roughly its x y z roll pitch yaw in the base [m, rad]")
    views: int = parameter(30, "how many views of each camera")
    seed: int = parameter(0, "of the random views")
    require_deadman: bool = parameter(True, "no motion unless the operator holds the deadman")
    compare: bool = parameter(False, "fail unless the cell's own cameras are found again")


class CalibrateNode(CellNode):
    """Camera after camera; then the arm's latency, from the same drives."""

    Params = CalibrateParams

    def __init__(self) -> None:
        super().__init__("calibrate_node")
        self._kinematics = ArmKinematics(self.cell)
        self._joints: tuple[float, Array] | None = None
        self._moved_s = 0.0
        self._deadman_s = float("-inf")
        self._drive: tuple[float, JointDrive] | None = None
        self._picture: tuple[float, np.ndarray] | None = None
        self._commanded: list[tuple[float, Array]] = []
        self._measured: list[tuple[float, Array]] = []
        self._progress = "waiting for the cell"
        self._command = self.create_publisher(JointState, "/arm/joint_command", 10)
        self.create_subscription(JointState, "/joint_states", self._on_joints, 10)
        self.create_subscription(Bool, "/safety/deadman", self._on_deadman, 10)
        self.every(self.cell.motion.rate_hz, self._tick)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """How far it is."""
        return OK, self._progress, {}

    def spin(self, executor: Executor) -> None:
        """Everything, then the table; exit code 0 when all of it is good, 1 otherwise."""
        self._executor = executor
        self._wait(lambda: self._joints is not None, _GRAPH_TIMEOUT_S, "the arm does not report")
        self._out = Path(os.environ.get("PUSHCELL_RUN_DIR", ".")) / "calibration"
        self._table = Table("camera", "focal length", "position", "direction", title="calibrated")
        start = self._now_at
        up = raised(self._kinematics, start)
        self._go(up)
        # A list: every camera is calibrated, whatever the first ones came to.
        good = [self._calibrate(camera, up) for camera in self.cell.cameras]
        self._go(start)
        good.append(self._latency())
        Console(width=100).print(self._table)
        print(f"results and reports: {self._out}", flush=True)
        raise NodeExit(0 if all(good) else 1)

    def _calibrate(self, camera: CameraConfig, up: Array) -> bool:
        setup, mounted = self._setup(camera)
        model = self.cell.arm.model
        scene = Scene(
            setup,
            mounted.board,
            Lens(camera.matrix, np.zeros(5), (camera.width_px, camera.height_px)),
            camera.pose_in_link.matrix(),
            mounted.pose_in_link.matrix(),
            model.tip_link,
        )
        ways = propose(scene, self._kinematics, up, self.params.views, self.params.seed)
        pictures, hands = [], []
        for index, joints in enumerate(ways):
            self._progress = f"{camera.name}: view {index + 1} of {len(ways)}"
            self.get_logger().info(self._progress)
            self._go(joints)
            pictures.append((f"{index:02}.png", self._take(camera)))
            hands.append(self._kinematics.link_pose(self._now_at, model.tip_link).matrix())
        self._go(up)
        return self._evaluate(camera, scene, pictures, np.array(hands))

    def _setup(self, camera: CameraConfig) -> tuple[Setup, MountedBoard]:
        model, asked = self.cell.arm.model, self.params
        if camera.link == model.base_link:
            board = MountedBoard.parse(asked.hand_board, model.tip_link, asked.hand_board_pose)
            return "eye-to-hand", board
        board = MountedBoard.parse(asked.table_board, model.base_link, asked.table_board_pose)
        return "eye-in-hand", board

    def _evaluate(
        self,
        camera: CameraConfig,
        scene: Scene,
        pictures: list[tuple[str, np.ndarray]],
        hands: Array,
    ) -> bool:
        """Calibrate from the pictures; they are kept, with the arm's poses, beside the results."""
        out = self._out / camera.name
        (out / "images").mkdir(parents=True)
        for name, image in pictures:
            cv2.imwrite(str(out / "images" / name), image)
        poses = {name: hand.tolist() for (name, _), hand in zip(pictures, hands, strict=True)}
        (out / "robot_poses.json").write_text(json.dumps(poses))
        views = find_board(pictures, scene.board)
        lens = calibrate_intrinsics(views)
        board = self.params.hand_board if scene.setup == "eye-to-hand" else self.params.table_board
        words = CalibrateIntrinsics(images=(), board=board, out=out, camera=camera.name)
        saved = finish(intrinsics_outcome(words, views, lens), out, False, None)
        names = [view.name for view in views.found]
        data = HandEyeData(
            scene.setup,
            tuple(names),
            np.array([poses[name] for name in names]),
            tuple(CornerSighting.of(v, lens.bundle.corners_m, lens.lens) for v in views.found),
        )
        result = calibrate_hand_eye(data)
        asked = CalibrateHandEye(setup=scene.setup, out=out, camera=camera.name)
        saved += finish(hand_eye_outcome(asked, result), out, False, None)
        return self._compare(camera, lens, result.camera) and not saved

    def _compare(self, camera: CameraConfig, found: Intrinsics, pose: Array) -> bool:
        """Against what the cell's file says; always good where that is not the truth."""
        width, height = found.lens.size
        said = camera.resized(width, height)
        focal = float(np.abs(found.lens.matrix[0, 0] / said.fx_px - 1))
        off_m, off_rad = (float(v) for v in se3.errors(pose, camera.pose_in_link.matrix()))
        self._table.add_row(
            camera.name,
            f"{focal:.2%} from the cell's",
            f"{1e3 * off_m:.2f} mm",
            f"{np.degrees(off_rad):.3f} deg",
        )
        near = focal <= _TRUE_FOCAL and off_m <= _TRUE_M and off_rad <= _TRUE_RAD
        return near or not self.params.compare

    def _latency(self) -> bool:
        times, commanded = (np.array(column) for column in zip(*self._commanded, strict=True))
        stamps, measured = (np.array(column) for column in zip(*self._measured, strict=True))
        joint = int(np.argmax(np.ptp(commanded, axis=0)))
        cause = Signal(f"command of joint {joint + 1}", times, commanded[:, joint])
        effect = Signal(f"joint {joint + 1}", stamps, measured[:, joint])
        latency = measure_latency(cause, effect, longest_s=0.3)
        words = CalibrateLatency(cause=Path(), effect=Path(), out=self._out)
        told = latency_outcome(words, cause, effect, latency)
        return finish(told, self._out, False, None) == 0

    def _go(self, joints: Array) -> None:
        """Drive there and come to rest; waits while the deadman is not held."""
        goal = joints

        def arrived() -> bool:
            resting = self.now() - self._moved_s > _REST_S
            if not resting:
                return False
            if np.abs(self._now_at - goal).max() < 2e-3:
                return True
            if self._drive is None and self._allowed:
                self._drive = self.now(), JointDrive(self.cell.arm, self._now_at, goal)
            return False

        self._wait(arrived, _DRIVE_TIMEOUT_S, "the arm does not get to the next pose")

    def _take(self, camera: CameraConfig) -> np.ndarray:
        """A grey picture from after now; the arm rests."""
        self._picture, asked_s = None, self.now()
        topic = f"/camera/{camera.name}/color/image_raw"

        def on_image(message: Image) -> None:
            if self.control_time(message.header.stamp) > asked_s:
                self._picture = to_seconds(message.header.stamp), grey(to_image(message))

        subscription = self.create_subscription(Image, topic, on_image, qos_profile_sensor_data)
        problem = f"no picture on {topic}"
        self._wait(lambda: self._picture is not None, _PICTURE_TIMEOUT_S, problem)
        self.destroy_subscription(subscription)
        assert self._picture is not None
        return self._picture[1]

    @property
    def _now_at(self) -> Array:
        assert self._joints is not None
        return self._joints[1]

    @property
    def _allowed(self) -> bool:
        if not self.params.require_deadman:
            return True
        return self.now() - self._deadman_s < self.cell.motion.deadman_s

    def _tick(self) -> None:
        if self._drive is None:
            return
        began_s, drive = self._drive
        now = self.now()
        if self._commanded and now <= self._commanded[-1][0]:
            return
        if not self._allowed or now - began_s > drive.duration_s + 0.1:
            # Silence: the arm's driver brakes, if it still moves.
            self._drive = None
            return
        position, velocity = drive.at(now - began_s)
        command = joint_message(self.stamp(now), position, velocity)
        command.header.frame_id = self.get_name()
        self._command.publish(command)
        self._commanded.append((now, position))

    def _on_joints(self, message: JointState) -> None:
        now, position = self.control_time(message.header.stamp), np.array(message.position)
        if np.abs(np.array(message.velocity)).max() > _REST_RAD_S or self._joints is None:
            self._moved_s = self.now()
        self._joints = now, position
        if self._drive is not None and (not self._measured or now > self._measured[-1][0]):
            self._measured.append((now, position))

    def _on_deadman(self, message: Bool) -> None:
        self._deadman_s = self.now() if message.data else float("-inf")

    def _wait(self, condition: Callable[[], bool], timeout_s: float, problem: str) -> None:
        wait_until(self._executor, condition, timeout_s, f"{problem} within {timeout_s:.0f} s")


def main() -> None:
    """Run the node."""
    run_node(CalibrateNode)


if __name__ == "__main__":
    main()
