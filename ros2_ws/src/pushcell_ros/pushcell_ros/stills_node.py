"""The simulated cameras for a calibration: fewer pictures, each drawn finely.

Simulated time waits while one is drawn.
"""

from __future__ import annotations

from pushcell.urgency import Urgency
from pushcell_ros.base_node import run_node
from pushcell_ros.render_node import Camera, RenderNode

_RATE_HZ = 1.0


class StillsNode(RenderNode):
    """One picture at once for who begins to look, hardly any after."""

    urgency = Urgency.NORMAL

    def due(self, camera: Camera, captured_s: float) -> bool:
        """See `RenderNode.due`."""
        if not camera.watched:
            camera.due_s = 0.0
        return super().due(camera, captured_s)

    def rate_hz(self, camera: Camera) -> float:
        """See `RenderNode.rate_hz`."""
        return _RATE_HZ


def main() -> None:
    """Run the node."""
    run_node(StillsNode)


if __name__ == "__main__":
    main()
