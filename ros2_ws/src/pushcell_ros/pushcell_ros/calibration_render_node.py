"""Renders the simulated cameras' images for a calibration: fewer images, each supersampled.

Simulated time waits while an image is rendered.
"""

from __future__ import annotations

import math

from pushcell.processes.priority import ProcessPriority
from pushcell_ros.base_node import run_node
from pushcell_ros.render_node import RenderedCamera, RenderNode

_PERIOD_S = 1.0


class CalibrationRenderNode(RenderNode):
    """One picture at once for who begins to look, hardly any after."""

    priority = ProcessPriority.NORMAL

    def __init__(self) -> None:
        super().__init__()
        self._taken_s: dict[str, float] = {}

    def wanted(self, camera: RenderedCamera) -> bool:
        """See `RenderNode.wanted`."""
        name, now_s = camera.config.name, self.now()
        if not camera.watched:
            self._taken_s.pop(name, None)
        elif now_s - self._taken_s.get(name, -math.inf) >= _PERIOD_S:
            self._taken_s[name] = now_s
            return True
        return False


def main() -> None:
    """Run the node."""
    run_node(CalibrationRenderNode)


if __name__ == "__main__":
    main()
