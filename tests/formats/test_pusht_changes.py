"""Push-T sets: units and zips; in the mirror, with the same physics; moved to end at the goal."""

import json
import shutil
from dataclasses import replace

import gym_pusht  # noqa: F401 - its import registers the environment
import gymnasium
import numpy as np
import pytest
import zarr
from shapely import Polygon

from pushcell.cli import main as cli
from pushcell.errors import EpisodeError
from pushcell.formats.open_data_set import open_data_set
from pushcell.formats.pusht_format import (
    CAMERA,
    GOAL,
    RATE_HZ,
    PushTSet,
    finished,
    mirrored,
    resting,
    waiting,
)
from pushcell.geometry import PlanarPose
from pushcell.recording.steps import Steps
from pushcell.task import PUSHT_OUTLINE

PUSH = 20  # steps


def driven(start: np.ndarray, slider: np.ndarray, targets: np.ndarray) -> Steps:
    """What the benchmark makes of targets (T, 2) from a pusher's and a T's pose."""
    environment = gymnasium.make("gym_pusht/PushT-v0", obs_type="pixels").unwrapped
    environment.reset(seed=0)
    environment.agent.position, environment.agent.velocity = tuple(start), (0.0, 0.0)
    environment.block.angle = slider[2]
    environment.block.position = tuple(slider[:2])
    environment.block.velocity, environment.block.angular_velocity = (0.0, 0.0), 0.0
    environment.space.step(1e-6)
    pusher, block, images = [], [], []
    for target in targets:
        pusher.append([*environment.agent.position, 0.0])
        block.append([*environment.block.position, environment.block.angle])
        images.append(environment._render(visualize=False))
        environment.step(target)
    environment.close()
    arrays = map(np.array, (pusher, block, targets, GOAL))
    return Steps(RATE_HZ, *arrays, {CAMERA: np.stack(images)})


@pytest.mark.parametrize("seed", range(6))
def test_what_is_done_in_the_mirror_has_the_mirrored_outcome(seed):
    rng = np.random.default_rng(seed)
    slider = np.array([*rng.uniform(200, 310, 2), rng.uniform(-np.pi, np.pi)])
    start = slider[:2] + 130 * np.array([np.cos(seed), np.sin(seed)])
    targets = start + np.linspace(0, 1, PUSH)[:, None] * (slider[:2] - start) * 1.1
    here = driven(start, slider, targets)
    moved = np.linalg.norm(here.slider[-1, :2] - here.slider[0, :2])
    assert moved > 5, "the push must move the T"
    told = mirrored(here)
    there = driven(told.pusher[0, :2], told.slider[0], told.action)
    np.testing.assert_allclose(there.pusher[:, :2], told.pusher[:, :2], atol=1.0)
    np.testing.assert_allclose(there.slider[:, :2], told.slider[:, :2], atol=2.0)
    turn = there.slider[:, 2] - told.slider[:, 2]
    np.testing.assert_allclose(np.angle(np.exp(1j * turn)), 0, atol=0.03)
    drawn, shown = (s.images[CAMERA].astype(float) for s in (there, told))
    assert np.abs(drawn - shown).mean() < 3.0, "of 255"
    assert np.abs(drawn - here.images[CAMERA]).mean() > np.abs(drawn - shown).mean()


@pytest.fixture
def steps() -> Steps:
    rng = np.random.default_rng(0)
    poses = rng.uniform(100, 400, (2, 7, 3))
    images = {CAMERA: rng.integers(0, 256, (7, 96, 96, 3), np.uint8)}
    return Steps(RATE_HZ, poses[0], poses[1], poses[0, :, :2] + 9, np.array(GOAL), images)


def test_what_is_finished_ends_at_the_goal_and_is_otherwise_the_same(steps):
    moved = finished(steps)
    np.testing.assert_allclose(moved.slider[-1], GOAL)
    assert not moved.images
    for k in range(len(steps)):  # seen from the slider nothing has changed
        for before, after in ((steps.pusher, moved.pusher), (steps.action, moved.action)):
            np.testing.assert_allclose(
                seen_from(moved.slider[k], after[k, :2]), seen_from(steps.slider[k], before[k, :2])
            )


def test_what_waits_goes_on_at_rest_and_is_otherwise_the_same(steps):
    longer, count = waiting(steps, 1.6), len(steps)
    assert len(longer) == count + 16
    for name in ("pusher", "slider", "action"):
        assert (getattr(longer, name)[:count] == getattr(steps, name)).all()
    assert (longer.pusher[count:] == steps.pusher[-1]).all()
    assert (longer.slider[count:] == steps.slider[-1]).all()
    assert (longer.action[count:] == steps.pusher[-1, :2]).all()  # it is told to stay


def test_moments_of_rest_are_at_the_goal_outside_the_t(steps):
    far = replace(steps, pusher=np.tile([60.0, 60.0, 0.0], (13, 1)), slider=np.ones((13, 3)),
                  action=np.ones((13, 2)), images={})  # fmt: skip
    moments = list(resting(far, 3))
    assert len(moments) == 3  # of steps 0, 6 and 12
    goal = Polygon(PlanarPose.from_array(GOAL).transform(PUSHT_OUTLINE))
    for moment in moments:
        for row in (moment.pusher, moment.slider, moment.action):
            assert (row == row[0]).all()
        assert (moment.action[0] == moment.pusher[0, :2]).all()
        seen = Polygon(PlanarPose.from_array(moment.slider[0]).transform(PUSHT_OUTLINE))
        assert goal.intersection(seen).area > 0.97 * goal.area
    inside = replace(far, pusher=np.tile([256.0, 256.0, 0.0], (13, 1)))
    assert not list(resting(inside, 3))


def seen_from(pose: np.ndarray, point: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    return np.array([[cos, sin], [-sin, cos]]) @ (point - pose[:2])


def test_twice_in_the_mirror_is_as_it_was(steps):
    again = mirrored(mirrored(steps))
    for name in ("pusher", "slider", "action"):
        np.testing.assert_allclose(getattr(again, name), getattr(steps, name), atol=1e-9)
    np.testing.assert_array_equal(again.images[CAMERA], steps.images[CAMERA])


def published(path, factors=(1.0, 1.0, 1.0), ends=(12, 30)):
    """A set as its users have it; the factors are of places, angles and brightness."""
    count, rng = max(ends, default=0), np.random.default_rng(1)
    place, turn, light = factors
    places, angles = rng.uniform(60, 450, (count, 4)), rng.uniform(0, 6.2, count)
    state = np.column_stack([places * place, angles * turn])
    arrays = {
        "data/state": state.astype(np.float32),
        "data/action": (rng.uniform(60, 450, (count, 2)) * place).astype(np.float32),
        "data/img": (rng.uniform(0, 255, (count, 8, 8, 3)) * light).astype(np.float32),
        "meta/episode_ends": np.array(ends, np.int64),
    }
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    for name, values in arrays.items():
        group.create_array(name, shape=values.shape, dtype=values.dtype)[:] = values
    return path


def test_a_codec_that_is_not_here_is_told(tmp_path):
    path = published(tmp_path / "set.zarr")
    described = path / "data" / "img" / ".zarray"
    text = json.loads(described.read_text())
    described.write_text(json.dumps({**text, "compressor": {"id": "imagecodecs_jpegxl"}}))
    for opened in (PushTSet, lambda there: open_data_set(there, (128, 128))):
        with pytest.raises(EpisodeError, match=r"codec that is not read .*imagecodecs_jpegxl"):
            opened(path)


@pytest.mark.parametrize("damage", [{"shape": [30]}, {"dtype": "<M8[s]"}, {"shape": []}])
def test_arrays_of_another_kind_are_told(tmp_path, damage):
    path = published(tmp_path / "set.zarr")
    described = path / "data" / "state" / ".zarray"
    text = json.loads(described.read_text()) | damage
    described.write_text(json.dumps({**text, "chunks": text["chunks"][: len(text["shape"])]}))
    with pytest.raises(EpisodeError):
        list(PushTSet(path))


def test_a_set_and_a_zip_of_it_are_the_same(tmp_path):
    path = published(tmp_path / "set.zarr")
    whole = list(PushTSet(path))
    assert [len(one.steps) for one in whole] == [12, 18]
    for folder in (path, tmp_path):  # with the group at its top, or in a folder
        inside = "." if folder == path else path.name
        shutil.make_archive(str(tmp_path / "packed"), "zip", folder, inside)
        zipped = list(PushTSet(tmp_path / "packed.zip"))
        np.testing.assert_array_equal(zipped[1].steps.slider, whole[1].steps.slider)
    with pytest.raises(EpisodeError, match="it is a Push-T set, which `pushcell import"):
        open_data_set(tmp_path / "packed.zip", (128, 128))
    (tmp_path / "torn.zip").write_bytes((tmp_path / "packed.zip").read_bytes()[:900])
    with pytest.raises(EpisodeError, match=r"torn.zip is not a zarr group"):
        PushTSet(tmp_path / "torn.zip")


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ((1.0, 1.0, 1 / 255), "data/img: values of .* to 1 are not of 0 to 255"),
        ((1.0, 1.0, 3.0), "data/img: values of .* are not of 0 to 255"),
        ((1 / 512, 1.0, 1.0), "data/state and data/action: values of .* are not of a 512 px board"),
        ((4.0, 1.0, 1.0), "data/state and data/action: values of .* are not of a 512 px board"),
        ((1.0, 57.3, 1.0), "the angles in data/state: values of .* are not in radians"),
    ],
)
def test_other_units_are_refused_with_their_range(tmp_path, factors, message):
    with pytest.raises(EpisodeError, match=message):
        list(PushTSet(published(tmp_path / "set.zarr", factors)))


def test_an_import_of_nothing_is_no_success(tmp_path, capsys):
    path = published(tmp_path / "set.zarr", ends=())
    out = tmp_path / "set.parquet"
    assert cli.main(["import", "pusht", str(path), "--out", str(out)]) == 1
    assert "nothing was imported" in capsys.readouterr().out
    assert not out.exists()
