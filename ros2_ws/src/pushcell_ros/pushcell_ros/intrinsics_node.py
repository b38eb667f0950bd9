"""Calibrates a camera's intrinsics with a hand-held board, and shows which views are missing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.executors import Executor
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from calibration.boards import grey
from calibration.held_board import ENOUGH_VIEWS, HeldBoard
from calibration.taken_views import TakenViews
from pushcell.node_states import ProcedureState
from pushcell.processes.priority import ProcessPriority
from pushcell.recording.streams import IMAGE_TOPIC
from pushcell_ros.base_node import OK, CellNode, NodeExit, run_node, running
from pushcell_ros.conversions import to_image
from pushcell_ros.names import live
from pushcell_ros.params import CellParams, parameter
from pushcell_ros.qos import LATCHED, SENSOR_DATA

_STATE_RATE_HZ = 2.0


@dataclass(frozen=True)
class IntrinsicsParams(CellParams):
    """Parameters of ``intrinsics_node``."""

    camera: str = parameter("", "name of the camera in the cell file; it must be running")
    board: str = parameter(
        "",
        "the board that you hold in front of the camera; "
        "format as in pushcell calibrate intrinsics --help",
    )
    views: int = parameter(
        ENOUGH_VIEWS, "number of views that are enough if they cover everything", least=1
    )


class IntrinsicsNode(CellNode):
    """Looks until there is enough, or /calibration/finish is called; then calibrates."""

    Params = IntrinsicsParams
    priority = ProcessPriority.LOW

    def __init__(self) -> None:
        super().__init__("intrinsics_node")
        camera = self.cell.camera(self.params.camera).name
        out = Path(os.environ.get("PUSHCELL_RUN_DIR", ".")) / "calibration" / camera
        self._taken = TakenViews(camera, self.params.board, out)
        self._held = HeldBoard(self._taken, self.params.views)
        self._guidance: dict[str, Any] = {}
        self._finish = False
        self._state = self.create_publisher(String, "calibration/state", LATCHED)
        topic = live(IMAGE_TOPIC.format(camera))
        self.create_subscription(Image, topic, self._on_image, SENSOR_DATA)
        self.create_service(Trigger, "calibration/finish", self._on_finish)
        self.every_steady(_STATE_RATE_HZ, self._publish_state)

    def diagnose(self) -> tuple[int, str, dict[str, object]]:
        """What the person is to do."""
        return OK, self._held.advice, {"views": len(self._taken.views.found)}

    def spin(self, executor: Executor) -> None:
        """All views, then the result; exit code 1 where it is over its limits."""
        while running() and not self._finish:
            executor.spin_once(timeout_sec=0.1)
        if self._finish:
            _, code = self._taken.calibrate()
            raise NodeExit(code)

    def _on_image(self, message: Image) -> None:
        if self._held.look(self.control_time(message.header.stamp), grey(to_image(message))):
            self._guidance = self._taken.guidance()
            self.get_logger().info(f"view {self._guidance['views']} is kept")
            self._finish = self._finish or self._held.done

    def _on_finish(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """With the views that there are."""
        self._finish = response.success = bool(self._taken.views.found)
        response.message = "" if response.success else "the board was not seen yet"
        return response

    def _publish_state(self) -> None:
        progress = f"{self._held.advice} ({len(self._taken.views.found)} views)"
        state = ProcedureState(progress=progress, finish=True, **self._guidance)
        self._state.publish(String(data=state.text()))


def main() -> None:
    """Run the node."""
    run_node(IntrinsicsNode)


if __name__ == "__main__":
    main()
