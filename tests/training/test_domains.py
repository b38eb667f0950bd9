"""Two worlds in one training: labels, what hides them, times the source may teach, guidance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from policy_server.bundle_files import read_manifest
from pushcell.cli import main as cli
from pushcell.errors import ConfigError
from pushcell.training.build_policy import make_policy
from pushcell.training.config import TrainConfig, train_config_of
from pushcell.training.config_domains import DomainsConfig
from pushcell.training.data_module import DataModule
from pushcell.training.domains import DomainLoss, mean_discrepancy, with_dropped_labels
from pushcell.training.objectives import make_objective
from tests.training import examples


def trained_on_two(folder, domains, **sections) -> TrainConfig:
    """A small training on walks of two worlds, half of each batch from either."""
    for seed, name in enumerate(("source", "target")):
        if not (folder / f"{name}.parquet").exists():
            examples.packed(folder / f"{name}.parquet", 6, seed)
    values = examples.config_values(folder, **sections)
    values["data"] |= {
        "sets": [{"name": n, "path": str(folder / f"{n}.parquet")} for n in ("source", "target")],
        "mixture": {"kind": "fixed", "target": "target", "alpha": 0.5},
        "normaliser": "source",
    }
    return train_config_of({**values, "domains": domains}, "test")


def policy_and_batch(folder, domains, **sections):
    """A policy before its training, and a batch."""
    config = trained_on_two(folder, domains, **sections)
    data_module = DataModule.of(config)
    torch.manual_seed(0)
    policy = make_policy(config)
    policy.fit(data_module.normaliser_windows(), "source")
    return policy, data_module.batch(0)


def test_batches_tell_each_sample_s_domain(tmp_path):
    _, batch = policy_and_batch(tmp_path, {"target": "target", "label": True})
    domain = batch.observation["domain"]
    assert domain.shape == (16, 2)
    assert torch.equal(domain.sum(0), torch.tensor([8.0, 8.0]))
    assert torch.equal(domain.sum(1), torch.ones(16))


def test_who_tells_no_domain_is_in_the_target(tmp_path):
    policy, batch = policy_and_batch(tmp_path, {"target": "target", "label": True})
    observation = dict(batch.observation)
    domain = observation.pop("domain")
    assumed, told = policy.encoder(observation), policy.encoder(batch.observation)
    same = (assumed == told).all(1)
    assert torch.equal(same, domain[:, 0] == 1)


def test_labels_are_dropped_as_often_as_asked():
    label = torch.tensor([[1.0, 0.0]]).expand(20_000, -1)
    kept = with_dropped_labels(label, 0.3).sum(1)
    assert set(kept.tolist()) == {0.0, 1.0}
    assert float(kept.mean()) == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize("kind", ["diffusion", "flow"])
def test_source_samples_teach_noisy_times_alone(kind):
    config = examples.train_config_of(
        {**examples.config_values(Path()), "policy": {
            "kind": kind, "train_steps": 50, "network": {"kind": "mlp", "width": 8}}}, "test",
    )  # fmt: skip
    least = torch.zeros(20_000)
    least[10_000:] = 0.6
    timestep = make_objective(config.policy).timesteps(20_000, least)
    first, last = (0, 49) if kind == "diffusion" else (1, 50)
    assert timestep[:10_000].unique().tolist() == list(range(first, last + 1))
    assert timestep[10_000:].unique().tolist() == list(range(first + 30, last + 1))


def test_discrepancy_of_like_and_of_unlike_samples():
    a, b = torch.randn(200, 8), torch.randn(200, 8)
    like, near, far = (float(mean_discrepancy(a, b + shift)) for shift in (0.0, 0.5, 2.0))
    assert like < 0.02 < near < far
    assert float(mean_discrepancy(a, a)) == pytest.approx(0, abs=1e-6)
    assert float(mean_discrepancy(a, b[:0])) == 0


@pytest.mark.parametrize("loss", [{"adversarial": 1.0}, {"mmd": 1.0}])
def test_what_hides_the_domain_brings_embeddings_together(loss):
    torch.manual_seed(0)
    hides = DomainLoss(DomainsConfig(target="t", **loss), 4)
    encoder = torch.nn.Linear(5, 4)
    optimiser = torch.optim.Adam([*encoder.parameters(), *hides.parameters()], 3e-3)
    is_target = (torch.arange(256) % 2).float()

    def embeddings() -> torch.Tensor:
        values = torch.randn(256, 5)
        values[:, 0] = 3 * is_target  # what gives the domain away
        return encoder(values)

    def distance() -> float:
        seen = embeddings().detach()
        return float((seen[is_target == 1].mean(0) - seen[is_target == 0].mean(0)).norm())

    before = distance()
    for _ in range(600):
        optimiser.zero_grad()
        hides(embeddings(), is_target).backward()
        optimiser.step()
    assert distance() < 0.5 * before


def test_guidance_goes_beyond_what_the_label_changes(tmp_path):
    policy, batch = policy_and_batch(
        tmp_path, {"target": "target", "label": True, "drop_label": 0.2}
    )
    policy.eval()
    observation, sample = batch.observation, torch.randn(batch.chunk.shape)
    timestep = torch.full((len(sample),), 7)
    untold = {**observation, "domain": torch.zeros(16, 2)}
    with_label, without = (
        policy.denoise(sample, timestep, policy.encoder(seen)) for seen in (observation, untold)
    )
    policy.guide(1.5)
    beyond = policy.denoise(sample, timestep, policy.encoder(observation))
    torch.testing.assert_close(beyond, with_label + 1.5 * (with_label - without))


def test_a_bundle_with_guidance_is_exported_and_differs(tmp_path, capsys):
    config = trained_on_two(tmp_path, {"target": "target", "label": True, "drop_label": 0.2})
    (tmp_path / "train.yaml").write_text(config.model_dump_json())
    assert cli.main(["train", str(tmp_path / "train.yaml"), "--out", str(tmp_path / "run")]) == 0
    checkpoint, chunks = str(tmp_path / "run" / "last.pt"), []
    for weight in (0.0, 2.0):
        out = tmp_path / f"bundle_{weight}"
        words = ["export", checkpoint, "--out", str(out), "--guidance", str(weight)]
        assert cli.main(words) == 0
        assert read_manifest(out).guidance == weight
        chunks.append(np.load(out / "parity.npz")["chunk"])
    assert not np.allclose(*chunks)
    assert cli.main(["export", checkpoint, "--out", str(tmp_path / "x"), "--guidance", "-1"]) == 2
    assert "must be from 0 to" in capsys.readouterr().err


def test_guidance_needs_labels_that_were_dropped_at_times(tmp_path, capsys):
    config = trained_on_two(tmp_path, {"target": "target", "label": True})
    (tmp_path / "train.yaml").write_text(config.model_dump_json())
    assert cli.main(["train", str(tmp_path / "train.yaml"), "--out", str(tmp_path / "run")]) == 0
    words = ["export", str(tmp_path / "run" / "last.pt"), "--out", str(tmp_path / "bundle")]
    assert cli.main([*words, "--guidance", "1"]) == 2
    assert "trained with domains.label" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("domains", "problem"),
    [
        ({"target": "real"}, "must be one of several data sets"),
        ({"target": "target", "drop_label": 0.1}, "needs label"),
        ({"target": "target", "label": True, "mmd": 1.0}, "choose"),
        ({"target": "target", "source_from": 1.0}, "leaves nothing"),
        ({"target": "target", "adversarial": -1.0}, "adversarial"),
    ],
)
def test_domains_that_make_no_sense(tmp_path, domains, problem):
    with pytest.raises(ConfigError, match=problem):
        trained_on_two(tmp_path, domains)


def test_domains_are_for_policies_that_denoise(tmp_path):
    values = examples.config_values(tmp_path) | {"policy": {"kind": "act", "width": 32}}
    values["data"]["sets"] = [{"name": n, "path": n} for n in ("walks", "target")]
    with pytest.raises(ConfigError, match="diffusion and flow"):
        train_config_of({**values, "domains": {"target": "target"}}, "test")
