"""Camera images of the simulated cell, drawn off screen by VTK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydrake.geometry import (
    ClippingRange,
    ColorRenderCamera,
    LightParameter,
    MakeRenderEngineVtk,
    RenderCameraCore,
    RenderEngineVtkParams,
    Rgba,
    SceneGraph,
)
from pydrake.math import RigidTransform
from pydrake.systems.framework import DiagramBuilder
from pydrake.systems.sensors import CameraInfo

from calibration.mounted_board import MountedBoard
from pushcell.arm.drake_pose import to_drake
from pushcell.config.cell import AppearanceConfig, CameraConfig, CellConfig
from pushcell.geometry import Pose
from pushcell.simulation.drawn_scene import DrawnScene
from pushcell.simulation.graphics import require_graphics

_RENDERER = "vtk"
_CLIPPING = ClippingRange(0.01, 5.0)
_SHADOW_MAP_PX = 512
# Where light goes and how bright it is: a main light and a weaker one from the other side.
_LAMPS = (((-0.6, 0.25, -1.0), 0.75), ((-0.3, -0.5, -1.0), 0.45))


class SceneRenderer:
    """Draws the cell as one world's cameras see it; raises GraphicsError where it cannot.

    ``appearance`` is ``target`` or ``source``, as configured, or one of its own.
    """

    def __init__(
        self,
        cell: CellConfig,
        appearance: AppearanceConfig | Literal["target", "source"] = "target",
        boards: Sequence[MountedBoard] = (),
    ) -> None:
        require_graphics()
        self._cell = cell
        if isinstance(appearance, str):
            worlds = {"target": cell.simulated.target, "source": cell.simulated.source}
            appearance = worlds[appearance]
        engine = MakeRenderEngineVtk(_engine_parameters(appearance))

        def add_engine(builder: DiagramBuilder, scene_graph: SceneGraph) -> None:
            scene_graph.AddRenderer(_RENDERER, engine)

        self._scene = DrawnScene(cell, appearance, add_engine, boards)

    def recolour(self, appearance: AppearanceConfig) -> None:
        """Let all look otherwise from now on; far quicker than a new renderer."""
        graph = self._scene.scene_graph
        context = graph.GetMyMutableContextFromRoot(self._scene.context)
        graph.RemoveRenderer(context, _RENDERER)
        self._scene.recolour(appearance)
        graph.AddRenderer(context, _RENDERER, MakeRenderEngineVtk(_engine_parameters(appearance)))

    def render(
        self,
        joints: ArrayLike,
        slider: Pose,
        camera: str | CameraConfig,
        size: tuple[int, int] | None = None,
    ) -> NDArray[np.uint8]:
        """RGB image (height, width, 3) of the arm at joints (n,) [rad] and the slider.

        ``camera`` is a name of the cell's cameras, or one of its own; ``size`` is (width,
        height), to which the camera's whole image is squeezed.
        """
        if isinstance(camera, str):
            camera = self._cell.camera(camera)
        self.pose(joints, slider)
        return self.image(camera if size is None else camera.resized(*size))

    def pose(self, joints: ArrayLike, slider: Pose) -> None:
        """Put the arm at joints (n,) [rad] and the slider at its pose in the base."""
        self._scene.pose(joints, slider)

    def image(self, camera: CameraConfig) -> NDArray[np.uint8]:
        """RGB image (height, width, 3) of what was posed last."""
        scene = self._scene
        X_BaseCamera = scene.link_pose(camera.link) @ camera.pose_in_link
        graph = scene.scene_graph
        query = graph.get_query_output_port().Eval(graph.GetMyContextFromRoot(scene.context))
        image = query.RenderColorImage(
            _drake_camera(camera), graph.world_frame_id(), to_drake(X_BaseCamera)
        )
        return np.ascontiguousarray(image.data[:, :, :3])


def _drake_camera(camera: CameraConfig) -> ColorRenderCamera:
    # Drake counts from the corner of the image, a camera's matrix from the first pixel's centre.
    info = CameraInfo(
        camera.width_px,
        camera.height_px,
        camera.fx_px,
        camera.fy_px,
        camera.cx_px + 0.5,
        camera.cy_px + 0.5,
    )
    return ColorRenderCamera(RenderCameraCore(_RENDERER, info, _CLIPPING, RigidTransform()))


def _engine_parameters(appearance: AppearanceConfig) -> RenderEngineVtkParams:
    parameters = RenderEngineVtkParams()
    parameters.default_clear_color = np.array(appearance.background)
    colour = Rgba(*appearance.light, 1.0)
    if appearance.shadows:
        parameters.lights = [
            LightParameter(
                type="directional", color=colour, intensity=brightness, frame="world", direction=way
            )
            for way, brightness in _LAMPS
        ]
        parameters.cast_shadows = True
        parameters.shadow_map_size = _SHADOW_MAP_PX
    else:
        parameters.lights = [LightParameter(type="directional", color=colour, frame="camera")]
    return parameters
