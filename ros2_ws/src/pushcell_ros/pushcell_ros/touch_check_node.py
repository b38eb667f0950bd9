"""Checks the table's plane and the map from pixels to it, with marks that the operator touches.

The node moves nothing. The operator drives the tip of the pusher to the requested mark, then
presses the page's button or calls the service /touch/mark.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.executors import Executor
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from calibration.boards import parse_board
from calibration.touch_check import Touching
from pushcell.errors import CalibrationError
from pushcell.geometry import Array
from pushcell.node_states import ProcedureState
from pushcell.recording.streams import IMAGE_TOPIC
from pushcell_ros.base_node import OK, CellNode, NodeExit, run_node, wait_until
from pushcell_ros.conversions import to_image, to_pose
from pushcell_ros.names import live
from pushcell_ros.params import CellParams, parameter
from pushcell_ros.qos import LATCHED, RELIABLE, SENSOR_DATA

_STATE_RATE_HZ = 2.0


@dataclass(frozen=True)
class TouchCheckParams(CellParams):
    """Parameters of ``touch_check_node``."""

    camera: str = parameter("overhead", "name of the camera on the base that sees the marks")
    board: str = parameter(
        "",
        "board on the table; its corners are the marks; "
        "format as in pushcell calibrate intrinsics --help",
    )
    height: float = parameter(0.0, "thickness of that board [m]", least=0.0)


class TouchCheckNode(CellNode):
    """A picture with the marks, then mark after mark, then the result."""

    Params = TouchCheckParams

    def __init__(self) -> None:
        super().__init__("touch_check_node")
        self._board = parse_board(self.params.board)
        # What the tip is kept over the table by is no height of the marks.
        lift_m = self.params.height - self.cell.pusher.tip_height_m
        self._tip_to_mark = np.array([0.0, 0.0, lift_m])
        self._touching: Touching | None = None
        self._asked = "waits for a picture of the marks"
        self._tip: Array | None = None
        self._state = self.create_publisher(String, "calibration/state", LATCHED)
        topic = live(IMAGE_TOPIC.format(self.params.camera))
        self._looking = self.create_subscription(Image, topic, self._on_image, SENSOR_DATA)
        self.create_subscription(PoseStamped, "pusher/pose", self._on_pusher, RELIABLE)
        self.create_service(Trigger, "touch/mark", self._on_mark)
        self.every_steady(_STATE_RATE_HZ, self._publish_state)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """Which mark is next."""
        return OK, self._asked, {}

    def spin(self, executor: Executor) -> None:
        """All marks; exit code 1 where the result is over its limits."""
        wait_until(executor, lambda: self._touching is not None, math.inf, "")
        self.destroy_subscription(self._looking)
        touching = self._touching
        assert touching is not None
        wait_until(executor, lambda: touching.next is None, math.inf, "")
        out = Path(os.environ.get("PUSHCELL_RUN_DIR", ".")) / "calibration" / self.params.camera
        files = self.cell.calibration_of(self.params.camera)
        code = touching.finish(out, files.intrinsics, files.hand_eye, self.params.height)
        raise NodeExit(code)

    def _ask(self, words: str) -> None:
        if words != self._asked:
            self._asked = words
            self.get_logger().info(words)

    def _on_image(self, message: Image) -> None:
        if self._touching is not None:
            return  # Pictures that were queued; one was enough.
        try:
            self._touching = Touching.of(to_image(message), self._board)
        except CalibrationError as error:
            # The arm may still be in the way: the operator drives it out of the picture.
            self._ask(str(error))
        else:
            self._ask(str(self._touching.next))

    def _on_pusher(self, message: PoseStamped) -> None:
        self._tip = to_pose(message).translation

    def _on_mark(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._touching is None or self._tip is None:
            response.message = "there is no picture, or no arm, yet"
        elif self._touching.next is None:
            response.message = "all marks are touched"
        else:
            self._touching.touch(self._tip + self._tip_to_mark)
            self._ask(self._touching.next or "all marks are touched")
            response.success, response.message = True, self._asked
        return response

    def _publish_state(self) -> None:
        state = ProcedureState(progress=self._asked, touch=True)
        self._state.publish(String(data=state.text()))


def main() -> None:
    """Run the node."""
    run_node(TouchCheckNode)


if __name__ == "__main__":
    main()
