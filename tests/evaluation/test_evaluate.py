"""Evaluations: each trial by its seed, whoever runs it; figures that add up."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.errors import PlanningError
from pushcell.evaluation.pictures import draw_starts
from pushcell.evaluation.report import figures, table
from pushcell.evaluation.statistics import wilson_interval
from pushcell.evaluation.trial import Evaluation, Trial
from pushcell.evaluation.workers import run_trials
from pushcell.task import Task
from tests.conftest import SIM_CELL


@pytest.fixture(scope="module")
def evaluation(cell: CellConfig) -> Evaluation:
    return Evaluation(cell, "scripted_operator", "source")


@pytest.fixture(scope="module")
def trials(evaluation: Evaluation) -> list[Trial]:
    return [evaluation.run(seed) for seed in range(5, 9)]


def test_the_same_whatever_the_number_of_workers(
    evaluation: Evaluation, trials: list[Trial]
) -> None:
    made = run_trials(evaluation, range(5, 9), 2)
    assert sorted(made, key=lambda trial: trial.seed) == trials


def test_a_target_trial_repeats_itself(cell: CellConfig) -> None:
    evaluation = Evaluation(cell, "planner", "target", 0.005)
    assert evaluation.run(3) == evaluation.run(3)


def test_every_policy_has_the_same_starts(cell: CellConfig, trials: list[Trial]) -> None:
    other = Evaluation(cell, "planner", "source").run(5)
    task = Task.of(cell.task, cell.pusher.radius_m)
    start = task.sample_start(np.random.default_rng(5))
    assert other.start == trials[0].start == (start.x, start.y, start.theta)
    assert other.way[0][:3] == other.start


def test_a_rollout_has_all_states_of_its_trial(evaluation: Evaluation, trials: list[Trial]) -> None:
    result = evaluation.rollout(trials[0].seed)
    assert (result.success, result.duration_s) == (trials[0].success, trials[0].duration_s)
    assert tuple(result.slider_poses[0]) == trials[0].start
    assert len(result.times_s) == len(result.slider_poses) == len(result.pusher_positions)
    assert len(result.times_s) > len(trials[0].way)
    np.testing.assert_allclose(np.diff(result.times_s), 0.1, atol=1e-6)


def test_figures_add_up(evaluation: Evaluation, trials: list[Trial]) -> None:
    failed = dataclasses.replace(trials[1], success=False, reason="time 80.0 s > 75.0 s")
    mixed = [trials[3], failed, trials[0], trials[2]]
    shown = figures(evaluation, mixed)
    assert shown["trials"] == 4
    assert shown["successes"] == 3
    assert shown["success_rate"] == 0.75
    assert shown["wilson95"] == list(wilson_interval(3, 4))
    assert [trial["seed"] for trial in shown["per_trial"]] == [5, 6, 7, 8]
    errors = [trial["position_error_m"] for trial in shown["per_trial"]]
    assert shown["final_position_error_m"]["max"] == max(errors)
    good = [trial.duration_s for trial in trials if trial is not trials[1]]
    assert shown["duration_s_of_successes"]["p50"] == np.median(good)
    assert json.loads(json.dumps(shown)) == shown
    assert table(shown).row_count == 6  # the last tells of the failure


def test_failures_alone_have_no_durations(evaluation: Evaluation, trials: list[Trial]) -> None:
    failed = [dataclasses.replace(trial, success=False) for trial in trials]
    assert figures(evaluation, failed)["duration_s_of_successes"] is None


def test_the_picture_shows_both_outcomes(
    evaluation: Evaluation, trials: list[Trial], tmp_path: Path
) -> None:
    failed = [dataclasses.replace(trial, success=False) for trial in trials]
    draw_starts(evaluation.ground, trials, tmp_path / "good.png")
    draw_starts(evaluation.ground, failed, tmp_path / "bad.png")
    good, bad = ((tmp_path / name).read_bytes() for name in ("good.png", "bad.png"))
    assert good.startswith(b"\x89PNG")
    assert good != bad


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "starts.png"
    words = ["evaluate", "planner", "--world", "source", "--trials", "2", "--json", "-"]
    words += ["--workers", "1", "--picture", str(picture), "--cell", str(SIM_CELL)]
    assert cli.main(words) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["trials"] == shown["successes"] == len(shown["per_trial"]) == 2
    assert picture.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody", "--world", "source"], "no policy 'nobody'; known by name are pusht_image"),
        (["planner", "--world", "source", "--time-step", "0.005"], "has no --time-step"),
        (["planner", "--world", "target", "--time-step", "0.5"], "at most 0.01 s"),
        (["planner", "--world", "source", "--trials", "0"], "at least 1"),
    ],
)
def test_what_cannot_be_run(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", *words, "--cell", str(SIM_CELL)]) == 2
    assert message in capsys.readouterr().err


def test_what_a_worker_cannot_do_is_told(cell: CellConfig) -> None:
    tiny = cell.task.model_copy(update={"start_box_m": (0.01, 0.01)})
    evaluation = Evaluation(cell.model_copy(update={"task": tiny}), "planner", "source")
    with pytest.raises(PlanningError, match="make the box larger"):
        list(run_trials(evaluation, range(2), 1))
