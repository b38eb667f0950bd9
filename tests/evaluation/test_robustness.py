"""Worlds that are shifted, the same starts in each."""

import json
from pathlib import Path

import numpy as np
import pytest

from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from pushcell.evaluation.robustness import ShiftedWorld, conditions
from pushcell.evaluation.trial import Evaluation
from pushcell.geometry import PlanarPose
from pushcell.simulation.shifts import CENTRE_OF_MASS_Y_M, Shifts
from tests.conftest import SIM_CELL


def evaluation(cell: CellConfig, *words: str, policy: str = "planner") -> Evaluation:
    return Evaluation(cell, policy, "source", shifts=Shifts.parse(words))


@pytest.mark.parametrize("shift", ["goal=3", "centre_of_mass=4", "object=box", "camera=2"])
def test_starts_are_the_same_under_every_shift(cell: CellConfig, shift: str) -> None:
    plain, shifted = evaluation(cell), evaluation(cell, shift)
    assert shifted._start(7) == plain._start(7)


def test_a_shifted_centre_of_mass_leaves_the_outline_where_it_was(cell: CellConfig) -> None:
    shifted = evaluation(cell, "centre_of_mass=3")
    start = shifted._start(7)
    world = shifted._world_from(start)
    outline = shifted.task.shape.outline_at(world.slider_pose)
    plain = evaluation(cell).task.shape.outline_at(start)
    np.testing.assert_allclose(outline, plain, atol=1e-12)
    moved = world.slider_pose.inverse() @ start
    assert moved.y == pytest.approx(-CENTRE_OF_MASS_Y_M[2])
    # The goal asks for the same place of the outline.
    goal = evaluation(cell).task
    np.testing.assert_allclose(
        shifted.task.shape.outline_at(shifted.task.goal),
        goal.shape.outline_at(goal.goal),
        atol=1e-12,
    )


def test_a_policy_is_told_of_the_outline_and_of_a_shifted_goal(cell: CellConfig) -> None:
    shifted = evaluation(cell, "centre_of_mass=3", "goal=2", policy="target_state")
    controller, _ = shifted._bundle(0, 0.0, None)
    told = controller._told(shifted.task.goal)
    x, y, theta = cell.task.goal
    np.testing.assert_allclose(told, [x, y - 0.025, theta], atol=1e-12)


def test_planners_succeed_where_the_goal_is_shifted(cell: CellConfig) -> None:
    shifted = evaluation(cell, "goal=3")
    trial = shifted.run(0)
    assert trial.success
    end = PlanarPose.from_array(trial.way[-1][:3])
    assert end.y == pytest.approx(cell.task.goal[1] - 0.05, abs=0.015)


def test_the_conditions(cell: CellConfig) -> None:
    everything = conditions(cell, True, ())
    assert everything[0] == ShiftedWorld()
    assert len(everything) == 1 + 5 * 3 + 6
    assert ShiftedWorld("object", "t") not in everything
    assert {one.shift for one in conditions(cell, False, ())[1:]} == {
        "centre_of_mass", "goal", "object"
    }  # fmt: skip
    assert [one.level for one in conditions(cell, True, ["goal=3", "goal=3"])[1:]] == ["3"]
    for words, problem in (
        (["weather"], "there is no shift 'weather'"),
        (["goal=9"], "no level '9'"),
        (["camera"], "sees no images"),
    ):
        with pytest.raises(ConfigError, match=problem):
            conditions(cell, False, words)


def test_a_study_goes_on_and_pairs_its_trials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "cell.yaml"
    short.write_text(SIM_CELL.read_text().replace("time_limit_s: 75.0", "time_limit_s: 1.0"))
    out = tmp_path / "study"
    words = ["robustness", "target_state", "--out", str(out), "--trials", "2", "--workers", "1"]
    words += ["--cell", str(short), "--time-step", "0.005"]
    assert cli.main([*words, "--shift", "goal=2"]) == 0
    written = (out / "goal_2.json").read_text()
    (out / "control.json").unlink()
    assert cli.main([*words, "--shift", "goal=2", "goal=3", "--json", str(out / "card.json")]) == 0
    assert (out / "goal_2.json").read_text() == written
    assert (out / "robustness.png").read_bytes().startswith(b"\x89PNG")
    card = json.loads((out / "card.json").read_text())
    assert [(row["shift"], row["level"]) for row in card["conditions"]] == [
        ("", ""), ("goal", "2"), ("goal", "3")
    ]  # fmt: skip
    assert {row["trials"] for row in card["conditions"]} == {2}
    assert json.loads(written)["shifts"] == {"goal": "2"}
    capsys.readouterr()
    assert cli.main([*words[:-1], "0.002", "--shift", "goal=2"]) == 2
    assert "is of another study, with time_step_s 0.005 and not 0.002" in capsys.readouterr().err
