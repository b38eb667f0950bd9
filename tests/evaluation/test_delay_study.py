"""``pushcell study delay``: the same starts under every condition, kept, and told."""

import json
from pathlib import Path

import pytest

from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.evaluation.delay_command import PICTURE
from pushcell.evaluation.delay_study import TRIALS
from tests.conftest import SIM_CELL
from tests.evaluation.test_bundles import driving

CONDITIONS = ["--chunking", "receding", "realtime", "--delays", "0", "0.05,0.3"]


@pytest.fixture
def sweep(cell: CellConfig, tmp_path: Path):
    """The command with a bundle and a cell whose trials are short."""
    short = tmp_path / "cell.yaml"
    short.write_text(SIM_CELL.read_text().replace("time_limit_s: 75.0", "time_limit_s: 1.5"))
    bundle, told = driving(cell, tmp_path / "bundle"), tmp_path / "told.json"

    def run(*words: str) -> tuple[int, dict]:
        options = ["--out", str(tmp_path / "out"), "--cell", str(short), "--json", str(told)]
        code = cli.main(["study", "delay", bundle, *options, *CONDITIONS, *words])
        return code, json.loads(told.read_text()) if told.exists() else {}

    return run


def test_a_study_is_paired_kept_and_goes_on(sweep, tmp_path: Path, capsys) -> None:
    quick = ["--time-step", "0.005", "--workers", "1"]
    assert sweep("--trials", "1", *quick)[0] == 0
    first = (tmp_path / "out" / TRIALS).read_text()
    code, told = sweep("--trials", "2", *quick)
    assert code == 0
    assert (tmp_path / "out" / TRIALS).read_text().startswith(first)
    assert len((tmp_path / "out" / TRIALS).read_text().splitlines()) == 1 + 2 * 4
    assert [(row["chunking"], row["delay"]) for row in told["conditions"]] == [
        ("receding", "0"),
        ("receding", "0.05,0.3"),
        ("realtime", "0"),
        ("realtime", "0.05,0.3"),
    ]
    starts = [[trial["start"] for trial in row["per_trial"]] for row in told["conditions"]]
    assert starts == [starts[0]] * 4
    assert starts[0][0] != starts[0][1]
    for row in told["conditions"]:
        assert [trial["seed"] for trial in row["per_trial"]] == [0, 1]
        assert row["smoothness"]["jerk_rms_m_s3"] > 0
        assert row["trials"] == 2
    assert (tmp_path / "out" / PICTURE).stat().st_size > 10_000
    capsys.readouterr()

    assert sweep("--trials", "2")[0] == 2
    assert "is of another study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "--out", "x"], "there is no policy 'nowhere'"),
        (["nowhere", "--out", "x", "--trials", "0"], "must be at least 1"),
    ],
)
def test_what_cannot_be_run_is_told(words: list[str], message: str, capsys) -> None:
    assert cli.main(["study", "delay", *words]) == 2
    assert message in capsys.readouterr().err
