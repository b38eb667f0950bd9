"""Calibrates the whole cell: drives the arm, takes images of boards, calibrates, reports."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from std_msgs.msg import String

from calibration.arm_latency import calibrate_arm_latency
from calibration.camera_procedure import CalibrationComparison, CameraProcedure
from calibration.camera_setup import CalibrationScene
from calibration.touch_check import Touching
from calibration.view_planning import propose, raised
from pushcell.config.cell import CameraConfig
from pushcell.geometry import Array
from pushcell.node_states import ProcedureState
from pushcell_ros.base_node import NodeExit, run_node
from pushcell_ros.driving_node import DrivingNode, DrivingParams
from pushcell_ros.params import parameter
from pushcell_ros.qos import LATCHED

_ASIDE_RAD = 0.9  # of the first joint: out of the way of cameras on the base
_OVER_MARK = np.array([0.0, 0.0, 0.05])
_GUIDANCE_RATE_HZ = 2.0


@dataclass(frozen=True)
class CalibrateParams(DrivingParams):
    """Parameters of ``calibrate_node``."""

    views: int = parameter(30, "number of views of each camera", least=1)
    seed: int = parameter(0, "seed of the random views", least=0)
    touch: bool = parameter(False, "touch the table board; only if its given pose is exact")
    compare: bool = parameter(
        False,
        "fail if the result differs from the cameras in the cell file; for simulation, where those "
        "are exact",
    )
    slack: float = parameter(
        1.0,
        "with compare: allowed difference, in multiples of 0.3 % (focal length), 1 mm (position), "
        "0.1 deg (direction)",
        least=0.0,
    )


class CalibrateNode(DrivingNode):
    """Camera after camera; then the arm's latency, from the same drives."""

    Params = CalibrateParams

    def __init__(self) -> None:
        super().__init__("calibrate_node")
        self._boards = self.params.boards(self.cell.arm.model)
        self._out = Path(os.environ.get("PUSHCELL_RUN_DIR", ".")) / "calibration"
        self._guidance: dict[str, Any] = {}
        self._table = Table(
            "camera", "focal length", "position", "direction", title="off what the cell's file says"
        )
        self._state = self.create_publisher(String, "calibration/state", LATCHED)
        self.every_steady(_GUIDANCE_RATE_HZ, self._publish_guidance)

    def drive(self) -> None:
        """Everything, then the table; exit code 0 when all of it is good, 1 otherwise."""
        start = self.joints
        up = raised(self.kinematics, start)
        self.go(up)
        # A list: every camera is calibrated, whatever the first ones came to.
        good = [self._calibrate(camera, up) for camera in self.cell.cameras]
        self.go(up)
        self.go(start, gently=True)
        good.append(calibrate_arm_latency(self.arm.commanded, self.arm.measured, self._out) == 0)
        Console(width=100).print(self._table)
        print(f"results and reports: {self._out}", flush=True)
        raise NodeExit(0 if all(good) else 1)

    def _calibrate(self, camera: CameraConfig, up: Array) -> bool:
        scene = CalibrationScene.of(camera, self.cell.arm.model, self._boards)
        procedure = CameraProcedure(camera.name, scene.setup, scene.words, self._out / camera.name)
        ways = propose(scene, self.kinematics, up, self.params.views, self.params.seed)
        for index, joints in enumerate(ways):
            self.progress = f"{camera.name}: view {index + 1} of {len(ways)}"
            self.get_logger().info(self.progress)
            self.go(joints)
            picture = self.take(camera)
            procedure.add(picture, self.kinematics.link_pose(self.joints, scene.link).matrix())
            self._guidance = procedure.guidance()
        self.go(up)
        result = procedure.finish()
        off = CalibrationComparison.of(camera, result)
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
        aside = up + np.eye(len(up))[0] * _ASIDE_RAD
        self.go(aside)
        touching = Touching.of(self.take(camera), board.board)
        self.go(up)
        pose = board.pose_in_link
        for corner in board.board.corners_m[touching.ids]:
            self.progress = str(touching.next)
            mark = pose.rotation @ corner + pose.translation
            over = self.tip_at(mark + _OVER_MARK)
            self.go(over)
            self.go(self.tip_at(mark), gently=True)
            touching.touch(self.kinematics.tip_pose(self.joints).translation)
            self.go(over, gently=True)
        self.go(up)
        thickness_m = float(pose.translation[2])
        out, lens = self._out / camera.name, hand_eye.with_suffix(".yaml")
        return touching.finish(out, lens, hand_eye, thickness_m) == 0

    def _publish_guidance(self) -> None:
        state = ProcedureState(progress=self.progress, **self._guidance)
        self._state.publish(String(data=state.text()))


def main() -> None:
    """Run the node."""
    run_node(CalibrateNode)


if __name__ == "__main__":
    main()
