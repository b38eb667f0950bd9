"""Training and run time make the same numbers of a camera's images, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from policy_server.bundle_sections import CameraInput, ObservationSpec
from policy_server.observation import Observer
from policy_server.policy import BundlePolicy
from pushcell.config.cell import CellConfig
from pushcell.recording.episode_steps import episode_files
from pushcell.recording.steps import Steps
from pushcell.training.array_data_set import load_data_set
from pushcell.training.augmentation import prepared
from pushcell.training.batches import BatchBuilder
from pushcell.training.config import ActionConfig, DataSetConfig, VisionConfig
from pushcell.training.windows import Windows
from tests.policy_server.examples import some_manifest
from tests.recording.examples import some_info, some_steps

STORED_PX, CROP_PX, STEPS = (32, 24), (27, 19), 2


def at_run_time(cell: CellConfig, pictures: np.ndarray) -> np.ndarray:
    """(2, 3, h, w) what a bundle's encoder is given of the last two raw images (N, H, W, 3)."""
    camera = CameraInput.of(cell.camera("overhead"), STORED_PX, CROP_PX)
    spec = ObservationSpec(steps=STEPS, keys=("pusher", "goal"), cameras=(camera,))
    geometry = spec.calibration_sha256
    manifest = some_manifest(cell, observation=spec, calibration_sha256=geometry)
    observer = Observer(spec, 10.0, goal=(0, 0, 0), max_age_s=0.15, max_skew_s=0.05)
    for k, picture in enumerate(pictures):
        observer.push_pose("pusher", k / 10, [0.5, 0, 0])
        observer.push_image("overhead", k / 10, picture)
    seen = observer.assemble((len(pictures) - 1) / 10)
    policy = BundlePolicy(manifest, networks=None)
    return policy.prepare(seen.values)["overhead_image"][0]


def in_training(folder: Path, steps: Steps, cell: CellConfig) -> np.ndarray:
    """(2, 3, h, w) what the network is given of the last two steps of an episode."""
    episode = folder / "episodes" / "episode_000000"
    episode.mkdir(parents=True)
    for name, data in episode_files(steps, some_info(steps, cell), cell).items():
        (episode / name).write_bytes(data)
    vision = VisionConfig(cameras=("overhead",), image_px=STORED_PX, crop_px=CROP_PX)
    source = DataSetConfig(name="noise", path=episode.parent)
    data_set = load_data_set(source, steps.rate_hz, folder / "cache", vision)
    windows = Windows.over(data_set, np.array([0]), horizon=1, padding=0)
    batch_builder = BatchBuilder(
        [windows], STEPS, ActionConfig(horizon=1, execute=1), vision.cameras
    )
    batch = batch_builder.gather([np.array([len(windows) - 1])])
    return prepared(batch.observation, vision, training=False)["overhead_image"][0].numpy()


def test_run_time_and_training_see_the_same_bits(tmp_path: Path, cell: CellConfig) -> None:
    """From raw images of an odd size, squeezed and cropped by odd numbers of pixels."""
    steps = some_steps(count=4, size=(45, 61))
    learned = in_training(tmp_path, steps, cell)
    used = at_run_time(cell, steps.images["overhead"])
    assert learned.shape == (STEPS, 3, CROP_PX[1], CROP_PX[0])
    np.testing.assert_array_equal(learned, used)
