"""Every policy: an observation in, a chunk out, and it learns."""

import pytest
import torch

from pushcell.errors import ConfigError, TrainingError
from pushcell.training.augmentation import prepared
from pushcell.training.build_policy import make_policy
from pushcell.training.config import OF_KEYPOINTS, ObservationConfig, VisionConfig
from pushcell.training.data_module import DataModule
from pushcell.training.pose_features import FEATURES, PoseFeatures, SliderFrame
from pushcell.training.vision import ImageNetwork
from tests.training import examples

MLP = {"kind": "mlp", "width": 32}
POLICIES = {
    "epsilon, mlp": {"kind": "diffusion", "network": MLP},
    "v, unet": {
        "kind": "diffusion",
        "prediction": "v_prediction",
        "network": {"kind": "unet", "widths": [16, 32]},
    },
    "sample, transformer": {
        "kind": "diffusion",
        "prediction": "sample",
        "network": {"kind": "transformer", "width": 32, "layers": 1},
    },
    "flow": {"kind": "flow", "network": MLP},
    "prefix": {"kind": "diffusion", "max_prefix": 4, "network": MLP},
    "act": {"kind": "act", "width": 32, "layers": 1, "dropout": 0.0},
    "nearest": {"kind": "nearest", "neighbours": 3, "most_keys": 500},
}


def _policy_and_data(folder, policy, **sections):
    examples.packed(folder / "walks.parquet")
    values = {**examples.config_values(folder, **sections), "policy": policy}
    config = examples.train_config_of(values, "test")
    data_module = DataModule.of(config)
    torch.manual_seed(0)
    policy = make_policy(config)
    policy.fit(data_module.normaliser_windows(), "walks")
    return policy, data_module


def _validation_loss(policy, batch):
    with torch.no_grad():
        torch.manual_seed(3)
        return float(policy.eval()(batch.observation, batch.chunk))


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "nearest"])
def test_each_learns(tmp_path, name):
    policy, data_module = _policy_and_data(tmp_path, POLICIES[name])
    batch = data_module.validation_batches(64)[0]
    before = _validation_loss(policy, batch)
    optimiser = torch.optim.AdamW(policy.parameters(), lr=3e-3)
    policy.train()
    for number in range(60):
        train = data_module.batch(number)
        loss = policy(train.observation, train.chunk)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert _validation_loss(policy, batch) < 0.7 * before
    with torch.no_grad():
        chunk = policy.chunk(batch.observation, torch.randn(batch.chunk.shape))
    assert chunk.shape == batch.chunk.shape


def test_the_nearest_neighbour_of_a_window_is_itself(tmp_path):
    policy, data_module = _policy_and_data(tmp_path, {**POLICIES["nearest"], "neighbours": 1})
    batch = data_module.batch(0)
    policy.train()(batch.observation, batch.chunk)
    chunk = policy.eval().chunk(batch.observation, torch.zeros(batch.chunk.shape))
    assert torch.equal(chunk, policy.normalised(batch.chunk))


def test_few_windows_are_all_neighbours(tmp_path):
    policy, data_module = _policy_and_data(tmp_path, {**POLICIES["nearest"], "neighbours": 400})
    batch = data_module.batch(0)
    policy.train()(batch.observation, batch.chunk)
    chunk = policy.eval().chunk(batch.observation, torch.zeros(batch.chunk.shape))
    assert torch.isfinite(chunk).all()


def test_windows_are_kept_in_one_process(tmp_path):
    values = examples.config_values(tmp_path, device={"devices": 2})
    with pytest.raises(ConfigError, match="nearest keeps windows in one process"):
        examples.train_config_of({**values, "policy": POLICIES["nearest"]}, "test")


def test_what_learns_nothing_cannot_learn_to_see(tmp_path):
    vision = {"cameras": ["overhead"], "image_px": [16, 16], "crop_px": [16, 16], "width": 8}
    values = examples.config_values(tmp_path, observation={"vision": vision})
    with pytest.raises(ConfigError, match="take observation"):
        examples.train_config_of({**values, "policy": POLICIES["nearest"]}, "test")


def test_a_prefix_is_held_and_counts(tmp_path):
    policy, data_module = _policy_and_data(tmp_path, POLICIES["prefix"])
    policy.eval()
    batch = data_module.batch(0)
    embedding = policy.encoder(batch.observation)
    noise, committed = torch.randn(batch.chunk.shape), torch.rand(len(batch.chunk), 3, 2)
    free, held = policy.decode(embedding, noise), policy.decode(embedding, noise, committed)
    assert torch.equal(held[:, :3], committed)
    assert not torch.allclose(held[:, 3:], free[:, 3:])


def test_clean_actions_do_not_count_in_the_loss(tmp_path, monkeypatch):
    policy, data_module = _policy_and_data(tmp_path, POLICIES["prefix"])
    seen = {}

    def denoise(sample, timestep, embedding, prefix=None):
        seen.update(sample=sample, prefix=prefix)
        return torch.where(policy._given(prefix), 1e6, 0.0).expand_as(sample)

    monkeypatch.setattr(policy, "denoise", denoise)
    batch = data_module.batch(0)
    assert float(policy(batch.observation, batch.chunk).detach()) < 10
    clean = policy.normalised(batch.chunk)
    for row, count in enumerate(seen["prefix"].tolist()):
        assert torch.equal(seen["sample"][row, :count], clean[row, :count])
        assert not torch.equal(seen["sample"][row, count:], clean[row, count:])
    assert set(seen["prefix"].tolist()) <= set(range(5))
    assert len(set(seen["prefix"].tolist())) > 1


def test_features_are_the_same_wherever_the_cell_stands():
    """Those relative to something do not change when everything is moved and turned."""
    torch.manual_seed(1)
    pusher, slider, goal = torch.rand(5, 2, 3), torch.rand(5, 2, 3), torch.rand(5, 3)
    move = torch.tensor([0.3, -0.2, 0.7])

    def moved(poses):
        place = SliderFrame.of(move).to_base(poses[..., None, :2])[..., 0, :]
        return torch.cat([place, poses[..., 2:] + move[2]], -1)

    for name in ("pusher_in_slider", "pusher_in_goal", "goal_in_slider", "slider_in_goal"):
        features = PoseFeatures(ObservationConfig(features=(name,), steps=2))
        here = features(pusher, SliderFrame.of(slider), goal)
        there = features(moved(pusher), SliderFrame.of(moved(slider)), moved(goal))
        assert torch.allclose(here, there, atol=1e-5), name


def test_keypoints_are_where_they_are():
    slider = torch.tensor([[[0.5, 0.1, torch.pi / 2]]])
    seen = ObservationConfig(features=("keypoints",), keypoints=((0.1, 0.0), (0.0, 0.2)), steps=1)
    features = PoseFeatures(seen)
    values = features(torch.zeros(1, 1, 3), SliderFrame.of(slider), torch.zeros(1, 3))
    assert torch.allclose(values, torch.tensor([[0.5, 0.2, 0.3, 0.1]]), atol=1e-6)


def test_every_feature_can_be_fitted(tmp_path):
    examples.packed(tmp_path / "walks.parquet")
    for name in FEATURES:
        needed = {
            "keypoints": examples.CORNERS if name in OF_KEYPOINTS else [],
            "pusher_radius": 0.015 if name == "pusher_at_edges" else None,
            "home": [0.5, 0.1] if name == "pusher_near_home" else None,
        }
        observation = {"features": [name], **needed}
        config = examples.config(tmp_path, observation=observation)
        policy = make_policy(config)
        windows = DataModule.of(config).normaliser_windows()
        if name == "goal":  # it never changes here
            with pytest.raises(TrainingError, match=r"feature goal\[0\] is 0.58.*'walks'"):
                policy.fit(windows, "walks")
            continue
        policy.fit(windows, "walks")
        values = policy.encoder(windows.observation)
        assert values.abs().max() <= 1 + 1e-5
        assert values.shape == (len(windows.chunk), policy.encoder.size)


def test_relative_actions_begin_where_the_pusher_is(tmp_path):
    _, data_module = _policy_and_data(tmp_path, POLICIES["flow"])
    batch = data_module.batch(0)
    absolute = batch.chunk + batch.observation["pusher"][:, -1:, :2]
    slider = batch.observation["slider"][:, -1, None, :2]
    start = (batch.observation["pusher"][:, -1, None, :2] - slider).norm(dim=-1)
    assert ((absolute - slider).norm(dim=-1) <= start + 1e-6).all()


def test_a_unet_needs_a_chunk_it_can_halve(tmp_path):
    with pytest.raises(ConfigError, match=r"action\.horizon 6 must be a multiple of 4"):
        make_policy(
            examples.config(
                tmp_path,
                action={"horizon": 6},
                policy={"network": {"kind": "unet", "widths": [8, 8, 8]}},
            )
        )


def test_any_number_of_channels_can_be_grouped():
    config = VisionConfig(cameras=("overhead",), image_px=(32, 32), crop_px=(32, 32), width=28)
    images = torch.zeros(1, 3, 32, 32)
    assert ImageNetwork(config)(images).shape == (1, config.features)


def test_crops_and_colours(tmp_path):
    images = torch.randint(0, 255, (6, 2, 3, 20, 24), dtype=torch.uint8)
    spec = {"cameras": ["overhead"], "image_px": [24, 20], "crop_px": [16, 12]}

    def shown(training, **changes):
        section = {"vision": {**spec, **changes}}
        vision = examples.config(tmp_path, observation=section).observation.vision
        return prepared({"overhead_image": images}, vision, training)["overhead_image"]

    assert torch.equal(shown(False, noise=0.1), images[..., 4:16, 4:20].float() / 255)
    places = set()
    for window, cropped in zip(images, shown(True), strict=True):
        found = [
            (top, left)
            for top in range(9)
            for left in range(9)
            if torch.equal(window[..., top : top + 12, left : left + 16].float() / 255, cropped)
        ]
        assert len(found) == 1
        places.update(found)
    assert len(places) > 1
    whole = {"crop_px": [24, 20]}
    for change in ({"colour_jitter": 0.2}, {"blur": 0.9}, {"noise": 0.1}):
        changed = shown(True, **whole, **change)
        assert float(changed.min()) >= 0
        assert float(changed.max()) <= 1
        assert not torch.equal(changed, shown(True, **whole))
    assert float(shown(True, **whole, blur=0.9).std()) < float(shown(True, **whole).std())


def test_a_pose_estimator_finds_the_slider(tmp_path):
    """Trained for a moment, it is nearer than a guess."""
    examples.packed(tmp_path / "walks.parquet", episodes=60, cameras=("overhead",))
    vision = {"cameras": ["overhead"], "image_px": [16, 16], "crop_px": [16, 16]}
    values = examples.config_values(tmp_path)
    network = {"network": "hourglass", "width": 8, "pooling": "spatial_softmax"}
    values["observation"] = {"steps": 1, "features": ["pusher"], "vision": {**vision, **network}}
    values["policy"] = {"kind": "pose", "hidden": 32, "corners": examples.CORNERS}
    config = examples.train_config_of(values, "test")
    data_module = DataModule.of(config)
    torch.manual_seed(0)
    pose_estimator = make_policy(config)
    pose_estimator.fit(data_module.normaliser_windows(), "walks")
    optimiser = torch.optim.AdamW(pose_estimator.parameters(), lr=3e-3)
    for number in range(150):
        batch = data_module.batch(number)
        loss = pose_estimator(
            prepared(batch.observation, config.observation.vision, True), batch.chunk
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    batch = data_module.validation_batches(256)[0]
    observation = prepared(batch.observation, config.observation.vision, False)
    with torch.no_grad():
        error = pose_estimator.eval().measures(observation, batch.chunk)["place_error"]
    slider = batch.observation["slider"][:, 0, :2]
    assert error < 0.4 * (slider - slider.mean(0)).norm(dim=-1).mean()
    with pytest.raises(TrainingError, match="is a pose estimator"):
        pose_estimator.chunk(observation, torch.zeros(1))
