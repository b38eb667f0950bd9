"""``pushcell study``: every cell once, whatever stops it; what fails is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pushcell.cli import main as cli
from pushcell.config.validation import read_schema
from pushcell.recording.folder_lock import alone_in
from pushcell.studies.cell_run import CellRun
from pushcell.studies.grid import StudyCell, cells_of, sets_of
from pushcell.studies.picture import draw
from pushcell.studies.report import pooled
from pushcell.studies.schema import Study
from tests.conftest import SIM_CELL
from tests.training import examples

ERRORS = {"x": "alpha", "y": "action_error"}
LABEL = "domains={target: target, label: true, drop_label: 0.1}"
GRID = {"target": [5], "source": [0, 4], "alpha": ["natural", 0.5]}


def study_file(folder: Path, **sections) -> Path:
    """A study of seconds, whose sets are there."""
    training = examples.config_values(folder, training={"steps": 4}, log={"checkpoint_every": 1})
    for name in ("target", "source"):
        if not (folder / f"{name}.parquet").exists():
            examples.packed(folder / f"{name}.parquet", 6, seed=name == "source")
    (folder / "train.yaml").write_text(yaml.safe_dump(training))
    study = {
        "title": "walks",
        "train": str(folder / "train.yaml"),
        "sets": {name: {"path": str(folder / f"{name}.parquet")} for name in ("target", "source")},
        "grid": GRID,
        "evaluate": {"world": "source", "trials": 1},
        "picture": {"x": "alpha", "lines": "source"},
        "published": [{"target": 5, "source": 4, "alpha": 0.5, "rate": 0.5}],
        **sections,
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def cells(folder: Path, **sections) -> list[StudyCell]:
    """What the study consists of."""
    return cells_of(read_schema(Study, study_file(folder, **sections)), folder / "out")


def told(folder: Path) -> dict:
    """What the study has written at its end."""
    return json.loads((folder / "study.json").read_text())


def results(folder: Path) -> list[list]:
    """The table, without the times that its cells took."""
    rows = told(folder)["cells"]
    return [[row["target"], row["source"], row["alpha"], row["digest"], row["parameters"],
             row["successes"]] for row in rows]  # fmt: skip


def study(folder: Path, *words: str) -> int:
    """The exit code of running the study that is written there, into its folder ``out``."""
    return cli.main(["study", str(folder / "study.yaml"), "--out", str(folder / "out"), *words])


def test_a_cell_that_fails_is_named_the_others_go_on_and_nothing_is_done_twice(tmp_path, capsys):
    tuned = {"name": "tuned", "changes": ["training.steps=2"], "pretrain": ["training.steps=3"]}
    diverging = {"name": "diverging", "changes": ["training.learning_rate=1.0e+30"]}
    grid = {"target": [5], "source": [4], "alpha": [0.5], "variant": [{"name": "mixed"}, tuned]}
    worse = {**grid, "variant": [*grid["variant"], diverging]}
    study_file(tmp_path, grid=worse, picture={"x": "variant"})
    assert study(tmp_path, "--workers", "2") == 1
    assert "failed: target 5, source 4, alpha 0.5, variant diverging" in capsys.readouterr().out
    first, out = told(tmp_path / "out"), tmp_path / "out"
    assert [row["variant"] for row in first["cells"]] == ["mixed", "tuned"]
    ((name, problem),) = first["failed"].items()
    assert "diverging" in name
    assert "pushcell train ended with 2: the loss is nan at step" in problem
    kept = [json.loads(path.read_text()) for path in out.glob("cells/*/trained.json")]
    assert sorted(one["steps"] for one in kept) == [2, 3, 4]  # mixed, tuned and its beginning
    assert (out / "study.png").stat().st_size > 5000
    made = {path: path.stat().st_mtime_ns for path in (out / "cells").rglob("*")}
    study_file(tmp_path, grid=grid, picture={"x": "variant"})
    assert study(tmp_path) == 0
    assert told(out)["cells"] == first["cells"]
    assert {path: path.stat().st_mtime_ns for path in made} == made
    with alone_in(out):
        assert study(tmp_path) == 2
    assert "another pushcell is writing there" in capsys.readouterr().err
    study_file(tmp_path, title="runs")
    assert study(tmp_path) == 2
    assert "is of the study 'walks'" in capsys.readouterr().err


def test_a_study_killed_in_each_phase_goes_on_to_the_same_table(tmp_path):
    grid = {"target": [5], "source": [4], "alpha": [0.5]}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        folder.mkdir()
        study_file(folder, grid=grid)
    for phase in ("run/last.pt", "trained.json", "bundle/bundle.yaml"):
        _kill_once_there(killed, phase)
        assert not (killed / "out" / "study.json").exists()
    assert study(killed, "--workers", "1") == study(whole, "--workers", "1") == 0
    assert results(killed / "out") == results(whole / "out")


def _kill_once_there(folder: Path, phase: str) -> None:
    running = _started(folder)
    _until(lambda: list((folder / "out").glob(f"cells/*/{phase}")), running)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def _started(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "pushcell.cli", "study", str(folder / "study.yaml")]
    command += ["--out", str(folder / "out"), "--workers", "1"]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)


def _until(reached: Callable[[], Any], running: subprocess.Popen) -> None:
    until = time.monotonic() + 120
    while not reached():
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)


def test_studies_with_one_store_train_what_they_share_once(tmp_path):
    grid = {"target": [5], "source": [0, 4], "alpha": [0.5]}
    study_file(tmp_path, grid=grid)
    words = ["study", str(tmp_path / "study.yaml"), "--store", str(tmp_path / "store")]
    assert cli.main([*words, "--out", str(tmp_path / "first"), "--workers", "1"]) == 0
    made = {p: p.stat().st_mtime_ns for p in tmp_path.glob("store/cells/*/run/last.pt")}
    assert len(made) == 2
    study_file(tmp_path, title="another", grid={**grid, "alpha": [0.5, 0.25]})
    assert cli.main([*words, "--out", str(tmp_path / "second"), "--workers", "1"]) == 0
    assert len(list(tmp_path.glob("store/cells/*/run/last.pt"))) == 3
    assert {path: path.stat().st_mtime_ns for path in made} == made
    common = [row for row in results(tmp_path / "second") if row[2] != 0.25]
    assert common == results(tmp_path / "first")


def test_where_nothing_can_be_rolled_out_action_errors_are_compared(tmp_path, capsys):
    sections = {"changes": ["data.validation=0.3"], "grid": {**GRID, "alpha": [0.25, 0.5]}}
    study_file(tmp_path, evaluate=None, picture=ERRORS, published=[], **sections)
    assert study(tmp_path, "--trials", "3") == 2
    assert "leave --trials away" in capsys.readouterr().err
    assert study(tmp_path, "--workers", "1") == 0
    assert "action error in held-out" in " ".join(capsys.readouterr().out.split())
    assert not list(tmp_path.glob("out/cells/*/report-*"))
    points = told(tmp_path / "out")["points"]
    assert [point["alpha"] for point in points] == ["-", 0.25, 0.5]
    assert all(point["errors_of_each_seed"][0] > 0 for point in points)
    assert (tmp_path / "out" / "study.png").stat().st_size > 5000


def test_ctrl_c_ends_the_cells_that_run_and_begins_no_other(tmp_path):
    study_file(tmp_path, changes=["training.steps=1000000"])
    running = _started(tmp_path)
    _until(lambda: list(tmp_path.glob("out/cells/*/run/last.pt")), running)
    os.kill(running.pid, signal.SIGINT)
    assert running.wait(60) == 130
    assert len(list(tmp_path.glob("out/cells/*"))) == 1
    assert not list(tmp_path.glob("out/cells/*/trained.json"))


def test_a_process_that_dies_costs_its_cell_alone(tmp_path):
    study_file(tmp_path, changes=["training.steps=200"])
    running = _started(tmp_path)
    _until(lambda: list(tmp_path.glob("out/cells/*/run/last.pt")), running)
    os.kill(_worker_of(running.pid), signal.SIGKILL)
    assert running.wait(120) == 1
    (problem,) = told(tmp_path / "out")["failed"].values()
    assert "its process has died" in problem
    assert len(told(tmp_path / "out")["cells"]) == 2
    assert study(tmp_path, "--workers", "1") == 0
    assert len(told(tmp_path / "out")["cells"]) == 3


def _worker_of(pid: int) -> int:
    """The one process that runs the cells, among what ``pid`` has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (worker,) = (c for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes())
    return int(worker)


def test_ray_gives_the_table_of_one_machine(tmp_path):
    pytest.importorskip("ray")
    by_ray, plain = tmp_path / "ray", tmp_path / "plain"
    for folder in (by_ray, plain):
        folder.mkdir()
        study_file(folder)
    assert study(by_ray, "--ray", "local") == study(plain, "--workers", "2") == 0
    assert results(by_ray / "out") == results(plain / "out")


def test_digests_tell_what_decides_from_what_does_not(tmp_path):
    def digest(**sections) -> str:
        (cell,) = cells(tmp_path, grid={**GRID, "source": [0]}, **sections)
        return cell.training.digest

    plain = digest()
    (elsewhere,) = cells_of(read_schema(Study, tmp_path / "study.yaml"), tmp_path / "elsewhere")
    assert elsewhere.training.digest == plain
    assert digest(changes=["device.threads=2"]) == plain
    assert digest(changes=["training.steps=5"]) != plain
    assert digest(changes=["data.validation=0"]) != plain
    assert digest(changes=["log.log_every=7"]) == plain
    assert digest(changes=["log.validation_windows=8"]) != plain  # its errors are results
    cell = tmp_path / "cell.yaml"
    cell.write_text(SIM_CELL.read_text())
    assert digest(changes=[f"cell={cell}"]) == plain
    cell.write_text(SIM_CELL.read_text().replace("time_limit_s: 75.0", "time_limit_s: 60.0"))
    assert digest(changes=[f"cell={cell}"]) != plain
    examples.packed(tmp_path / "target.parquet", 6, seed=9)
    assert digest() != plain


def test_weights_of_guidance_share_a_training_and_have_a_bundle_each(tmp_path):
    variants = [
        {"name": str(w), "changes": [LABEL], "guidance": w} for w in (0.12345678, 0.12345679)
    ]
    grid = {"target": [5], "source": [4], "alpha": [0.5], "variant": variants}
    asked = read_schema(Study, study_file(tmp_path, grid=grid))
    runs = [CellRun(c, asked.evaluate, tmp_path) for c in cells_of(asked, tmp_path)]
    assert len({run.cell.training.digest for run in runs}) == 1
    assert len({run.bundle for run in runs}) == len({run.report for run in runs}) == 2


def test_sets_are_as_large_as_the_largest_cell_needs(tmp_path):
    generated = {"world": "target", "demonstrator": "scripted_operator", "seed": 2}
    sets = {"target": generated, "source": {"path": str(tmp_path / "source.parquet")}}
    of_target = {"name": "no gap", "source": {"path": None, **generated}}
    variants = [{"name": "gap"}, of_target]  # its episodes are the target set's first
    grid = {"target": [3, 5], "source": [0, 4], "variant": variants}
    found = sets_of(cells(tmp_path, sets=sets, grid=grid))
    assert sorted((one.name, one.episodes, one.spec.path is None) for one in found) == [
        ("source", 4, False), ("target", 5, True),
    ]  # fmt: skip


def test_seeds_are_pooled():
    row = {"target": 3, "source": 0, "alpha": "-", "variant": "plain", "parameters": 5,
           "latency_p50_ms": 1.0, "trials": 10, "validation": {}, "task": "cell"}  # fmt: skip
    rows = [
        {**row, "seed": seed, "successes": 2 * seed, "success_rate": seed / 5} for seed in (1, 4)
    ]
    (point,) = pooled([*rows])
    assert (point["successes"], point["trials"], point["seeds"]) == (10, 20, [1, 4])
    assert point["of_each_seed"] == [0.2, 0.8]
    low, high = point["wilson95"]
    assert low < 0.5 < high


def test_a_store_that_is_a_file(tmp_path, capsys):
    (tmp_path / "store").write_text("")
    study_file(tmp_path)
    assert study(tmp_path, "--store", str(tmp_path / "store" / "cells")) == 2
    assert "store is a file, and must be a folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_dry_run_tells_and_runs_nothing(tmp_path, capsys):
    variants = [{"name": "labelled", "changes": [LABEL]}, {"name": "mixed"}]
    grid = {**GRID, "alpha": [0.5], "variant": variants}
    study_file(tmp_path, grid=grid)
    assert study(tmp_path, "--dry-run", "--json", "-") == 0
    estimate = json.loads(capsys.readouterr().out)
    assert len(estimate["points"]) == 3
    assert 0 < estimate["training_h"] < 1
    assert 0 < estimate["evaluation_h"] < 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"trails": 3}, "trails = 3: unknown key"),
        ({"grid": {**GRID, "alpha": [1.5]}}, "alpha"),
        ({"grid": {"target": [3]}}, "go together"),
        ({"evaluate": None}, "picture.y to action_error"),
        ({"picture": ERRORS}, "published rates cannot be drawn"),
        ({"picture": ERRORS, "published": [], "changes": ["data.validation=0"]}, "held-out"),
        (
            {
                "picture": ERRORS,
                "published": [],
                "evaluate": None,
                "grid": {**GRID, "variant": [{"name": "x", "guidance": 1}]},
            },
            "guidance changes trials alone",
        ),
        ({"grid": {**GRID, "variant": [{"name": "x", "guidance": 1}]}}, "domains.drop_label"),
        ({"grid": {**GRID, "variant": [{"name": "x", "guidance": 50}]}}, "guidance"),
        (
            {"grid": {**GRID, "source": [0], "variant": [{"name": "x", "changes": [LABEL]}]}},
            "the grid has no cell",
        ),
        (
            {"grid": {**GRID, "variant": [{"name": "x", "changes": [LABEL], "pretrain": []}]}},
            "one world at a time",
        ),
        ({"grid": {**GRID, "target": [0]}}, "nothing to learn from"),
        ({"sets": {"target": {"seed": 1}, "source": {"seed": 1}}}, "either a path, or generated"),
        ({"changes": ["policy.width=3"]}, "policy.width = 3: unknown key"),
        ({"grid": {**GRID, "variant": [{"name": "x", "source": {"sed": 1}}]}}, "sed = 1: unknown"),
    ],
)
def test_a_study_that_is_none(tmp_path, capsys, sections, problem):
    words = ["study", str(study_file(tmp_path, **sections)), "--out", str(tmp_path / "out")]
    assert cli.main(words) == 2
    assert problem in capsys.readouterr().err


def test_no_trials_are_no_study(tmp_path, capsys):
    study_file(tmp_path)
    assert study(tmp_path, "--trials", "0") == 2
    assert "--trials must be at least 1" in capsys.readouterr().err


def test_published_rates_without_source_stand_with_our_own(tmp_path):
    row = {"source": 0, "alpha": "-", "variant": "plain", "parameters": 5, "latency_p50_ms": 1.0,
           "trials": 10, "successes": 5, "success_rate": 0.5, "target": 5, "seed": 0,
           "validation": {}, "task": "cell"}  # fmt: skip
    published = [{"target": 5, "source": 0, "rate": 0.25}]
    asked = read_schema(Study, study_file(tmp_path, published=published))
    (axes,) = draw(asked, pooled([row])).axes
    heights = [float(y) for drawn in axes.collections for _, y in drawn.get_offsets()]
    assert 0.25 in heights
