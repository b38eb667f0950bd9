"""The cell on a web page: Drake's Meshcat, reachable from this machine only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydrake.geometry import Meshcat, MeshcatParams, MeshcatVisualizer, Rgba, SceneGraph
from pydrake.systems.framework import DiagramBuilder

from pushcell.config.cell import CellConfig
from pushcell.errors import PushcellError
from pushcell.geometry import Pose
from pushcell.simulation.drawn_scene import DrawnScene
from pushcell.task import slider_of

_LOOPBACK = "127.0.0.1"
_GOAL_COLOUR = Rgba(0.15, 0.75, 0.25, 1.0)
_GOAL_HEIGHT_M = 1e-3
_VIEWPOINT_M, _LOOK_AT_M = [1.6, -0.8, 0.9], [0.45, 0.0, 0.15]


class LiveView:
    """A page with arm, table, slider and the goal's outline.

    Raises PushcellError when the port is taken; without one the first free port is.
    """

    def __init__(self, cell: CellConfig, port: int | None = None) -> None:
        try:
            self._meshcat = Meshcat(MeshcatParams(host=_LOOPBACK, port=port, show_stats_plot=False))
        except RuntimeError as error:
            raise PushcellError(
                f"the live view cannot use port {port or '7000 to 7099'} of {_LOOPBACK} ({error}): "
                "choose a free port, or switch the live view off"
            ) from None

        def add_page(builder: DiagramBuilder, scene_graph: SceneGraph) -> None:
            MeshcatVisualizer.AddToBuilder(builder, scene_graph, self._meshcat)

        self._scene = DrawnScene(cell, cell.simulated.target, add_page)
        goal = slider_of(cell.task).outline_at(cell.task.goal_pose)
        closed = np.vstack([goal, goal[:1]])
        on_table = np.column_stack([closed, np.full(len(closed), _GOAL_HEIGHT_M)])
        self._meshcat.SetLine("goal", on_table.T, line_width=3.0, rgba=_GOAL_COLOUR)
        self._meshcat.SetCameraPose(_VIEWPOINT_M, _LOOK_AT_M)

    @property
    def address(self) -> str:
        """The page's URL."""
        return self._meshcat.web_url()

    def show(self, joints: ArrayLike, slider: Pose) -> None:
        """Show the arm at joints (n,) [rad] and the slider at its pose in the base."""
        self._scene.pose(joints, slider)
        self._scene.diagram.ForcedPublish(self._scene.context)
