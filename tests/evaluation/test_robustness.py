"""Worlds that are shifted, the same starts in each."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from policy_server.bundle import load_policy
from pushcell.cameras.overlay import project
from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from pushcell.evaluation.bundle_controller import BundleController
from pushcell.evaluation.frame_loss import FrameLoss
from pushcell.evaluation.robustness import ShiftedWorld, conditions
from pushcell.evaluation.simulated_cameras import SimulatedCameras
from pushcell.evaluation.trial import Evaluation, Trial
from pushcell.geometry import PlanarPose
from pushcell.simulation.shifts import (
    CENTRE_OF_MASS_Y_M,
    RUN_TIME_SHIFTS,
    Shifts,
    VisualRandomization,
)
from tests.conftest import SIM_CELL


def evaluation(cell: CellConfig, *words: str, policy: str = "planner") -> Evaluation:
    return Evaluation(cell, policy, "source", shifts=Shifts.parse(words))


def photographs(cameras: SimulatedCameras, slider: PlanarPose) -> dict[str, NDArray[np.uint8]]:
    view = cameras.view(slider)
    return cameras.images({camera.name: view for camera in cameras.cameras})


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
    plain, moved, turned, bumped = (
        photographs(SimulatedCameras(cell, spec, "target", Shifts.parse(words)), slider)["overhead"]
        for words in ((), ("colour_mean=4",), ("camera=3",), ("camera_bump=4",))
    )
    for other in (moved, turned, bumped):
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
    assert len(everything) == 1 + 4 * 3 + 4 + 6 + 3 * 3
    assert [one.name for one in everything[-9:]] == [
        f"{name}_{level}" for name in RUN_TIME_SHIFTS for level in (2, 3, 4)
    ]
    assert ShiftedWorld("colour_randomisation", "1") in everything
    assert ShiftedWorld("object", "t") not in everything
    assert {one.shift for one in conditions(cell, False, ())[1:]} == {
        "centre_of_mass", "goal", "object", "latency", "frame_loss"
    }  # fmt: skip
    assert [one.level for one in conditions(cell, True, ["goal=3", "goal=3"])[1:]] == ["3"]
    for words, problem in (
        (["weather"], "there is no shift 'weather'"),
        (["goal=9"], "no level '9'"),
        (["camera"], "sees no images"),
        (["camera_bump=2"], "sees no images"),
        (["latency=0"], "latency has no level '0'; allowed: 1, 2, 3, 4"),
        (["frame_loss=half"], "no level 'half'"),
    ):
        with pytest.raises(ConfigError, match=problem):
            conditions(cell, False, words)


def short_trials(cell: CellConfig) -> CellConfig:
    success = {**cell.task.success.model_dump(), "time_limit_s": 3.0}
    return cell.changed(task={**cell.task.model_dump(), "success": success})


@pytest.mark.parametrize(
    ("policy", "names"),
    [("target_state", ("latency", "frame_loss")), ("target_image", RUN_TIME_SHIFTS)],
)
def test_level_1_of_the_run_time_changes_nothing_and_level_4_does(
    cell: CellConfig, policy: str, names: tuple[str, ...]
) -> None:
    def run(*words: str) -> Trial:
        shifts = Shifts.parse(words)
        return Evaluation(short_trials(cell), policy, "target", 0.005, shifts=shifts).run(3)

    plain = run()
    assert run(*(f"{name}=1" for name in names)) == plain
    for name in names:
        shifted = run(f"{name}=4")
        assert shifted.start == plain.start
        assert shifted.way != plain.way
        assert not shifted.void


def test_a_bump_moves_pixels_and_no_camera_model(cell: CellConfig) -> None:
    shifts = Shifts.parse(["camera_bump=3"])
    point = np.array([[*cell.task.goal[:2], 0.0]])
    bumped = VisualRandomization(cell, "target", shifts)
    drawn = [bumped.draw(np.random.default_rng([seed, 2])).cameras for seed in (0, 1, 1)]
    assert drawn[0] != drawn[1] == drawn[2]
    for moved, own in zip(drawn[0], cell.cameras, strict=True):
        off = own.pose_in_link.inverse() @ moved.pose_in_link
        assert np.linalg.norm(off.translation) == pytest.approx(0.005)
        assert np.trace(off.rotation) == pytest.approx(1 + 2 * np.cos(np.radians(1.0)))
        assert moved.model_copy(update={"xyz_m": own.xyz_m, "rpy_rad": own.rpy_rad}) == own
    overhead, own = drawn[0][0], cell.cameras[0]
    pixels = [project(own, camera.pose_in_link, point) for camera in (overhead, own)]
    assert 1 < np.linalg.norm(pixels[0] - pixels[1]) < 30
    assert (
        Evaluation(cell, "target_image", "target", shifts=shifts).told_cell.cameras == cell.cameras
    )


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.6])
def test_about_that_share_of_the_frames_is_lost(probability: float) -> None:
    loss, again = (FrameLoss(probability, np.random.default_rng(0)) for _ in range(2))
    seen = np.array([[loss.last(name, k) for name in ("a", "b")] for k in range(4000)])
    assert (seen == [[again.last(name, k) for name in ("a", "b")] for k in range(4000)]).all()
    assert (seen[0] == 0).all(), "the first frame arrives"
    assert (np.diff(seen, axis=0) >= 0).all(), "nothing older comes after a frame"
    lost = seen != np.arange(4000)[:, None]
    assert lost.mean(axis=0) == pytest.approx([probability] * 2, abs=0.03)
    both = (lost[:, 0] & lost[:, 1]).mean()
    assert both == pytest.approx(probability**2, abs=0.03), "each stream loses its own"


def test_a_policy_sees_the_last_frame_that_arrived(cell: CellConfig) -> None:
    policy = load_policy("target_state")
    controller = BundleController(cell, policy, seed=4, frame_loss=0.6)
    places = 0.5 + 0.001 * np.arange(100)
    seen = []
    for k, x in enumerate(places):
        controller.observe(0.1 * k, PlanarPose(x, 0.0, 0.0), np.array([x, 0.1]))
        values = controller.stepped_policy.observer.assemble(0.1 * k).values
        assert values["pusher"][-1, 0] == x, "the arm tells its own pose by another way"
        seen.append(values["slider"][-1, 0])
    assert set(seen) <= set(places)
    assert np.mean(np.array(seen) != places) == pytest.approx(0.6, abs=0.12)


@pytest.mark.parametrize("name", ["latency", "frame_loss"])
def test_a_demonstrator_has_no_run_time(cell: CellConfig, name: str) -> None:
    with pytest.raises(ConfigError, match=f"planner is no bundle: {name} shifts nothing"):
        evaluation(cell, f"{name}=2")


def test_evaluate_takes_a_shift_of_the_run_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "cell.yaml"
    short.write_text(SIM_CELL.read_text().replace("time_limit_s: 75.0", "time_limit_s: 1.0"))
    words = ["evaluate", "target_state", "--world", "target", "--trials", "1", "--workers", "1"]
    words += ["--cell", str(short), "--time-step", "0.005", "--json", "-"]
    assert cli.main([*words, "--shift", "latency=3", "frame-loss=2"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["shifts"] == {"latency": "3", "frame_loss": "2"}
    assert cli.main([*words, "--shift", "latency=5"]) == 2
    assert "shift latency has no level '5'" in capsys.readouterr().err


def test_a_study_goes_on_and_pairs_its_trials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "cell.yaml"
    short.write_text(SIM_CELL.read_text().replace("time_limit_s: 75.0", "time_limit_s: 1.0"))
    out = tmp_path / "study"
    words = ["robustness", "target_state", "--out", str(out), "--trials", "2", "--workers", "1"]
    words += ["--cell", str(short), "--time-step", "0.005"]
    assert cli.main([*words, "--shift", "goal=2", "latency"]) == 0
    assert {path.name for path in out.glob("latency_*.json")} == {
        f"latency_{level}.json" for level in (2, 3, 4)
    }
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
