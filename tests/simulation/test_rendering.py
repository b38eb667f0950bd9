"""Camera images: geometry, light, and a missing graphics driver."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from pushcell.arm.kinematics import ArmKinematics
from pushcell.cameras.overlay import draw_task, project
from pushcell.config.cell import CameraConfig, CellConfig
from pushcell.geometry import Array, PlanarPose, Pose, signed_distance_to_outline
from pushcell.simulation.rendering import SceneRenderer
from pushcell.task import SLIDERS, Task

# Joint 1 turned so far that the arm points away from the table.
OUT_OF_SIGHT = (-2.5, 0.3, 0.0, -1.5, 0.0, 0.8, 0.0)
SLIDER_POSES = [
    PlanarPose(0.587, -0.0355, 0.0),
    PlanarPose(0.62, -0.1, 0.7),
    PlanarPose(0.6, -0.12, -2.0),
]


@pytest.fixture(scope="module")
def kinematics(cell: CellConfig) -> ArmKinematics:
    return ArmKinematics(cell)


@pytest.fixture(scope="module")
def source(cell: CellConfig) -> SceneRenderer:
    return SceneRenderer(cell, "source")


@pytest.fixture(scope="module")
def target(cell: CellConfig) -> SceneRenderer:
    return SceneRenderer(cell, "target")


def on_table(cell: CellConfig, pose: PlanarPose) -> Pose:
    return Pose.from_planar(pose, cell.simulated.physics.slider_height_m / 2)


def distance_to_slider(cell: CellConfig, camera: CameraConfig, pose: PlanarPose) -> Array:
    """(H, W) of each pixel's centre to where projection sees the slider [px], < 0 inside."""
    outline = SLIDERS[cell.task.slider].outline_at(pose)
    bottom, top = (
        project(camera, camera.pose_in_link, np.column_stack([outline, np.full(len(outline), z)]))
        for z in (0.0, cell.simulated.physics.slider_height_m)
    )
    walls = np.stack([bottom, np.roll(bottom, -1, 0), np.roll(top, -1, 0), top], axis=1)
    rows, columns = np.mgrid[0 : camera.height_px, 0 : camera.width_px]
    pixels = np.stack([columns, rows], axis=-1)
    return np.min([signed_distance_to_outline(pixels, p) for p in (bottom, top, *walls)], axis=0)


@pytest.mark.parametrize("pose", SLIDER_POSES)
@pytest.mark.parametrize("size", [(320, 240), (128, 128)])
def test_slider_is_drawn_where_projection_puts_it(
    cell: CellConfig,
    source: SceneRenderer,
    pose: PlanarPose,
    size: tuple[int, int],
) -> None:
    camera = cell.camera("overhead").resized(*size)
    image = source.render(OUT_OF_SIGHT, on_table(cell, pose), "overhead", size)
    distance = distance_to_slider(cell, camera, pose)
    drawn = image.max(axis=2) < 0.5 * 255 * cell.simulated.source.table[0]
    assert drawn.sum() > 300
    assert np.abs(distance[drawn != (distance < 0)]).max(initial=0) <= 0.5


def test_wrist_camera_sees_the_tip_where_projection_puts_it(
    cell: CellConfig, kinematics: ArmKinematics, source: SceneRenderer
) -> None:
    q = kinematics.home_joints(cell.task.pusher_home_m)
    camera = cell.camera("wrist")
    image = source.render(q, on_table(cell, cell.task.goal_pose), camera.name).astype(int)
    pose_camera = kinematics.link_pose(q, "link_7") @ camera.pose_in_link
    angles = np.linspace(0, 2 * np.pi, 64)
    circle = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))])
    rim = kinematics.tip_pose(q).translation + cell.pusher.radius_m * circle
    lowest = project(camera, pose_camera, rim)[:, 1].max()
    reddish = image[:, :, 0] > 2 * image[:, :, 2] + 10
    assert np.nonzero(reddish.any(axis=1))[0].max() == pytest.approx(lowest, abs=1.5)


def test_images_depend_on_nothing_but_the_scene(
    cell: CellConfig, kinematics: ArmKinematics, target: SceneRenderer
) -> None:
    q = kinematics.home_joints(cell.task.pusher_home_m)
    first, other = (on_table(cell, pose) for pose in SLIDER_POSES[:2])
    image = target.render(q, first, "overhead")
    assert image.shape == (240, 320, 3)
    assert image.dtype == np.uint8
    assert (target.render(q, other, "overhead") != image).any()
    target.render(q, other, "wrist", (128, 128))
    np.testing.assert_array_equal(target.render(q, first, "overhead"), image)


def test_a_smaller_image_is_the_camera_image_squeezed(
    cell: CellConfig, source: SceneRenderer
) -> None:
    q, slider = OUT_OF_SIGHT, on_table(cell, SLIDER_POSES[1])
    full = source.render(q, slider, "overhead", (640, 480))
    small = source.render(q, slider, "overhead", (128, 128)).astype(int)
    squeezed = cv2.resize(full, (128, 128), interpolation=cv2.INTER_AREA).astype(int)
    assert small.shape == (128, 128, 3)
    assert np.abs(small - squeezed).mean() < 3


def test_target_world_has_shadows_and_its_own_light(
    cell: CellConfig, kinematics: ArmKinematics, target: SceneRenderer
) -> None:
    q = kinematics.home_joints(cell.task.pusher_home_m)
    slider = on_table(cell, SLIDER_POSES[0])
    camera = cell.camera("overhead")
    bare = cell.simulated.target.model_copy(update={"shadows": False})
    shaded = target.render(q, slider, camera).astype(int)
    plain = SceneRenderer(cell, bare).render(q, slider, camera).astype(int)
    table = plain.min(axis=2) > 100
    brightest = np.percentile(shaded[table].sum(axis=1), 90)
    in_shadow = shaded[table].sum(axis=1) < 0.7 * brightest
    assert 0.02 < in_shadow.mean() < 0.6
    assert (plain[table].sum(axis=1) > 0.7 * plain[table].sum(axis=1).max()).all()
    red, _, blue = np.median(shaded[table], axis=0)
    assert blue / red == pytest.approx(cell.simulated.target.light[2], abs=0.03)


def test_colours_are_the_configured_ones(cell: CellConfig) -> None:
    painted = cell.simulated.source.model_copy(
        update={"table": (0.0, 0.0, 1.0), "slider": (0.0, 1.0, 0.0), "background": (1.0, 0.0, 1.0)}
    )
    image = SceneRenderer(cell, painted).render(
        OUT_OF_SIGHT, on_table(cell, SLIDER_POSES[0]), "overhead"
    )
    camera = cell.camera("overhead")
    x, y = project(camera, camera.pose_in_link, [[0.587, -0.0355, 0.03]])[0]
    assert image[round(y), round(x)].argmax() == 1
    assert image[-5, 20].argmax() == 2
    np.testing.assert_array_equal(image[0, 0], [255, 0, 255])


def test_overlay_frames_the_drawn_slider(cell: CellConfig) -> None:
    camera = cell.camera("overhead")
    task = Task.of(cell.task, cell.pusher.radius_m)
    image = np.zeros((camera.height_px, camera.width_px, 3), np.uint8)
    draw_task(image, camera, camera.pose_in_link, task, SLIDER_POSES[1])
    red = (image[:, :, 0] > 100) & (image[:, :, 1] < 100)
    outline = task.shape.outline_at(SLIDER_POSES[1])
    level = np.column_stack([outline, np.zeros(len(outline))])
    distance = signed_distance_to_outline(
        np.argwhere(red)[:, ::-1], project(camera, camera.pose_in_link, level)
    )
    assert red.sum() > 50
    assert np.abs(distance).max() <= 1.5
    without = np.zeros_like(image)
    draw_task(without, camera, camera.pose_in_link, task, None)
    assert without.any()
    assert (without != image).any()


def test_points_behind_the_camera_are_nowhere(cell: CellConfig) -> None:
    camera = cell.camera("overhead")
    behind = camera.pose_in_link.transform([[0.0, 0.0, -0.5], [0.1, 0.0, 0.5]])
    pixels = project(camera, camera.pose_in_link, behind)
    assert np.isnan(pixels[0]).all()
    assert pixels[1] == pytest.approx([camera.cx_px + 0.2 * camera.fx_px, camera.cy_px])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="EGL is Linux's")
def test_missing_graphics_driver_is_one_sentence() -> None:
    environment = os.environ | {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent.json"}
    program = "from pushcell.simulation.graphics import require_graphics; require_graphics()"
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "GraphicsError: camera images cannot be drawn" in ended.stderr
    assert "apt install libegl-mesa0" in ended.stderr
