"""What a generated episode holds: what was done, in which world, under which shifts."""

from __future__ import annotations

import numpy as np
import pytest

from pushcell.config.cell import CellConfig
from pushcell.demonstrations.episode_generator import EpisodeGenerator
from pushcell.demonstrations.generate import generate
from pushcell.demonstrations.generation_config import GenerationConfig
from pushcell.geometry import PlanarPose
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import read_steps
from pushcell.simulation.rendering import SceneRenderer
from pushcell.simulation.shifts import Shifts
from pushcell.task import Task
from tests.demonstrations.examples import config_of, generated_here, silently


@pytest.fixture
def coarse(cell: CellConfig) -> CellConfig:
    """The cell with physics that are five times as quick, and nearly the same."""
    simulation = cell.simulated.model_dump()
    simulation["physics"]["time_step_s"] = 0.005
    return cell.changed(simulation=simulation)


@pytest.mark.parametrize("world", ["source", "target"])
def test_an_episode_holds_what_was_done_and_what_came_of_it(coarse, tmp_path, world) -> None:
    cell = coarse
    generate(config_of(cell, world=world), tmp_path, 1, generated_here, silently)
    (folder,) = tmp_path.glob("episode_*")
    info, steps = EpisodeInfo.load(folder), read_steps(folder)
    task = Task.of(cell.task, cell.pusher.radius_m)
    end = PlanarPose.from_array(steps.slider[-1])
    assert info.verdict == "success"
    assert task.judge(end, steps.pusher[-1, :2], steps.duration_s).success
    assert steps.slider[0] == pytest.approx(info.generation.start, abs=1e-6)
    assert steps.pusher[0] == pytest.approx([*task.pusher_home, cell.pusher.tip_yaw_rad])
    # In the source world the pusher is where it was told to be; in the target world nearly.
    follows = np.linalg.norm(steps.action[:-1] - steps.pusher[1:, :2], axis=1)
    assert follows.max() <= (0 if world == "source" else 2e-3)
    np.testing.assert_array_equal(steps.action[-1], steps.action[-2])


@pytest.mark.parametrize(
    "shifts", [("goal=4",), ("centre_of_mass=2",), ("centre_of_mass=4",), ("object=cross",)]
)
def test_shifted_tasks_are_solved_and_kept_in_the_objects_own_frame(cell, shifts) -> None:
    episode = EpisodeGenerator(config_of(cell, *shifts)).make(0)[-1]
    plain = EpisodeGenerator(config_of(cell)).make(0)[-1]
    if shifts[0].startswith("object"):
        assert episode.start != plain.start
        return
    assert episode.start == plain.start
    text = episode.files["episode.yaml"].decode()
    assert text != plain.files["episode.yaml"].decode()
    assert "centre_of_mass_m:\n  - 0.0\n  - 0.0\n" in text


def test_noise_moves_the_pusher_and_leaves_the_action_clean(cell, tmp_path) -> None:
    generate(config_of(cell, noise_m=0.004), tmp_path, 4, generated_here, silently)
    beside = []
    for folder in tmp_path.glob("episode_*"):
        assert EpisodeInfo.load(folder).generation.noise_m == 0.004
        steps = read_steps(folder)
        beside.append(steps.pusher[1:, :2] - steps.action[:-1])
    assert np.concatenate(beside).std(axis=0) == pytest.approx([0.004, 0.004], rel=0.3)


def test_without_a_visual_gap_the_source_world_is_drawn_as_the_target(cell, tmp_path) -> None:
    config = GenerationConfig(cell, "source", "planner", 0, Shifts(visual_gap=False))
    generate(config, tmp_path, 1, generated_here, silently)
    (folder,) = tmp_path.glob("episode_*")
    assert EpisodeInfo.load(folder).cameras == tuple(c.resized(128, 128) for c in cell.cameras)
    steps = read_steps(folder)
    renderer = SceneRenderer(cell, "target")
    from pushcell.arm.kinematics import ArmKinematics
    from pushcell.geometry import Pose

    joints = ArmKinematics(cell).home_joints(steps.pusher[0, :2])
    height = cell.simulated.physics.slider_height_m / 2
    slider = Pose.from_planar(PlanarPose.from_array(steps.slider[0]), height)
    for camera, images in steps.images.items():
        # Poses are kept in single precision: a pixel on an edge may differ.
        image = renderer.render(joints, slider, camera, (128, 128))
        assert (image != images[0]).mean() < 1e-3


def test_without_a_physics_gap_the_source_world_moves_as_the_target(coarse) -> None:
    moves = EpisodeGenerator(
        GenerationConfig(coarse, "source", "planner", 1, Shifts(physics_gap=False), images=False)
    ).make(0)
    target = EpisodeGenerator(config_of(coarse, world="target")).make(0)
    assert moves[-1].bag_sha256 == target[-1].bag_sha256
