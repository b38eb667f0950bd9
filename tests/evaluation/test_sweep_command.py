"""``pushcell sweep``: variants of one training, and nothing done twice."""

import json

import yaml

from pushcell.cli import main as cli
from tests.training import examples


def _study(folder, **changes):
    examples.packed(folder / "walks.parquet")
    (folder / "train.yaml").write_text(yaml.safe_dump(examples.config_values(folder)))
    study = {
        "train": str(folder / "train.yaml"),
        "changes": ["training.steps=2"],
        "variants": [
            {"name": "a small one", "changes": ["policy.network.width=16"]},
            {"name": "larger", "changes": ["policy.network.width=32"]},
        ],
        "world": "source",
        "trials": 1,
        **changes,
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return [str(folder / "study.yaml"), "--out", str(folder / "out"), "--json", "-"]


def test_each_variant_is_trained_exported_and_evaluated_once(tmp_path, capsys):
    words = ["sweep", *_study(tmp_path), "--picture", str(tmp_path / "sizes.png")]
    assert cli.main([*words, "--workers", "1"]) == 0
    text = capsys.readouterr().out
    small, larger = json.loads(text[text.rindex('{\n  "variants"') :])["variants"]
    assert small["name"] == "a small one"
    assert small["parameters"] < larger["parameters"]
    assert small["trials"] == 1
    assert (tmp_path / "sizes.png").stat().st_size > 1000
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert cli.main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == made


def test_a_study_that_is_none(tmp_path, capsys):
    assert cli.main(["sweep", *_study(tmp_path, world="moon", trails=3)]) == 2
    error = capsys.readouterr().err
    assert "world = 'moon'" in error
    assert "trails = 3: unknown key" in error
