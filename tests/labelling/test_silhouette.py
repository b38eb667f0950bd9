"""The silhouette and how it moves, against what follows from the definition."""

from __future__ import annotations

import numpy as np
import pytest

from pushcell.config.cell import CellConfig
from pushcell.labelling.silhouette import Prism, border, excess, flow
from pushcell.task import SLIDERS, slider_of

POSE = np.array([0.55, -0.05, 0.7])


@pytest.fixture
def projection(cell: CellConfig) -> np.ndarray:
    camera = cell.camera("overhead")
    return camera.matrix @ camera.pose_in_link.inverse().matrix()[:3]


def pixels(projection: np.ndarray, points: np.ndarray) -> np.ndarray:
    seen = points @ projection[:, :3].T + projection[:, 3]
    return seen[:, :2] / seen[:, 2:]


@pytest.mark.parametrize("name", sorted(SLIDERS))
def test_the_silhouette_holds_the_whole_slider_and_its_border_nothing_of_it(name, projection):
    shape = SLIDERS[name]
    hulls = Prism.of(shape, 0.03).hulls(POSE, projection)
    rng = np.random.default_rng(0)
    part = shape.parts[0]
    inside = rng.dirichlet(np.ones(len(part)), 50) @ part
    c, s = np.cos(POSE[2]), np.sin(POSE[2])
    points = np.column_stack(
        [inside @ np.array([[c, s], [-s, c]]) + POSE[:2], rng.uniform(0, 0.03, 50)]
    )
    assert excess(hulls, pixels(projection, points)).max() < 1e-3
    points, normals = border(hulls)
    assert np.abs(excess(hulls, points)).max() < 1e-6
    assert np.allclose(np.linalg.norm(normals, axis=1), 1)
    assert (excess(hulls, points + normals) > 0.2).mean() > 0.9


def test_a_slider_behind_the_camera_has_no_silhouette(cell, projection):
    prism = Prism.of(slider_of(cell.task), 0.03)
    assert prism.hulls(np.array([5.0, 0.0, 0.0]), projection) is None


def test_the_flow_is_the_derivative_of_where_points_are_seen(projection):
    offsets = np.array([[0.05, 0.02], [-0.03, 0.04], [0.0, -0.1]])
    height = 0.03

    def seen(pose: np.ndarray) -> np.ndarray:
        c, s = np.cos(pose[2]), np.sin(pose[2])
        flat = offsets @ np.array([[c, s], [-s, c]]) + pose[:2]
        return pixels(projection, np.column_stack([flat, np.full(3, height)]))

    step = 1e-6
    expected = [
        (seen(POSE + step * axis) - seen(POSE - step * axis)) / (2 * step) for axis in np.eye(3)
    ]
    assert np.allclose(
        flow(POSE, projection, seen(POSE), height), np.stack(expected, axis=-1), atol=1e-3
    )
