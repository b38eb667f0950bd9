"""``pushcell label``: poses without true poses, and what cannot be labelled."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.labelling.accuracy import LabelErrors
from pushcell.labelling.appearance import SliderAppearance
from pushcell.labelling.recorded_views import RecordedViews, read_views
from pushcell.labelling.session import Labeller
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import read_labelled_steps, read_steps
from pushcell.recording.slider_labels import LABELS_FILE, SliderLabels
from pushcell.recording.streams import IMAGE_TOPIC, PUSHER_TOPIC
from tests.labelling.conftest import HEIGHT_M
from tests.labelling.examples import copy_without, rewrite_info

OVERHEAD, WRIST = IMAGE_TOPIC.format("overhead"), IMAGE_TOPIC.format("wrist")


def last_moments(views: RecordedViews, count: int) -> RecordedViews:
    """The last so many moments of an episode: following takes its time."""
    return dataclasses.replace(
        views,
        stamps_ns=views.stamps_ns[-count:],
        pusher=views.pusher[-count:],
        tip_poses=views.tip_poses[-count:],
        cameras=tuple(
            dataclasses.replace(c, images=c.images[-count:], projections=c.projections[-count:])
            for c in views.cameras
        ),
    )


def with_pictures(views: RecordedViews, change) -> RecordedViews:
    """The fixed camera's pictures changed."""
    fixed = dataclasses.replace(views.cameras[0], images=change(views.cameras[0].images))
    return dataclasses.replace(views, cameras=(fixed, *views.cameras[1:]))


def test_labels_without_true_poses_are_near_the_truth(simulated, recorded, tmp_path, capsys):
    folder = tmp_path / "episodes"
    shutil.copytree(recorded, folder)
    out, videos = tmp_path / "figures.json", tmp_path / "videos"
    words = ["--json", str(out), "--video", str(videos), "--appearance", str(tmp_path / "a.npz")]
    assert cli.main(["label", str(folder), *words]) == 0
    assert set(SliderAppearance.load(tmp_path / "a.npz").colours) == {"overhead", "wrist"}
    figures = json.loads(out.read_text())
    assert figures["episodes"] == 2
    assert figures["labels"] > 0.6 * figures["pictures"]
    assert len(list(videos.glob("*.mp4"))) == 2
    for episode in folder.glob("episode_*"):
        shutil.copy(episode / LABELS_FILE, simulated / episode.name)
    errors = LabelErrors.of(sorted(simulated.glob("episode_*"))).figures()
    limits = {"place_mm_p50": 2, "place_mm_p95": 6, "angle_deg_p50": 0.7, "angle_deg_p95": 3}
    assert {name: errors[name] for name in limits if errors[name] > limits[name]} == {}
    assert errors["place_within_2_sigma"] > 0.8
    with pytest.raises(EpisodeError, match="true_pose: it was not recorded"):
        read_steps(folder / "episode_000000")
    labels = SliderLabels.load(folder / "episode_000000")
    steps = read_labelled_steps(folder / "episode_000000", labels)
    assert len(steps) == len(labels)
    assert np.array_equal(steps.slider, labels.poses)
    true = read_steps(simulated / "episode_000000")
    rows = np.round((labels.stamps_ns - labels.stamps_ns[0]) * 1e-8).astype(int)
    rows += len(true) - 1 - rows[-1]
    for camera, images in steps.images.items():
        assert np.array_equal(images, true.images[camera][rows])
    assert np.linalg.norm(true.slider[rows, :2] - steps.slider[:, :2], axis=1).max() < 0.03


def test_jpeg_pictures_are_labelled(cell, recorded, labeller, tmp_path):
    lossless = read_views(recorded / "episode_000000", cell)
    copy = copy_without(recorded / "episode_000000", tmp_path / "jpeg", jpeg_quality=90)
    squeezed = read_views(copy, cell)
    assert not np.array_equal(lossless.cameras[0].images, squeezed.cameras[0].images)
    tracks = [labeller.track(last_moments(one, 12)) for one in (lossless, squeezed)]
    offset = tracks[0].poses - tracks[1].poses
    assert np.abs(offset[:, :2]).max() < 2e-3
    assert np.abs(offset[:, 2]).max() < 0.02
    assert not any(tracks[1].reasons)


def test_what_a_recording_lacks_is_named(cell, recorded, tmp_path):
    episode = recorded / "episode_000000"
    alone = copy_without(episode, tmp_path / "alone", (WRIST,))
    with pytest.raises(EpisodeError, match="alone has pictures of overhead alone"):
        read_views(alone, cell)
    still = copy_without(episode, tmp_path / "still", (PUSHER_TOPIC,))
    with pytest.raises(EpisodeError, match="no messages of /pusher/pose"):
        read_views(still, cell)
    bare = copy_without(episode, tmp_path / "bare")
    rewrite_info(bare, cameras=())
    with pytest.raises(EpisodeError, match="does not say where camera 'overhead' was"):
        read_views(bare, cell)
    rewrite_info(bare, cameras=EpisodeInfo.load(episode).cameras, calibration_sha256="0" * 64)
    with pytest.raises(EpisodeError, match="recorded with another calibration"):
        read_views(bare, cell)
    other = cell.changed(task=cell.task.changed(slider="hexagon"))
    with pytest.raises(EpisodeError, match="is of slider 't', the cell has 'hexagon'"):
        read_views(episode, other)


def test_a_camera_that_moved_is_named(views, labeller):
    moved = with_pictures(last_moments(views, 3), lambda images: np.roll(images, 9, axis=2))
    with pytest.raises(EpisodeError, match=r"episode_000000: .*camera"):
        labeller.track(moved)


def test_pictures_without_the_slider_have_no_label(views, labeller):
    end = last_moments(views, 3)
    empty = with_pictures(end, lambda images: np.full_like(images, 178))
    with pytest.raises(EpisodeError, match="no slider 't' is seen at the goal"):
        labeller.track(empty)


def test_another_slider_is_refused(cell: CellConfig, recorded: Path, views: RecordedViews):
    """The pictures show a T; the episodes and the cell say that it is another one."""
    other = cell.changed(task=cell.task.changed(slider="hexagon"))
    labeller = Labeller(other, HEIGHT_M)
    as_other = dataclasses.replace(views, info=views.info.model_copy(update={"task": other.task}))
    with pytest.raises(EpisodeError, match="is another slider"):
        labeller.learn_from([as_other])


def test_a_slider_hidden_for_a_while_is_left_out_and_not_invented(views, labeller):
    end = last_moments(views, 14)

    def cover(images):
        covered = images.copy()
        covered[:6] = 178
        return covered

    hidden = with_pictures(end, cover)
    hidden = dataclasses.replace(hidden, cameras=hidden.cameras[:1])
    track = labeller.track(hidden)
    assert not any(track.reasons[8:])
    labels = track.labels(hidden)
    assert len(labels) == track.reasons.count("")
    assert sum(labels.left_out.values()) >= 5


def test_failures_are_left_out(recorded, tmp_path, capsys):
    failed = copy_without(recorded / "episode_000000", tmp_path / "set" / "episode_000000")
    rewrite_info(failed, verdict="failure")
    assert cli.main(["label", str(tmp_path / "set")]) == 2
    assert "contains no successful episode" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ('{"camera": "overhead"}', "cannot be read"),
        (
            '{"camera": "overhead", "pictures": 2, "left_out": {}, "stamps_ns": [2, 1],'
            ' "poses_m_rad": [[0, 0, 0], [0, 0, 0]], "deviations_m_rad": [[1, 1, 1], [1, 1, 1]]}',
            "does not hold a pose for each stamp",
        ),
    ],
)
def test_labels_that_are_damaged_are_refused(tmp_path, content, message):
    (tmp_path / LABELS_FILE).write_text(content)
    with pytest.raises(EpisodeError, match=message):
        SliderLabels.load(tmp_path)
