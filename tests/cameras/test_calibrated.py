"""The calibration in use is named by its hash: in episodes, in bundles, and before a rollout."""

import pytest

from benchmarks.synthetic_cell import START_NS
from policy_server.compatibility import mismatches
from pushcell.cameras.calibrated import active_sha256
from pushcell.config.cell import load_cell
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.recorder import Recorder
from tests.calibration.calibrated_cell import write_calibrated_cell
from tests.policy_server.examples import some_manifest


@pytest.fixture
def path(tmp_path):
    return write_calibrated_cell(tmp_path)


def test_the_hash_is_of_every_file_in_use(path, cell):
    assert active_sha256(cell) is None
    hashes = {active_sha256(load_cell(path))}
    for name in ("overhead.yaml", "overhead.json"):
        file = path.parent / name
        file.write_text(file.read_text() + "\n")
        hashes.add(active_sha256(load_cell(path)))
    assert len(hashes) == 3


def test_an_episode_says_which_calibration_was_in_use(path, tmp_path):
    cell, failures = load_cell(path), []
    recorder = Recorder(cell, tmp_path / "episodes", lambda: START_NS, failures.append)
    while recorder.start():  # it looks for what a crash has left first
        pass
    (partial,) = (tmp_path / "episodes").glob("*.partial")
    info = EpisodeInfo.load(partial)
    recorder.close()
    assert info.calibration_sha256 == active_sha256(cell) is not None
    assert failures == []


def test_a_policy_of_another_calibration_is_told(path, cell):
    calibrated = load_cell(path)

    def problems(sha256, cameras=("overhead",)):
        manifest = some_manifest(cell, cameras)
        training = manifest.training.changed(calibration_sha256=sha256)
        return list(mismatches(manifest.changed(training=training), calibrated))

    assert problems(None) == problems(active_sha256(calibrated)) == []
    (problem,) = problems("0" * 64)
    assert "trained with the calibration 000000000000" in problem
    assert active_sha256(calibrated)[:12] in problem
    assert problems("0" * 64, cameras=()) == [], "who sees nothing needs no calibration"
