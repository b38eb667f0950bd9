"""The denoiser that thinks in the slider's axes, and its features."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from pushcell.cli.main import main
from pushcell.errors import ConfigError
from pushcell.task import SLIDERS
from pushcell.training.batches import Observation
from pushcell.training.build_policy import make_policy
from pushcell.training.config import TrainConfig
from pushcell.training.data_module import DataModule
from pushcell.training.fine_features import edges_seen, harmonics, nearness
from tests.training.examples import CORNERS, config, config_values, packed

OBJECT_FRAME = {
    "observation": {
        "steps": 1,
        "features": ["pusher_in_slider", "goal_in_slider", "pusher_at_edges"],
        "keypoints": CORNERS,
        "pusher_radius": 0.015,
        "trunk": {"width": 32, "blocks": 2},
    },
    "action": {"horizon": 8, "execute": 4, "space": "relative_to_pusher", "reach": 0.28},
    "policy": {
        "kind": "diffusion",
        "train_steps": 50,
        "prediction": "sample",
        "per_step_loss_weights": True,
        "network": {"kind": "object_frame", "width": 32, "blocks": 2},
    },
}


def object_frame(folder: Path) -> TrainConfig:
    packed(folder / "walks.parquet", 8)
    return config(folder, **OBJECT_FRAME)


def turned_scene(observation: Observation, angle: float, shift: tuple[float, float]) -> Observation:
    """Everything moved as one."""
    cos, sin = math.cos(angle), math.sin(angle)
    rotation = torch.tensor([[cos, -sin], [sin, cos]])

    def moved(poses: Tensor) -> Tensor:
        places = poses[..., :2] @ rotation.T + torch.tensor(shift)
        return torch.cat([places, poses[..., 2:] + angle], -1)

    return {key: moved(poses) for key, poses in observation.items()}


def test_a_scene_that_is_moved_gives_the_chunk_moved(tmp_path: Path) -> None:
    """Whatever the weights: so a contact need not be learned at every heading."""
    described = object_frame(tmp_path)
    torch.manual_seed(0)
    policy = make_policy(described)
    data_module = DataModule.of(described)
    policy.fit(data_module.normaliser_windows(), "walks")
    for weights in policy.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    observation = data_module.batch(0).observation
    noise = torch.randn(16, 8, 2)
    angle = 0.7
    rotation = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    plain = policy.denoise(noise, torch.full((16,), 7), policy.encoder(observation))
    moved = turned_scene(observation, angle, (0.1, -0.2))
    other = policy.denoise(noise @ rotation.T, torch.full((16,), 7), policy.encoder(moved))
    torch.testing.assert_close(other, plain @ rotation.T, atol=1e-4, rtol=1e-3)
    assert plain.abs().max() > 1e-3


def test_actions_count_in_their_own_spread(tmp_path: Path) -> None:
    """To predict nothing costs as much for the first action as for the last."""
    described = object_frame(tmp_path)
    policy = make_policy(described)
    batch = DataModule.of(described).normaliser_windows()
    policy.fit(batch, "walks")
    costs = (policy.normalised(batch.chunk) ** 2 * policy.weights).mean((0, 2))
    torch.testing.assert_close(costs, torch.ones(8), atol=1e-4, rtol=0)


def test_edges_are_felt_where_they_are() -> None:
    outline = torch.tensor(SLIDERS["t"].outline, dtype=torch.float32)
    start, end = outline, torch.roll(outline, -1, 0)
    normal = (end - start).flip(-1) * torch.tensor([1.0, -1.0])
    touching = (start + end) / 2 + 0.015 * normal / normal.norm(dim=-1, keepdim=True)
    along, near, side, gap = edges_seen(touching, outline, 0.015).view(8, 4, 8).unbind(1)
    own = torch.eye(8, dtype=torch.bool)
    torch.testing.assert_close(along[own], torch.full((8,), 0.5))
    torch.testing.assert_close(near[own], torch.full((8,), math.exp(-0.5)))
    torch.testing.assert_close(gap[own], torch.zeros(8), atol=1e-4, rtol=0)
    assert (side[own] < 0).all()


def test_nearness_and_harmonics() -> None:
    assert (nearness(torch.zeros(3, 2)).abs() < 1e-3).all()
    offsets = torch.linspace(0, 1, 50)[:, None] * torch.tensor([1.0, -1.0])
    seen = nearness(offsets)
    assert ((seen[1:] - seen[:-1]).sign() == torch.tensor([1.0, -1.0, 1.0] * 3)).all()
    assert (seen.abs() <= 1).all()
    angle = torch.tensor(0.3)
    found = harmonics(torch.stack([angle.cos(), angle.sin()]))
    expected = [f(k * angle) for k in range(1, 5) for f in (torch.cos, torch.sin)]
    torch.testing.assert_close(found, torch.stack(expected))


@pytest.mark.parametrize(
    ("section", "change", "word"),
    [
        ("observation", {"trunk": None}, "trunk"),
        ("action", {"reach": None}, "reach"),
        ("action", {"space": "absolute"}, "relative_to_pusher"),
        ("policy", {"prediction": "epsilon"}, "sample"),
        ("observation", {"pusher_radius": None}, "pusher_radius"),
        ("observation", {"home": [0.5, 0.1]}, "home"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, section: str, change: dict[str, object], word: str
) -> None:
    sections = {**OBJECT_FRAME, section: {**OBJECT_FRAME[section], **change}}
    with pytest.raises(ConfigError, match=word):
        config(tmp_path, **sections)


def test_it_learns(tmp_path: Path) -> None:
    described = object_frame(tmp_path)
    torch.manual_seed(0)
    policy = make_policy(described)
    data_module = DataModule.of(described)
    policy.fit(data_module.normaliser_windows(), "walks")
    optimiser = torch.optim.AdamW(policy.parameters(), 3e-3)
    losses = []
    for step in range(150):
        batch = data_module.batch(step)
        loss = policy(batch.observation, batch.chunk)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])


def test_it_becomes_a_bundle(tmp_path: Path) -> None:
    """Which is only written if ONNX Runtime makes the same chunks."""
    packed(tmp_path / "walks.parquet", 4)
    values = config_values(tmp_path, **OBJECT_FRAME, training={"steps": 2})
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    assert main(["train", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "run")]) == 0
    out = tmp_path / "bundle"
    assert main(["export", str(tmp_path / "run" / "last.pt"), "--out", str(out)]) == 0
