"""``pushcell analyse``: probes that read what is there, nearest chunks, and a whole report."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from pushcell.analysis.analysed_sets import analysed_sets
from pushcell.analysis.domain_probes import PROBES, DomainReading, Labelled, read_domain
from pushcell.analysis.features import FeatureReader
from pushcell.analysis.nearest_chunks import nearest_chunks
from pushcell.analysis.projections import pca
from pushcell.cli import main as cli
from pushcell.evaluation.statistics import wilson_interval
from pushcell.training.checkpoint import Checkpoint
from tests.training import examples
from tests.training.test_object_frame_denoiser import OBJECT_FRAME
from tests.training.test_policies import POLICIES

SETS = ("target", "source")
IMAGES = {
    "steps": 1,
    "features": ["pusher"],
    "vision": {"cameras": ["overhead"], "image_px": [16, 16], "crop_px": [12, 12], "width": 8},
}


def trained(folder: Path, names: tuple[str, ...] = SETS, validation=0.25, **sections) -> Path:
    """The checkpoint of a short training on such sets, with other sections."""
    for number, name in enumerate(names):
        if not (folder / f"{name}.parquet").exists():
            cameras = ("overhead",) if "vision" in sections.get("observation", {}) else ()
            examples.packed(folder / f"{name}.parquet", 8, number, cameras=cameras)
    values = {**examples.config_values(folder), **sections}
    sets = [{"name": name, "path": str(folder / f"{name}.parquet")} for name in names]
    values["data"] |= {"sets": sets, "normaliser": names[0], "validation": validation}
    (folder / "train.yaml").write_text(yaml.safe_dump(values))
    run = folder / f"run_{values['policy']['kind']}"
    assert cli.main(["train", str(folder / "train.yaml"), "--out", str(run)]) == 0
    return run / "last.pt"


def analysed(checkpoint: Path, out: Path, *words: str) -> dict:
    """The figures of the command."""
    assert cli.main(["analyse", str(checkpoint), "--out", str(out), *words]) == 0
    return json.loads((out / "analysis.json").read_text())


def labelled(count: int, planted: bool, seed: int) -> Labelled:
    """Features that have little to do with the class, or one direction that tells it."""
    rng = np.random.default_rng(seed)
    is_target = rng.integers(0, 2, count)
    features = rng.normal(size=(count, 12)) + 7
    features[:, 3] += 5 * is_target * planted
    return Labelled(torch.tensor(features, dtype=torch.float32), torch.tensor(is_target))


def _counts(told: DomainReading) -> tuple[int, int]:
    return told.correct, told.windows


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_reads_the_domain_where_it_is_and_only_there(probe):
    told = read_domain("embedding", probe, labelled(800, True, 0), labelled(400, True, 1), 20, 0)
    assert told.correct / told.windows > 0.95
    at_random = [
        read_domain(
            "embedding", probe, labelled(400, False, seed), labelled(200, False, 9 + seed), 20, seed
        )
        for seed in range(4)
    ]
    low, high = wilson_interval(*(sum(v) for v in zip(*map(_counts, at_random), strict=True)))
    assert low < 0.5 < high


def test_a_bent_border_is_read_by_the_mlp_alone():
    def ring(count: int, seed: int) -> Labelled:
        features = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
        return Labelled(features, (features.norm(dim=1) > 1.2).long())

    told = {
        name: read_domain("embedding", name, ring(800, 0), ring(400, 1), 20, 0) for name in PROBES
    }
    assert told["mlp"].correct / told["mlp"].windows > 0.9
    assert told["linear"].correct / told["linear"].windows < 0.7


def test_probes_are_judged_on_as_many_windows_of_either_domain():
    few = Labelled(torch.randn(90, 4), torch.cat([torch.ones(10), torch.zeros(80)]).long())
    balanced = few.balanced(np.random.default_rng(0))
    assert balanced.is_target.bincount().tolist() == [10, 10]


def test_pca_finds_the_plane_of_points():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(10, 2)))[0]
    inside = rng.normal(size=(50, 2)) * [3, 1]
    found = pca((inside @ axes.T + 4).astype(np.float32))

    def distances(points):
        return np.linalg.norm(points[:, None] - points[None], axis=-1)

    np.testing.assert_allclose(distances(found), distances(inside), atol=1e-4)


def test_a_report_is_written_whose_pictures_decode(tmp_path, capsys):
    checkpoint, out = trained(tmp_path), tmp_path / "analysis"
    words = ("--windows", "40", "--columns", "3")
    figures = analysed(checkpoint, out, *words, "--json", str(tmp_path / "same.json"))
    assert json.loads((tmp_path / "same.json").read_text()) == figures
    assert [(one["features"], one["probe"]) for one in figures["probes"]] == [
        (name, probe) for name in ("embedding", "last activation") for probe in PROBES
    ]
    for one in figures["probes"]:
        assert one["windows"] % 2 == 0
        assert one["wilson95"][0] <= one["accuracy"] <= one["wilson95"][1]
        assert one["episodes"] == 4  # of 8 in each set, 2 are held out
        assert np.ptp(one["wilson95"]) < np.ptp(one["wilson95_of_episodes"])
    assert [(one["data_set"], one["unseen"]) for one in figures["errors"]] == [
        ("target", True), ("source", True),
    ]  # fmt: skip
    assert all(0 < one["action_error"] < 1000 for one in figures["errors"])  # [mm]
    assert figures["film_strip"]["policy"] == [None] * 3
    assert all(distance > 0 for distance in figures["film_strip"]["nearest in source"])
    page = (out / "report.html").read_text()
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(images) == 2
    for data in images:
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert np.ptp(image) > 100
    assert "http" not in page
    assert "linear probe of the embedding" in capsys.readouterr().out
    again = analysed(checkpoint, out, *words)  # in the place of the earlier one
    assert again == figures


@pytest.mark.parametrize(
    "kind", ["flow", "v, unet", "sample, transformer", "prefix", "act", "nearest"]
)
def test_every_kind_of_policy_is_analysed(tmp_path, kind):
    checkpoint = trained(tmp_path, policy=POLICIES[kind])
    figures = analysed(checkpoint, tmp_path / "out", "--windows", "20", "--columns", "1")
    without = kind in ("act", "nearest")
    assert {one["features"] for one in figures["probes"]} == {"embedding"} | (
        set() if without else {"last activation"}
    )
    assert any("no denoising network" in note for note in figures["notes"]) == without


def test_a_policy_in_the_slider_s_frame_and_one_from_images(tmp_path):
    for name, sections in (("frame", OBJECT_FRAME), ("images", {"observation": IMAGES})):
        folder = tmp_path / name
        folder.mkdir()
        checkpoint = trained(folder, **sections)
        figures = analysed(checkpoint, folder / "out", "--windows", "20", "--columns", "2")
        assert len(figures["probes"]) == 4


def test_other_episodes_judge_a_probe_than_train_it(tmp_path):
    """Two are held out of each set; none; and what the policy was trained on is told."""
    for validation in (0.25, 0.0):
        folder = tmp_path / str(validation)
        folder.mkdir()
        path = trained(folder, validation=validation)
        sets, notes = analysed_sets(Checkpoint.load(path), path, None)
        for one in sets:
            for a, b in ((one.probe_train, one.probe_test), (one.searched, one.held_out)):
                assert not set(a.first) & set(b.first)
            assert one.unseen == (validation > 0)
        assert len(notes) == (0 if validation else 2)


def test_the_nearest_chunk_is_the_nearest_of_all(tmp_path):
    path = trained(tmp_path)
    checkpoint = Checkpoint.load(path)
    reader = FeatureReader(checkpoint.averaged_policy(path), checkpoint.train_config(path), 0)
    sets, _ = analysed_sets(checkpoint, path, "source")
    assert [one.is_target for one in sets] == [False, True]
    items = np.array([0, 5, 9])
    own = reader.demonstrated(sets[1].searched, items)
    found = nearest_chunks(own + 1e-5, sets, reader)
    assert found.which.tolist() == [1, 1, 1]
    assert found.window.tolist() == items.tolist()
    assert float(found.distance.max()) < 1e-3
    raw = reader.paths(sets[1].searched, items, own)  # the walks end at the slider
    windows = sets[1].searched
    rows = windows.acted(items, 8)
    np.testing.assert_allclose(raw, windows.data_set.action[rows], atol=1e-5)


def refused(capsys, *words: str) -> str:
    """What the command says that could not be done."""
    assert cli.main(["analyse", *words]) == 2
    return capsys.readouterr().err


def test_what_cannot_be_analysed_is_a_sentence(tmp_path, capsys):
    checkpoint, out = trained(tmp_path), tmp_path / "out"
    both = (str(checkpoint), "--out", str(out))
    assert "--windows must be at least 1" in refused(capsys, *both, "--windows", "0")
    assert "not on a data set 'robot'" in refused(capsys, *both, "--target", "robot")
    assert "there is no checkpoint" in refused(capsys, "nowhere.pt", "--out", str(out))
    full = str(tmp_path)
    assert "contains something else" in refused(capsys, str(checkpoint), "--out", full)
    assert "is a file" in refused(capsys, str(checkpoint), "--out", str(checkpoint))
    (tmp_path / "source.parquet").rename(tmp_path / "moved.parquet")
    assert "data set 'source' of" in refused(capsys, *both)
    assert not out.exists()


def test_one_data_set_and_a_pose_estimator_are_refused(tmp_path, capsys):
    alone, pose = tmp_path / "alone", tmp_path / "pose"
    alone.mkdir()
    pose.mkdir()
    out = str(tmp_path / "out")
    assert "'target' alone" in refused(capsys, str(trained(alone, ("target",))), "--out", out)
    policy = {"kind": "pose", "hidden": 16, "corners": examples.CORNERS}
    checkpoint = trained(pose, policy=policy, observation=IMAGES)
    assert "is a pose estimator" in refused(capsys, str(checkpoint), "--out", out)
