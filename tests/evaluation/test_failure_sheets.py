"""Failed trials looked into: what the policy took the slider's pose to be, and the cause."""

from pathlib import Path

import numpy as np
import pytest

from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from pushcell.evaluation import failure_sheets
from pushcell.evaluation.failure_sheets import FailureSheets, cause
from pushcell.evaluation.trial import Evaluation
from pushcell.simulation.closed_loop import TrialResult
from pushcell.task import Task

NONE = np.empty((0, 2))


def short(cell: CellConfig) -> CellConfig:
    success = cell.task.success.changed(time_limit_s=1.0)
    return cell.changed(task=cell.task.changed(success=success.model_dump()).model_dump())


@pytest.mark.parametrize(
    ("policy", "estimates"), [("recorded_image", True), ("target_image", False)]
)
def test_a_sheet_shows_what_the_policy_saw(
    cell: CellConfig, tmp_path: Path, policy: str, estimates: bool
) -> None:
    evaluation = Evaluation(short(cell), policy, "target", 0.005)
    trial = FailureSheets(evaluation, tmp_path).run(6000)
    (sheet,) = tmp_path.glob("*/seed_6000.png")
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert sheet.parent.name == trial.cause.replace(" ", "_")
    assert bool(len(trial.errors)) == estimates
    if estimates:  # as the estimator is known to be, where nothing hides the slider
        assert np.median(trial.errors, axis=0) == pytest.approx([0, 0], abs=0.02)
        text = failure_sheets.causes_table([trial])
        assert text.row_count == 1


def test_a_policy_without_images_has_no_sheets(cell: CellConfig, tmp_path: Path) -> None:
    for policy in ("target_state", "planner"):
        with pytest.raises(ConfigError, match=f"{policy} sees no images"):
            FailureSheets(Evaluation(cell, policy, "target"), tmp_path)


@pytest.mark.parametrize(
    ("errors", "at_goal", "moves", "ended_s", "expected"),
    [
        (NONE, False, True, 20.0, failure_sheets.STOPPED),
        (np.tile([0.03, 0.0], (40, 1)), False, True, 75.0, failure_sheets.MISREAD),
        (np.tile([0.001, 0.2], (40, 1)), True, False, 75.0, failure_sheets.MISREAD),
        (np.tile([0.001, 0.01], (40, 1)), True, False, 75.0, failure_sheets.NOT_HOME),
        (NONE, False, False, 75.0, failure_sheets.STUCK),
        (NONE, False, True, 75.0, failure_sheets.TOO_SLOW),
    ],
)
def test_the_first_cause_that_fits(
    cell: CellConfig,
    errors: np.ndarray,
    at_goal: bool,
    moves: bool,
    ended_s: float,
    expected: str,
) -> None:
    times = np.arange(0, ended_s + 0.05, 0.1)
    poses = np.tile([0.6, 0.0, 0.5], (len(times), 1))
    poses[:, 0] += 0.001 * times * moves
    result = TrialResult(
        False, "", *((0.0, 0.0) if at_goal else (0.1, 0.5)), ended_s, times, poses, NONE, NONE
    )
    assert cause(result, errors, Task.of(cell.task, cell.pusher.radius_m)) == expected
