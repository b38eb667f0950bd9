"""The slider in pictures as they come: found from nothing, followed, and not invented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pushcell.cameras.calibrated import active_lens, active_pose
from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from pushcell.geometry import PlanarPose, wrap_angle
from pushcell.labelling.appearance import SliderAppearance
from pushcell.labelling.outline_finder import OutlineFinder
from pushcell.labelling.recorded_views import RecordedViews
from pushcell.labelling.session import Labeller
from pushcell.recording.episode_steps import read_steps


def finder_of(appearance: SliderAppearance, cell: CellConfig, camera: str) -> OutlineFinder:
    lens, pose = active_lens(cell, camera), active_pose(cell, camera)
    return OutlineFinder(appearance, cell, camera, lens, pose)


def test_it_is_found_from_nothing_and_followed(
    cell: CellConfig, simulated: Path, views: RecordedViews, labeller: Labeller, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "appearance.npz"
    labeller.appearance.save(file)
    finder = finder_of(SliderAppearance.load(file), cell, "overhead")
    true = read_steps(simulated / "episode_000000").slider
    images, late = views.cameras[0].images, len(true) - len(views)
    errors = []
    for step in range(0, len(views), 3):
        fit = finder.find(images[step], views.tip_poses[step])
        if fit is not None:
            offset = fit.pose - true[step + late]
            errors.append([np.linalg.norm(offset[:2]), abs(wrap_angle(offset[2]))])
    assert len(errors) > 0.9 * len(views) / 3
    place_m, angle_rad = np.quantile(errors, 0.95, axis=0)
    assert place_m < 0.005
    assert angle_rad < np.deg2rad(3)


def test_a_slider_that_was_put_elsewhere_is_found_again(
    cell: CellConfig, views: RecordedViews, labeller: Labeller
) -> None:
    finder = finder_of(labeller.appearance, cell, "overhead")
    images, tips = views.cameras[0].images, views.tip_poses
    fits = [finder.find(images[step], tips[step]) for step in (0, len(views) - 1, 0)]
    poses = [PlanarPose.from_array(fit.pose) for fit in fits if fit is not None]
    assert len(poses) == 3
    assert poses[0].distance_to(poses[1])[0] > 0.05
    assert poses[0].distance_to(poses[2])[0] < 0.003


def test_a_picture_without_the_slider_has_none(
    cell: CellConfig, views: RecordedViews, labeller: Labeller
) -> None:
    finder = finder_of(labeller.appearance, cell, "overhead")
    image, tip = views.cameras[0].images[0], views.tip_poses[0]
    table = np.broadcast_to(np.median(image.reshape(-1, 3), axis=0), image.shape).astype(np.uint8)
    assert finder.find(np.ascontiguousarray(table), tip) is None
    assert (
        finder.find(np.random.default_rng(0).integers(0, 255, image.shape, np.uint8), tip) is None
    )
    assert finder.find(image, tip) is not None


def test_what_is_no_appearance_is_one_sentence(
    cell: CellConfig, labeller: Labeller, tmp_path: Path
) -> None:
    file = tmp_path / "appearance.npz"
    with pytest.raises(ConfigError, match="there is no file"):
        SliderAppearance.load(file)
    appearance = labeller.appearance
    bad = np.full_like(appearance.colours["overhead"].share, np.nan)
    for content in (b"", b"{}", b"PK\x03\x04"):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match="is not what pushcell label"):
            SliderAppearance.load(file)
    for arrays in (
        {"slider": "t"},
        {"slider": "t", "height_m": 3.0},
        {"slider": "t", "height_m": 0.03, "colours/overhead": bad},
        {"slider": "t", "height_m": 0.03, "colours/overhead": bad[:9]},
    ):
        np.savez(file, **arrays)
        with pytest.raises(ConfigError, match="is not what pushcell label"):
            SliderAppearance.load(file)
    with pytest.raises(ConfigError, match="is that of slider 'box', the cell has 't'"):
        finder_of(SliderAppearance("box", 0.03, appearance.colours), cell, "overhead")
    with pytest.raises(ConfigError, match="is known to cameras none, not to 'overhead'"):
        finder_of(SliderAppearance("t", 0.03, {}), cell, "overhead")
