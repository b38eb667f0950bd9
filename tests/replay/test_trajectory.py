"""A recorded way as commands, and how well it was driven again."""

import numpy as np
import pytest

from pushcell.errors import EpisodeError
from pushcell.replay.recording import Recording
from pushcell.replay.repeatability import Repeatability
from pushcell.replay.result import Track
from pushcell.replay.trajectory import Trajectory
from tests.replay.examples import heard, write_bag


def way(shift: float = 0.0) -> Track:
    """Four seconds along a quarter of a circle of 10 cm."""
    track = Track()
    for time_s in np.arange(0.0, 4.0, 0.02):
        angle = time_s / 4 * np.pi / 2
        point = 0.1 * np.array([np.cos(angle), np.sin(angle)]) + [0.5 + shift, 0.0]
        track.add(50.0 + time_s, point)
    return track


def test_chunks_lie_on_the_way_at_its_own_time():
    trajectory = Trajectory(way()).starting_at(7.0)
    for now_s in (7.0, 8.31, 10.7):
        chunk = trajectory.chunk(now_s)
        assert chunk.capture_s == chunk.times_s[0] == now_s
        expected = way().at(np.minimum(chunk.times_s + 43.0, 53.98))
        np.testing.assert_allclose(chunk.positions, expected, atol=1e-12)
    assert trajectory.chunk(6.99) is None
    assert trajectory.chunk(11.0) is None


def test_the_beginning_is_reached_slowly_and_the_way_stays_the_same():
    tip = np.array([0.4, 0.1])
    trajectory = Trajectory(way())
    whole = trajectory.reached_from(tip)
    times = np.linspace(whole.start_s, trajectory.start_s, 300)
    speeds = np.linalg.norm(np.diff(whole.positions(times), axis=0), axis=1) / np.diff(times)
    assert speeds.max() <= 0.05 + 1e-9
    np.testing.assert_allclose(whole.positions(times[:1])[0], tip)
    later = np.linspace(trajectory.start_s, trajectory.end_s, 50)
    np.testing.assert_allclose(whole.positions(later), trajectory.positions(later), atol=1e-12)


def test_a_track_takes_neither_what_is_not_finite_nor_what_goes_back():
    track = Track()
    for time_s, x in ((1.0, 0.0), (2.0, np.nan), (1.5, 0.5), (0.5, 9.0), (3.0, 2.0)):
        track.add(time_s, np.array([x, 0.0]))
    assert track.times_s.tolist() == [1.0, 1.5, 3.0]
    assert np.isnan(track.at(np.array([0.9, 3.1]))).all()


def test_repeatability_tells_deviation_and_spread():
    found = Repeatability(Trajectory(way()))
    for shift in (0.001, 0.003):
        run = Track()
        for time_s, point in zip(way(shift).times_s, way(shift).points, strict=True):
            run.add(time_s - 50.0, point)
        found.add(run)
    figures = found.figures()
    assert [run["p50"] for run in figures["runs"]] == pytest.approx([0.001, 0.003])
    assert figures["between_runs"][0]["max"] == pytest.approx(0.002)


def test_a_way_of_no_two_points_is_refused(cell, tmp_path):
    bag = write_bag(tmp_path / "it.mcap", heard(cell, 0.03))
    with Recording(bag, cell) as recording:
        trajectory = Trajectory.of(recording)
        assert trajectory.end_s - trajectory.start_s == pytest.approx(0.02)
    bag = write_bag(tmp_path / "it.mcap", heard(cell, 0.01))
    with (
        Recording(bag, cell) as recording,
        pytest.raises(EpisodeError, match="the pusher's way has no two points"),
    ):
        Trajectory.of(recording)
