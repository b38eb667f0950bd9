"""Power laws of the action error over the number of source episodes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from pushcell.config.validation import read_schema
from pushcell.studies.picture import draw
from pushcell.studies.power_law import fitted, power_laws, target_error
from pushcell.studies.report import pooled
from pushcell.studies.schema import Study
from pushcell.training.batches import Batch
from pushcell.training.data_module import DataModule
from pushcell.training.validation import validate_each
from tests.studies.test_study import study, study_file, told
from tests.training import examples

ERROR, MIXED = "validation_action_error_target", "validation_action_error"
PICTURE = {"x": "source", "y": "action_error", "lines": "target"}


def row(source: int, error: float, seed: int = 0, **values) -> dict:
    """A cell of a study."""
    return {"target": 5, "source": source, "alpha": 0.5, "variant": "plain", "seed": seed,
            "trials": 1, "successes": 0, "success_rate": 0.0, "parameters": 5,
            "latency_p50_ms": 1.0, "task": "cell",
            "validation": {ERROR: error, MIXED: 9.0}, **values}  # fmt: skip


def planted(exponent: float, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of episodes and errors of such a law, three seeds each."""
    episodes = np.repeat([100.0, 250, 500, 2000, 4000], 3)
    noise = np.random.default_rng(seed).normal(0, spread, len(episodes))
    return episodes, 0.2 * episodes**exponent * np.exp(noise)


def test_a_law_without_noise_is_found_exactly():
    law = fitted(*planted(-0.3, 0, 0))
    assert law["exponent"] == pytest.approx(-0.3)
    assert law["factor"] == pytest.approx(0.2)
    assert law["bootstrap95"] == pytest.approx([-0.3, -0.3])


def test_the_interval_covers_a_planted_exponent_about_as_often_as_it_says():
    covered = 0
    for seed in range(60):
        law = fitted(*planted(-0.3, 0.1, seed))
        low, high = law["bootstrap95"]
        assert low <= law["exponent"] <= high
        assert abs(law["exponent"] + 0.3) < 0.08
        covered += low <= -0.3 <= high
    assert covered >= 50


def test_laws_are_of_three_numbers_of_episodes_or_more():
    rows = [row(n, 0.1 * n**-0.5, alpha=alpha) for n in (10, 20, 40) for alpha in (0.25, 0.5)]
    rows += [row(n, 0.1, target=50) for n in (10, 20)] + [row(0, 0.3, alpha="-")]
    laws = power_laws(rows)
    assert [(law["target"], law["alpha"], law["cells"]) for law in laws] == [
        (5, 0.25, 3),
        (5, 0.5, 3),
    ]
    assert all(law["exponent"] == pytest.approx(-0.5) for law in laws)
    assert power_laws([row(n, 0.1, validation={}) for n in (10, 20, 40)]) == []
    assert power_laws([{"variant": "wide", "seed": 0, "validation": {ERROR: 0.1}}]) == []


def test_only_errors_in_target_episodes_count():
    assert target_error(row(10, 0.1)) == 0.1
    assert target_error(row(10, 0.1, validation={MIXED: 9.0})) is None  # none was held out
    assert target_error(row(0, 0.1, validation={MIXED: 0.3})) == 0.3
    assert target_error(row(10, 0.1, target=0, validation={MIXED: 0.3})) is None


def test_the_means_of_seeds_and_the_law_are_drawn(tmp_path):
    rows = [row(n, 0.1 * n**-0.5, seed) for n in (10, 20, 40) for seed in (0, 1)]
    rows.append(row(0, 0.3, alpha="-", validation={MIXED: 0.3}))
    asked = read_schema(Study, study_file(tmp_path, picture=PICTURE, published=[]))
    (axes,) = draw(asked, pooled(rows), power_laws(rows)).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert "b -0.50 (-0.50 to -0.50)" in axes.get_legend().get_texts()[0].get_text()
    (line,), (points,) = axes.lines, axes.collections
    np.testing.assert_allclose(line.get_ydata(), 100 * np.array([10, 40]) ** -0.5)  # [mm]
    np.testing.assert_allclose(points.get_offsets()[:, 1], 100 * np.array([10, 20, 40]) ** -0.5)


def test_a_study_tells_its_power_laws(tmp_path, capsys):
    study_file(
        tmp_path,
        grid={"target": [5], "source": [2, 3, 5], "alpha": [0.5]},
        picture=PICTURE,
        published=[],
    )
    assert study(tmp_path, "--workers", "1") == 0
    assert "source episodes" in capsys.readouterr().out
    figures = told(tmp_path / "out")
    (law,) = figures["power_laws"]
    assert law["cells"] == 3
    for cell, point in zip(figures["cells"], figures["points"], strict=True):
        assert point["validation"] == pytest.approx(cell["validation"])
    trained = [json.loads(p.read_text()) for p in (tmp_path / "out").glob("cells/*/trained.json")]
    assert sorted(one["validation"][ERROR] for one in trained) == sorted(
        cell["validation"][ERROR] for cell in figures["cells"]
    )


class _Told(torch.nn.Module):
    """Measures the mean x of the actions."""

    def measures(self, observation, chunk) -> dict:
        return {"x": chunk[..., 0].mean()}


def test_measures_of_each_set_are_means_over_its_own_windows(tmp_path):
    for number, name in enumerate(("walks", "others")):
        examples.packed(tmp_path / f"{name}.parquet", 8, number)
    sets = [{"name": n, "path": str(tmp_path / f"{n}.parquet")} for n in ("walks", "others")]
    data_module = DataModule.of(examples.config(tmp_path, data={"sets": sets}))
    batches = list(data_module.validation_batches_of_each(5))
    found = validate_each(_Told(), batches, None, torch.device("cpu"))
    for windows in data_module.validation:
        name = windows.data_set.name
        own: list[Batch] = [batch for known, batch in batches if known == name]
        chunks = torch.cat([batch.chunk for batch in own])
        assert len(chunks) == len(windows)
        assert found[f"validation_x_{name}"] == pytest.approx(float(chunks[..., 0].mean()))
    alone = DataModule.of(examples.config(tmp_path))
    assert list(alone.validation_batches_of_each(5)) == []
