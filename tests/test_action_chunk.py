import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.action_chunk import ActionChunk

positions = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=16)


@given(positions)
def test_the_chunk_passes_through_its_actions_and_rests_at_the_end(actions):
    chunk = ActionChunk.at_rate(0.0, 0.1, 10.0, actions)
    for time_s, action in zip(chunk.times_s, chunk.positions, strict=True):
        assert np.allclose(chunk.sample(time_s)[0], action)
    assert np.allclose(chunk.sample(chunk.end_s + 1)[0], actions[-1])
    assert np.allclose(chunk.sample(chunk.end_s)[1], 0)


@given(positions, st.floats(0.11, 1.0))
def test_velocity_is_the_slope_of_position(actions, time_s):
    chunk = ActionChunk.at_rate(0.0, 0.1, 10.0, actions)
    h = 1e-6
    near_action = np.abs(chunk.times_s - time_s).min() < 2 * h
    slope = (chunk.sample(time_s + h)[0] - chunk.sample(time_s - h)[0]) / (2 * h)
    if not near_action and time_s < chunk.end_s:
        assert np.allclose(slope, chunk.sample(time_s)[1], atol=1e-3)


def test_a_way_to_the_first_action_begins_where_the_pusher_is():
    chunk = ActionChunk.at_rate(0.0, 1.0, 10.0, [[1, 0], [1, 1]])
    begun = chunk.starting_from(0.5, np.array([0.0, 0.0]))
    assert np.allclose(begun.sample(0.5)[0], [0, 0])
    assert np.allclose(begun.sample(1.0)[0], [1, 0])
    assert chunk.starting_from(1.05, np.array([0.0, 0.0])) is chunk


@pytest.mark.parametrize(
    ("times", "places", "problem"),
    [
        ([0.0, 0.1], [[0, 0]], "shapes"),
        ([], np.zeros((0, 2)), "at least one"),
        ([0.0, 0.0], [[0, 0], [1, 1]], "increase"),
        ([0.0, 0.1], [[0, 0], [float("nan"), 1]], "finite"),
        ([0.0, float("inf")], [[0, 0], [1, 1]], "finite"),
    ],
)
def test_malformed_chunks_are_refused(times, places, problem):
    with pytest.raises(ValueError, match=problem):
        ActionChunk(0.0, np.array(times, dtype=float), np.array(places, dtype=float))
