"""Bundles in the evaluator: in simulated time, repeatable, with delays and cameras."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from rich.console import Console
from rich.table import Table

from policy_server.bundle import load_policy
from policy_server.bundle_format import Manifest
from policy_server.bundle_sections import ActionSpec, DiffusionSchedule, PushTTask, Range
from policy_server.delay import InjectedDelay
from policy_server.policy import ChunkRequest
from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.errors import BundleError, ConfigError, PhysicsError
from pushcell.evaluation.bundle_controller import BundleController
from pushcell.evaluation.comparison import Report
from pushcell.evaluation.guarded_loop import GuardedMotion, lookahead_s, run_guarded
from pushcell.evaluation.pictures import draw_failures
from pushcell.evaluation.report import figures, table
from pushcell.evaluation.stepped_policy import NoChunkError
from pushcell.evaluation.trial import Evaluation, Motion
from pushcell.evaluation.workers import run_trials
from pushcell.geometry import PlanarPose
from pushcell.simulation.source_world import SourceWorld
from tests.conftest import SIM_CELL
from tests.policy_server.examples import some_manifest
from tests.policy_server.toy_bundle import driving_graphs, random_graphs, write_toy

SCHEDULE = DiffusionSchedule(
    train_steps=100, prediction="sample", clip_sample=False, inference_steps=4
)
TO = np.array([0.55, -0.25])


def driving(cell: CellConfig, folder: Path, cameras: tuple[str, ...] = ()) -> str:
    """A bundle that moves the pusher to a point and rests there."""
    manifest = some_manifest(cell, cameras, schedule=SCHEDULE)
    return str(write_toy(folder, manifest, driving_graphs(manifest, TO, 0.1)))


def text_of(shown: Table) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


@pytest.fixture(scope="module")
def short(cell: CellConfig) -> CellConfig:
    success = cell.task.success.changed(time_limit_s=5.0)
    return cell.changed(task=cell.task.changed(success=success.model_dump()).model_dump())


@pytest.fixture(scope="module")
def bundle(cell: CellConfig, tmp_path_factory) -> str:
    return driving(cell, tmp_path_factory.mktemp("driving"))


@pytest.mark.parametrize("motion", ["guarded", "direct"])
def test_the_pusher_goes_where_the_policy_says(
    short: CellConfig, bundle: str, motion: Motion
) -> None:
    trial = Evaluation(short, bundle, "source", motion=motion).run(3)
    assert (trial.smoothness is None) == (motion == "direct")
    assert trial.duration_s == pytest.approx(5.0, abs=0.11)
    np.testing.assert_allclose(trial.way[-1][3:], TO, atol=4e-3)
    assert np.linalg.norm(trial.way[0][3:] - TO) > 0.1


@pytest.mark.parametrize("chunking", ["receding", "asynchronous", "ensembling:0.1", "realtime"])
def test_trials_repeat_themselves_whoever_runs_them(
    short: CellConfig, bundle: str, chunking: str
) -> None:
    delayed = Evaluation(short, bundle, "source", chunking=chunking, delay=InjectedDelay(0.05, 0.4))
    first = [delayed.run(seed) for seed in (3, 4)]
    assert first == [delayed.run(seed) for seed in (3, 4)]
    if chunking == "realtime":
        others = sorted(run_trials(delayed, (3, 4), 2), key=lambda trial: trial.seed)
        assert first == others
    assert Evaluation(short, bundle, "source", chunking=chunking).run(3).way != first[0].way


def test_a_policy_that_gives_no_chunk_is_void_and_no_failure(
    short: CellConfig, bundle: str, tmp_path: Path
) -> None:
    evaluation = Evaluation(short, bundle, "source", delay=InjectedDelay(9.0, 9.0))
    trial = evaluation.run(3)
    assert trial.void
    assert trial.position_error_m is None
    assert trial.reason == "the policy gave no chunk in time"
    good = Evaluation(short, bundle, "source").run(4)
    shown = figures(evaluation, [trial, good])
    assert (shown["trials"], shown["void"]) == (1, 1)
    assert shown["final_position_error_m"]["max"] == good.position_error_m
    assert "void, and not counted" in text_of(table(shown))
    report = tmp_path / "report.json"
    report.write_text(json.dumps(shown))
    assert list(Report.load(report).trials) == [4]


class Broken:
    """A policy that somebody wrote, with a fault in it."""

    def __init__(self, path: str) -> None:
        self.manifest = load_policy(Path(path)).manifest

    def infer(self, request: ChunkRequest) -> np.ndarray:
        return request.values["nothing"]


def test_a_policy_that_fails_is_told_by_its_own_words(short: CellConfig, bundle: str) -> None:
    world = SourceWorld(short)
    task = Evaluation(short, bundle, "source").task
    world.reset(task.sample_start(np.random.default_rng(3)), task.pusher_home)
    controller = BundleController(short, Broken(bundle))
    with pytest.raises(NoChunkError, match="the policy failed: KeyError: 'nothing'"):
        run_guarded(world, controller, task, short)


def test_an_evaluation_in_which_all_was_void_is_no_success(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = yaml.safe_load(SIM_CELL.read_text())
    values["task"]["success"]["time_limit_s"] = 2.0
    cell = tmp_path / "cell.short.yaml"
    cell.write_text(yaml.safe_dump(values))
    words = ["evaluate", bundle, "--world", "source", "--trials", "2", "--workers", "1"]
    assert cli.main([*words, "--delay", "9", "--cell", str(cell)]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "nothing was evaluated: all 2 trials were void: 2 x the policy gave no chunk" in told


def test_nothing_moves_before_the_first_chunk_has_come(short: CellConfig, bundle: str) -> None:
    delay = InjectedDelay(0.5, 0.5)
    policy = load_policy(Path(bundle))
    controller = BundleController(short, policy, "receding", delay)
    start, home = PlanarPose(0.6, 0.0, 0.0), short.task.pusher_home_m
    wanted = [controller.act(k / 10, start, home)[0] for k in range(7)]
    np.testing.assert_array_equal(wanted[:5], [home] * 5)
    prompt = BundleController(short, policy, "receding").act(0.0, start, home)[0]
    np.testing.assert_allclose(wanted[5], prompt)  # at rest meanwhile, nothing is skipped


@pytest.mark.parametrize("delay", ["0", "0.3", "0.05,0.4"])
def test_guarded_motion_keeps_the_guards_limits(cell: CellConfig, bundle: str, delay: str) -> None:
    policy = load_policy(Path(bundle))
    injected = InjectedDelay.parse(delay)
    lookahead = lookahead_s(cell)
    controller = BundleController(cell, policy, "realtime", injected, 0, None, lookahead)
    start = np.array(cell.task.pusher_home_m)
    motion, world = GuardedMotion(cell, start), SourceWorld(cell)
    world.reset(PlanarPose(0.7, 0.25, 0.0), start)
    tips = [start]
    for tick in range(800):
        if tick % 10 == 0:
            controller.observe(world.time_s, world.slider_pose, world.pusher_position)
        tips.append(motion.tick(world.time_s, controller.stepped_policy.plan(world.time_s)))
        world.advance(tips[-1], cell.motion.tick_s)
    velocity = np.diff(tips, axis=0) / cell.motion.tick_s
    assert np.linalg.norm(velocity, axis=1).max() <= cell.motion.policy.speed_m_s + 1e-6
    assert np.linalg.norm(tips[-1] - TO) < 1e-3
    found = motion.smoothness()
    assert 0 < found.jerk_rms_m_s3 <= cell.motion.stop.jerk_m_s3
    assert found.still_share < 0.2
    # It wants to go faster than the limit and is left behind: its plans begin again where it is.
    assert found.border_jumps_m < 0.08


def test_a_stop_by_the_guard_ends_the_trial(short: CellConfig, tmp_path: Path) -> None:
    """Its first target is further away than the guard lets anybody jump to."""
    manifest = some_manifest(short, schedule=SCHEDULE)
    bundle = write_toy(tmp_path, manifest, driving_graphs(manifest, TO, 0.9))
    trial = Evaluation(short, str(bundle), "source").run(3)
    assert "the guard stopped the arm" in trial.reason
    assert trial.duration_s < 1


class Collapsing(SourceWorld):
    """A world that carries on for a second; then there is no telling where anything is."""

    collapsed = False

    def advance(self, target: np.ndarray, duration_s: float) -> None:
        if self.time_s > 0.95:
            self.collapsed = True
            raise PhysicsError("the physics failed at 1.00 s")
        super().advance(target, duration_s)

    @property
    def slider_pose(self) -> PlanarPose:
        assert not self.collapsed
        return super().slider_pose


class InCollapsing(Evaluation):
    def _make_world(self) -> SourceWorld:
        return Collapsing(self.cell)


@pytest.mark.parametrize("motion", ["guarded", "direct"])
def test_physics_that_fail_cost_the_policy_that_trial(
    short: CellConfig, bundle: str, motion: str
) -> None:
    trial = InCollapsing(short, bundle, "source", motion=motion).run(3)
    assert not trial.success
    assert trial.reason.endswith("the physics failed at 1.00 s")
    assert trial.duration_s == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize("world", ["source", "target"])
def test_policies_with_cameras_see_the_world(short: CellConfig, tmp_path: Path, world: str) -> None:
    quick = short.task.success.changed(time_limit_s=1.0)
    cell = short.changed(task=short.task.changed(success=quick.model_dump()).model_dump())
    evaluation = Evaluation(cell, driving(cell, tmp_path, ("overhead", "wrist")), world)
    trial = evaluation.run(0)
    assert trial.duration_s == pytest.approx(1.0, abs=0.11)
    assert trial == evaluation.run(0)


def test_failures_are_drawn(short: CellConfig, bundle: str, tmp_path: Path) -> None:
    evaluation = Evaluation(short, bundle, "source")
    draw_failures(evaluation.ground, [evaluation.run(3)], tmp_path / "failures.png")
    assert (tmp_path / "failures.png").read_bytes().startswith(b"\x89PNG")


def test_the_command(bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = tmp_path / "cell.yaml"
    short.write_text(SIM_CELL.read_text().replace("time_limit_s: 75.0", "time_limit_s: 3.0"))
    words = ["evaluate", bundle, "--world", "source", "--trials", "1", "--json", "-"]
    words += ["--delay", "0.2", "--chunking", "realtime", "--workers", "1", "--cell", str(short)]
    assert cli.main(words) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["motion"] == "guarded"
    assert shown["smoothness"]["jerk_rms_m_s3"] > 0
    assert shown["chunking"] == "realtime"
    assert shown["delay_s"] == [0.2, 0.2]
    assert shown["per_trial"][0]["success"] is False


def test_what_cannot_be_run(cell: CellConfig, bundle: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no chunking 'never'; known are: receding"):
        Evaluation(cell, bundle, "source", chunking="never")
    with pytest.raises(ConfigError, match="planner is no bundle"):
        Evaluation(cell, "planner", "source", chunking="realtime")
    for text in ("soon", "-1", "1,2,3", "11"):
        with pytest.raises(ConfigError, match="--delay is SECONDS"):
            InjectedDelay.parse(text)
    board = pusht_manifest(cell)
    with pytest.raises(BundleError, match="for the task pusht"):
        Evaluation(cell, str(write_toy(tmp_path, board, random_graphs(board))), "source")


# Push-T


def pusht_manifest(cell: CellConfig) -> Manifest:
    manifest = some_manifest(
        cell,
        task=PushTTask(),
        schedule=SCHEDULE,
        action=ActionSpec(horizon=16, execute=8, space="absolute", low=(0, 0), high=(512, 512)),
    )
    everywhere = manifest.normaliser.changed(action=Range(low=(0, 0), high=(512, 512)).model_dump())
    return manifest.changed(normaliser=everywhere.model_dump())


def test_pusht(cell: CellConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gym_pusht")
    from pushcell.evaluation.pusht import PushTEvaluation

    manifest = pusht_manifest(cell)
    bundle = write_toy(tmp_path, manifest, driving_graphs(manifest, np.array([60.0, 60.0]), 0.2))
    words = ["evaluate", str(bundle), "--world", "pusht", "--trials", "2", "--workers", "1"]
    pictures = [tmp_path / "drawn" / name for name in ("starts.png", "failures.png")]
    words += ["--picture", str(pictures[0]), "--failures", str(pictures[1])]
    assert cli.main([*words, "--json", "-"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert shown["trials"] == len(shown["per_trial"]) == 2
    for trial in shown["per_trial"]:
        assert 0 <= trial["final_coverage"] <= trial["best_coverage"] <= 1
    assert shown["sticky_success_rate"] >= shown["final_success_rate"]
    starts = [trial["start"] for trial in shown["per_trial"]]
    assert starts[0] != starts[1]
    again = PushTEvaluation(str(bundle)).run(0)
    assert again.describe() == shown["per_trial"][0]
    assert again.way[0] == (*again.start[2:], *again.start[:2])
    assert cli.main([*words, "--motion", "direct"]) == 2
    assert "pusht has no --time-step and no --motion" in capsys.readouterr().err
