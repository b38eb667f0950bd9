"""Data sets are read once, and again when they are not what they were."""

from __future__ import annotations

import numpy as np
import zarr

from pushcell.formats.packed_format import PackedSet
from pushcell.formats.zarr_format import write_zarr
from pushcell.training.array_data_set import load_data_set
from pushcell.training.config import DataSetConfig
from tests.training import examples


def test_a_value_that_was_edited_in_place_is_read(tmp_path):
    path, cache = tmp_path / "walks.zarr", tmp_path / "cache"
    write_zarr(PackedSet(examples.packed(tmp_path / "walks.parquet")), path)
    config = DataSetConfig(name="walks", path=path)
    before = load_data_set(config, 10.0, cache, None)
    load_data_set(config, 10.0, cache, None)
    assert len(list(cache.iterdir())) == 1, "it was read once"
    zarr.open(str(path))["data/action"][3] += 0.125
    after = load_data_set(config, 10.0, cache, None)
    np.testing.assert_allclose(after.action[3], before.action[3] + 0.125, atol=1e-6)
