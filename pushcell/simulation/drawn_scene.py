"""What there is to see in the cell, posed from outside: no physics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from numpy.typing import ArrayLike
from pydrake.geometry import PerceptionProperties, Rgba, Role, SceneGraph
from pydrake.multibody.plant import AddMultibodyPlantSceneGraph
from pydrake.systems.framework import DiagramBuilder

from calibration.mounted_board import MountedBoard
from pushcell.arm.drake_pose import from_drake, to_drake
from pushcell.arm.model import add_arm_with_pusher
from pushcell.config.cell import AppearanceConfig, CellConfig
from pushcell.geometry import Pose
from pushcell.simulation.drawn_boards import add_board
from pushcell.simulation.scene import add_slider, add_table
from pushcell.task import slider_of

AddViewer = Callable[[DiagramBuilder, SceneGraph], None]


class DrawnScene:
    """Arm, pusher, table and slider in a Drake diagram; ``add_viewer`` adds what looks at them."""

    def __init__(
        self,
        cell: CellConfig,
        appearance: AppearanceConfig,
        add_viewer: AddViewer,
        boards: Sequence[MountedBoard] = (),
    ) -> None:
        builder = DiagramBuilder()
        self._plant, self.scene_graph = AddMultibodyPlantSceneGraph(builder, time_step=0.0)
        self._arm = add_arm_with_pusher(self._plant, cell)
        add_table(self._plant, cell.table, appearance.table)
        self._slider = add_slider(
            self._plant, slider_of(cell.task), cell.simulated.physics, appearance.slider
        )
        for board in boards:
            add_board(self._plant, board)
        self._plant.Finalize()
        add_viewer(builder, self.scene_graph)
        self.diagram = builder.Build()
        self.context = self.diagram.CreateDefaultContext()
        self._plant_context = self._plant.GetMyMutableContextFromRoot(self.context)

    def recolour(self, appearance: AppearanceConfig) -> None:
        """Give table and slider other colours, as renderers that are added from now on see them."""
        context = self.scene_graph.GetMyMutableContextFromRoot(self.context)
        inspector = self.scene_graph.model_inspector()
        source = self._plant.get_source_id()
        for body, name, colour in (
            (self._plant.world_body(), "table", appearance.table),
            (self._slider, "slider::slider", appearance.slider),
        ):
            frame = self._plant.GetBodyFrameIdOrThrow(body.index())
            geometry = inspector.GetGeometryIdByName(frame, Role.kPerception, name)
            properties = PerceptionProperties(inspector.GetPerceptionProperties(geometry))
            properties.UpdateProperty("phong", "diffuse", Rgba(*colour, 1.0))
            self.scene_graph.RemoveRole(context, source, geometry, Role.kPerception)
            self.scene_graph.AssignRole(context, source, geometry, properties)

    def pose(self, joints: ArrayLike, slider: Pose) -> None:
        """Put the arm at joints (n,) [rad] and the slider at its pose in the base."""
        self._plant.SetPositions(self._plant_context, self._arm, joints)
        self._plant.SetFreeBodyPose(self._plant_context, self._slider, to_drake(slider))

    def link_pose(self, link: str) -> Pose:
        """A link of the arm in the base, as posed last."""
        body = self._plant.GetBodyByName(link, self._arm)
        return from_drake(self._plant.EvalBodyPoseInWorld(self._plant_context, body))
