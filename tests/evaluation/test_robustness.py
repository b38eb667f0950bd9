"""Worlds that are shifted, the same starts in each."""

import json
from pathlib import Path

import numpy as np
import pytest

from policy_server.bundle import load_policy
from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from pushcell.evaluation.robustness import ShiftedWorld, conditions
from pushcell.evaluation.simulated_cameras import SimulatedCameras
from pushcell.evaluation.trial import Evaluation
from pushcell.geometry import PlanarPose
from pushcell.simulation.shifts import CENTRE_OF_MASS_Y_M, Shifts
from tests.conftest import SIM_CELL


def evaluation(cell: CellConfig, *words: str, policy: str = "planner") -> Evaluation:
    return Evaluation(cell, policy, "source", shifts=Shifts.parse(words))


@pytest.mark.parametrize("shift", ["goal=3", "centre_of_mass=4", "object=box"])
def test_starts_are_the_same_under_every_shift(cell: CellConfig, shift: str) -> None:
    plain, shifted = evaluation(cell), evaluation(cell, shift)
    assert shifted._start(7) == plain._start(7)


def test_a_shifted_centre_of_mass_leaves_the_outline_where_it_was(cell: CellConfig) -> None:
    shifted = evaluation(cell, "centre_of_mass=3")
    start, world = shifted._start(7), shifted._make_world()
    shifted._begin(world, start)
    assert world.slider_pose.distance_to(start) == pytest.approx((0, 0), abs=1e-12)
    assert shifted.task.goal == evaluation(cell).task.goal
    inner = world._world
    assert (inner.slider_pose.inverse() @ start).y == pytest.approx(-CENTRE_OF_MASS_Y_M[2])
    # Pushed through its own centre of mass it does not turn; through the shifted one it does.
    turned = []
    for words in ((), ("centre_of_mass=3",)):
        pushed = evaluation(cell, *words)
        world = pushed._make_world()
        pose = PlanarPose(0.6, 0.0, 0.0)
        world.reset(pose, [0.6, 0.1])
        world.advance([0.6, -0.05], 5.0)
        world.advance([0.62, -0.05], 5.0)
        turned.append(world.slider_pose.theta)
    assert abs(turned[1] - turned[0]) > 1e-3


def test_a_policy_is_told_of_the_outline_and_of_a_shifted_goal(cell: CellConfig) -> None:
    shifted = evaluation(cell, "centre_of_mass=3", "goal=2", policy="target_state")
    x, y, theta = cell.task.goal
    np.testing.assert_allclose(shifted.told_cell.task.goal, [x, y - 0.025, theta], atol=1e-12)


def test_a_shift_of_colours_is_seen(cell: CellConfig) -> None:
    spec = load_policy("target_image").manifest.observation
    slider = PlanarPose(0.6, 0.0, 0.5)
    plain, moved, turned = (
        SimulatedCameras(cell, spec, "target", Shifts.parse(words)).images(slider)["overhead"]
        for words in ((), ("colour_mean=4",), ("camera=3",))
    )
    for other in (moved, turned):
        assert np.abs(other.astype(int) - plain).mean() > 5
    with pytest.raises(ConfigError, match="target_state sees no images"):
        Evaluation(cell, "target_state", "target", shifts=Shifts.parse(["camera=2"]))


def test_a_start_that_leaves_nothing_to_try_is_void(cell: CellConfig) -> None:
    triangle = Evaluation(cell, "planner", "source", shifts=Shifts.parse(["object=triangle"]))
    trial = triangle.run(36)
    assert trial.void
    assert "another slider does not fit there" in trial.reason


def test_planners_succeed_where_the_goal_is_shifted(cell: CellConfig) -> None:
    shifted = evaluation(cell, "goal=3")
    trial = shifted.run(0)
    assert trial.success
    end = PlanarPose.from_array(trial.way[-1][:3])
    assert end.y == pytest.approx(cell.task.goal[1] - 0.05, abs=0.015)


def test_the_conditions(cell: CellConfig) -> None:
    everything = conditions(cell, True, ())
    assert everything[0] == ShiftedWorld()
    assert len(everything) == 1 + 4 * 3 + 4 + 6
    assert ShiftedWorld("colour_randomisation", "1") in everything
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
    assert cli.main([*words, "--shift", "goal=2", "--json", str(out / "card.json")]) == 0
    assert (out / "goal_2.json").read_text() == written
    assert (out / "robustness.png").read_bytes().startswith(b"\x89PNG")
    card = json.loads((out / "card.json").read_text())
    assert [(row["shift"], row["level"]) for row in card["conditions"]] == [
        ("", ""),
        ("goal", "2"),
    ]
    assert {row["trials"] for row in card["conditions"]} == {2}
    assert json.loads(written)["shifts"] == {"goal": "2"}
    capsys.readouterr()
    assert cli.main([*words[:-1], "0.002", "--shift", "goal=2"]) == 2
    assert "is of another study, with time_step_s 0.005 and not 0.002" in capsys.readouterr().err
