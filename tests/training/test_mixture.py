"""Batches hold each data set's share, exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.errors import ConfigError
from pushcell.training.data_module import DataModule
from pushcell.training.mixture import Mixture
from tests.training import examples

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=5).filter(lambda parts: sum(parts) > 0.1)


@given(SHARES, st.integers(1, 64), st.integers(0, 3))
def test_counts_follow_the_shares(parts, batch_size, seed):
    shares = np.array(parts) / sum(parts)
    sizes = tuple(range(7, 7 + len(parts)))
    mixture = Mixture(sizes, shares, batch_size, seed)
    counts = np.zeros(len(parts), dtype=int)
    for number in range(50):
        batch = mixture.batch(number)
        assert sum(map(len, batch)) == batch_size
        counts += [len(items) for items in batch]
        exact = shares * batch_size * (number + 1)
        assert np.abs(counts - exact).max() <= len(parts) / 2 + 1e-6


def test_each_item_comes_once_before_any_comes_again():
    mixture = Mixture((10, 33), np.array([0.25, 0.75]), 16, seed=5)
    seen: list[list[int]] = [[], []]
    for number in range(40):
        for which, items in enumerate(mixture.batch(number)):
            seen[which].extend(items.tolist())
    for size, items in zip(mixture.sizes, seen, strict=True):
        rounds = [items[k : k + size] for k in range(0, len(items) - size + 1, size)]
        assert len(rounds) > 2
        assert all(sorted(items) == list(range(size)) for items in rounds)
        assert rounds[0] != rounds[1]


def test_a_batch_depends_on_its_number_alone():
    one, other = (Mixture((50, 20), np.array([0.5, 0.5]), 8, seed=1) for _ in range(2))
    list(map(one.batch, range(30)))
    for mine, its in zip(one.batch(30), other.batch(30), strict=True):
        assert np.array_equal(mine, its)


@pytest.fixture
def two_sets(tmp_path):
    examples.packed(tmp_path / "walks.parquet", episodes=4)
    examples.packed(tmp_path / "others.parquet", episodes=12, seed=1)
    return tmp_path


def _data_module(folder, mixture, **weights):
    sets = [
        {"name": name, "path": str(folder / f"{name}.parquet"), "weight": weights.get(name)}
        for name in ("walks", "others")
    ]
    data = {"sets": sets, "mixture": mixture, "validation": 0.0}
    data = {**examples.config_values(folder)["data"], **data}
    return DataModule.of(examples.config(folder, data=data))


@pytest.mark.parametrize(
    ("mixture", "weights", "share"),
    [
        ({"kind": "fixed", "target": "walks", "alpha": 0.75}, {}, 0.75),
        ({"kind": "fixed", "target": "others", "alpha": 1.0}, {}, 0.0),
        ({"kind": "natural"}, {}, 0.25),
        ({"kind": "weights"}, {"walks": 3.0, "others": 1.0}, 0.75),
    ],
)
def test_kinds_of_mixture(two_sets, mixture, weights, share):
    data_module = _data_module(two_sets, mixture, **weights)
    counts = sum(
        np.array([len(items) for items in data_module.mixture.batch(number)])
        for number in range(100)
    )
    assert counts.tolist() == [1600 * share, 1600 * (1 - share)]
    assert len(data_module.batch(3).chunk) == 16


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_an_alpha_that_is_none(tmp_path, alpha):
    mixture = {"kind": "fixed", "target": "walks", "alpha": alpha}
    data = {**examples.config_values(tmp_path)["data"], "mixture": mixture}
    with pytest.raises(ConfigError, match=r"data\.mixture\.alpha"):
        examples.config(tmp_path, data=data)


def test_processes_share_a_batch(two_sets):
    data_module = _data_module(two_sets, {"kind": "natural"})
    whole = data_module.batch(7)
    parts = [data_module.batch(7, rank, 2) for rank in range(2)]
    rows = np.concatenate([part.chunk.numpy() for part in parts])
    assert sorted(map(tuple, rows.reshape(16, -1).tolist())) == sorted(
        map(tuple, whole.chunk.numpy().reshape(16, -1).tolist())
    )
