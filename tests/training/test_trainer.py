"""What a training is made of: the schedule, the moving average, the ways to end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning_fabric.plugins.precision.amp import _optimizer_handles_unscaling
from torch import nn

from pushcell.errors import TrainingError
from pushcell.training.checkpoint import Checkpoint
from pushcell.training.config import OptimiserConfig
from pushcell.training.interruption import explained_memory
from pushcell.training.trainer import LAST, _average_of, learning_rate, optimiser_of, train
from tests.training import examples


def test_the_learning_rate_rises_and_falls_along_a_cosine():
    config = OptimiserConfig(steps=1000, batch_size=1, learning_rate=2.0, warmup_steps=100)
    rates = np.array([learning_rate(config, step) for step in range(1000)])
    np.testing.assert_allclose(rates[:100], 2.0 * np.arange(1, 101) / 100)
    np.testing.assert_allclose(rates[100:], 1 + np.cos(np.pi * np.arange(900) / 900))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_gradients_that_are_scaled_can_be_clipped(precision):
    config = OptimiserConfig(steps=1, batch_size=1, betas=(0.8, 0.9), weight_decay=0.3)
    optimiser = optimiser_of(nn.Linear(1, 1), config, precision)
    assert precision != "16-mixed" or not _optimizer_handles_unscaling(optimiser)
    (group,) = optimiser.param_groups
    assert (group["betas"], group["weight_decay"]) == ((0.8, 0.9), 0.3)


def test_a_training_starts_from_the_average_of_another(tmp_path):
    examples.packed(tmp_path / "walks.parquet")
    examples.packed(tmp_path / "others.parquet", seed=5)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    train(examples.config(tmp_path, training={"steps": 4}), first, None, lambda *_: None)
    sets = [{"name": "walks", "path": str(tmp_path / "others.parquet")}]
    still = {"steps": 1, "learning_rate": 1e-12, "start_from": str(first / LAST)}
    config = examples.config(tmp_path, training=still, data={"sets": sets})
    train(config, second, None, lambda *_: None)
    given, taken = (Checkpoint.load(folder / LAST) for folder in (first, second))
    for name, weights in given.average.items():  # the ranges are among them
        torch.testing.assert_close(taken.policy[name], weights)
    assert any((given.policy[name] != weights).any() for name, weights in given.average.items())
    larger = config.changed(
        policy={**config.policy.model_dump(), "network": {"kind": "mlp", "width": 32}}
    )
    with pytest.raises(TrainingError, match="belong to networks of another version"):
        train(larger, tmp_path, None, lambda *_: None)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_average_forgets_at_its_decay_and_the_first_weights_faster(decay):
    torch.manual_seed(0)
    weights = nn.Linear(3, 2)
    average = _average_of(weights, decay)
    expected: torch.Tensor | None = None
    for step in range(40):
        nn.init.normal_(weights.weight)
        average.update_parameters(weights)
        kept = min(decay, (1 + step) / (10 + step))
        new = weights.weight.detach().clone()
        expected = new if expected is None else kept * expected + (1 - kept) * new
        torch.testing.assert_close(average.module.weight.detach(), expected)


def test_what_is_no_weight_is_not_averaged():
    """Ranges, and the statistics of a batch norm, are those of the trained policy."""
    part = nn.BatchNorm1d(2)
    average = _average_of(part, 0.99)
    for _ in range(3):
        part(torch.randn(8, 2))
        average.update_parameters(part)
    torch.testing.assert_close(average.module.running_mean, part.running_mean)


@pytest.mark.parametrize("allocate", [np.empty, torch.empty])
def test_want_of_memory_says_what_to_do(allocate):
    on_progress = r"out of memory \(.*smaller training.batch_size than 64"
    with pytest.raises(TrainingError, match=on_progress), explained_memory(64):
        allocate(10**16)


def test_other_errors_are_not_taken_for_it():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), explained_memory(64):
        torch.ones(2, 3) @ torch.ones(2, 3)
