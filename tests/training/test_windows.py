"""Windows pad as the literature does, and validation is split by episode."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pushcell.training.array_data_set import ArrayDataSet
from pushcell.training.windows import Windows, split_episodes


def _table(lengths: list[int]) -> ArrayDataSet:
    count = sum(lengths)
    rows = np.arange(count, dtype=np.float32)[:, None]
    poses = np.repeat(rows, 3, 1)
    return ArrayDataSet("t", poses, poses, poses, np.repeat(rows, 2, 1), np.cumsum(lengths))


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=5),
    st.integers(1, 4),
    st.integers(1, 12),
    st.data(),
)
def test_windows_are_slices_of_padded_episodes(lengths, seen, horizon, data):
    padding = data.draw(st.integers(0, horizon - 1))
    data_set = _table(lengths)
    windows = Windows.over(data_set, np.arange(len(lengths)), horizon, padding)
    everything = np.arange(len(windows))
    found = list(
        zip(
            windows.observed(everything, seen).tolist(),
            windows.acted(everything, horizon).tolist(),
            strict=True,
        )
    )
    expected = []
    for start, end in zip(data_set.starts.tolist(), data_set.ends.tolist(), strict=True):
        rows = list(range(start, end))
        padded = [start] * (seen - 1) + rows + [end - 1] * padding
        for first in range(len(padded) - (seen - 1) - horizon + 1):
            now = first + seen - 1
            expected.append((padded[first : now + 1], padded[now : now + horizon]))
    assert found == expected


@given(st.integers(2, 300), st.floats(0.01, 0.9), st.integers(0, 5))
def test_no_episode_is_trained_on_and_validated(count, validation, seed):
    train, kept = split_episodes(count, validation, seed)
    assert sorted([*train, *kept]) == list(range(count))
    assert len(train) >= 1
    assert len(kept) >= 1
    assert abs(len(kept) - validation * count) <= 1
    again = split_episodes(count, validation, seed)
    assert np.array_equal(again[1], kept)


def test_nothing_is_kept_apart_unasked():
    train, kept = split_episodes(7, 0.0, 0)
    assert len(train) == 7
    assert len(kept) == 0
