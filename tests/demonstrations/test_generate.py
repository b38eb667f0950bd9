"""Generation: the same episodes whoever makes them, none lost or made twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from pushcell.cli import main as cli
from pushcell.config.cell import CellConfig
from pushcell.demonstrations.episode_generator import (
    MOST_ATTEMPTS,
    EpisodeGenerator,
    GeneratedEpisode,
)
from pushcell.demonstrations.generate import GenerationProgress, generate
from pushcell.demonstrations.generation_config import GenerationConfig
from pushcell.demonstrations.process_workers import generated_by_processes
from pushcell.demonstrators.controller import Controller
from pushcell.demonstrators.registry import DEMONSTRATORS
from pushcell.errors import ClusterError, ConfigError, EpisodeError, PlanningError
from pushcell.geometry import PlanarPose
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import read_steps
from pushcell.simulation.rendering import SceneRenderer
from pushcell.simulation.shifts import Shifts
from pushcell.task import Task

ROOT = Path(__file__).parents[2]


def generated_here(
    config: GenerationConfig, indices: Iterable[int]
) -> Iterator[list[GeneratedEpisode]]:
    """Workers without processes."""
    return map(EpisodeGenerator(config).make, indices)


def config_of(cell: CellConfig, *shifts: str, world: str = "source", **others) -> GenerationConfig:
    others = {"images": False, "seed": 1, "demonstrator": "planner", **others}
    return GenerationConfig(cell, world, shifts=Shifts.parse(shifts), **others)


def silently(progress: GenerationProgress) -> None:
    """Tell nobody."""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of every complete episode."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.glob("**/episode_*/*"))
        if not path.parent.name.endswith(".partial")
    }


class GivesUp:
    """A demonstrator that finds no plan from starts on the right, and none at all elsewhere."""

    def __init__(self, inner: Controller, limit_y: float) -> None:
        self._inner, self._limit_y = inner, limit_y

    @property
    def done(self) -> bool:
        return self._inner.done

    def reset(self) -> None:
        self._inner.reset()

    def act(self, time_s: float, slider: PlanarPose, pusher) -> np.ndarray:
        if time_s == 0 and slider.y > self._limit_y:
            raise PlanningError(f"the slider at y = {slider.y:.3f} m is too far left")
        return self._inner.act(time_s, slider, pusher)


@pytest.fixture
def choosy(monkeypatch: pytest.MonkeyPatch) -> str:
    def make(cell: CellConfig, rng: np.random.Generator) -> Controller:
        return GivesUp(DEMONSTRATORS["planner"](cell, rng), -0.03)

    monkeypatch.setitem(DEMONSTRATORS, "choosy", make)
    return "choosy"


@pytest.fixture
def coarse(cell: CellConfig) -> CellConfig:
    """The cell with physics that are five times as quick, and nearly the same."""
    simulation = cell.simulated.model_dump()
    simulation["physics"]["time_step_s"] = 0.005
    return cell.changed(simulation=simulation)


@pytest.mark.parametrize("world", ["source", "target"])
def test_an_episode_holds_what_was_done_and_what_came_of_it(coarse, tmp_path, world) -> None:
    cell = coarse
    generate(config_of(cell, world=world), tmp_path, 1, generated_here, silently)
    (folder,) = tmp_path.glob("episode_*")
    info, steps = EpisodeInfo.load(folder), read_steps(folder)
    task = Task.of(cell.task, cell.pusher.radius_m)
    end = PlanarPose.from_array(steps.slider[-1])
    assert info.verdict == "success"
    assert task.judge(end, steps.pusher[-1, :2], steps.duration_s).success
    assert steps.slider[0] == pytest.approx(info.generation.start, abs=1e-6)
    assert steps.pusher[0] == pytest.approx([*task.pusher_home, cell.pusher.tip_yaw_rad])
    # In the source world the pusher is where it was told to be; in the target world nearly.
    follows = np.linalg.norm(steps.action[:-1] - steps.pusher[1:, :2], axis=1)
    assert follows.max() <= (0 if world == "source" else 2e-3)
    np.testing.assert_array_equal(steps.action[-1], steps.action[-2])


def test_workers_make_the_same_bytes_as_one_alone(cell, tmp_path) -> None:
    config = config_of(cell, images=True)
    generate(config, tmp_path / "a", 3, generated_here, silently)
    generate(
        config, tmp_path / "b", 3, lambda *work: generated_by_processes(*work, workers=2), silently
    )
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) == 9
    assert "OPENBLAS_NUM_THREADS" not in set(os.environ) - set(os.environb)


def test_ray_makes_the_same_bytes(cell, tmp_path) -> None:
    pytest.importorskip("ray", reason="no ray: install pushcell[ray]")
    from pushcell.demonstrations.ray_workers import generated_by_ray
    from pushcell.processes.ray_cluster import LOCAL

    config = config_of(cell)
    generate(config, tmp_path / "a", 3, generated_here, silently)
    generate(config, tmp_path / "b", 3, lambda *work: generated_by_ray(*work, 2, LOCAL), silently)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_ray_cluster_that_is_not_there_is_told(cell) -> None:
    pytest.importorskip("ray", reason="no ray: install pushcell[ray]")
    from pushcell.demonstrations.ray_workers import generated_by_ray

    with pytest.raises(ClusterError, match=r"no Ray cluster at 127\.0\.0\.1:9"):
        next(generated_by_ray(config_of(cell), range(1), 1, "127.0.0.1:9"))


def test_any_order_and_any_number_make_the_same_episode(cell) -> None:
    generator = EpisodeGenerator(config_of(cell, images=True))
    first, again = generator.make(5), [generator.make(0), generator.make(5)][1]
    assert first == again
    assert EpisodeGenerator(config_of(cell, images=True, seed=2)).make(5) != first


def test_episodes_go_on_after_a_kill_and_none_is_lost_or_made_twice(cell, tmp_path) -> None:
    words = ["generate", "--world", "source", "--demonstrator", "planner", "--no-images"]
    words += ["--seed", "1", "--workers", "1", "--start-box", *map(str, cell.task.start_box_m)]
    words += ["--episodes", "25", "--out", str(tmp_path / "killed")]
    process = subprocess.Popen(
        [sys.executable, "-m", "pushcell.cli", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "killed").glob("episode_*/episode.yaml"))) < 5:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while _others_of_the_group(process.pid):  # its workers see that they are alone
        assert time.monotonic() < deadline
        time.sleep(0.05)
    before = contents(tmp_path / "killed")
    assert len(before) < 3 * 25
    config = config_of(cell)
    episode: list[int] = []

    def counted(
        config: GenerationConfig, indices: Iterable[int]
    ) -> Iterator[list[GeneratedEpisode]]:
        for index in indices:
            episode.append(index)
            yield from generated_here(config, [index])

    done = generate(config, tmp_path / "killed", 25, counted, silently)
    assert done.complete == 25
    assert len(episode) == 25 - len(before) / 3
    after = contents(tmp_path / "killed")
    assert {name: after[name] for name in before} == before
    generate(config, tmp_path / "whole", 25, generated_here, silently)
    assert after == contents(tmp_path / "whole")
    for folder in ("killed", "whole"):
        lines = (tmp_path / folder / "journal.jsonl").read_text().splitlines()
        assert sorted(json.loads(line)["index"] for line in lines) == list(range(25))


class Deadly(GenerationConfig):
    """Ends every process that it is sent to."""

    def __reduce__(self):
        return os._exit, (1,)


def test_workers_that_die_are_replaced_and_their_episodes_made(cell, tmp_path) -> None:
    config, killed = config_of(cell), []

    def struck(
        config: GenerationConfig, indices: Iterable[int]
    ) -> Iterator[list[GeneratedEpisode]]:
        for episode in generated_by_processes(config, indices, workers=2):
            if len(killed) < 2:
                killed.append(psutil.Process().children()[-1])
                killed[-1].kill()
            yield episode

    assert generate(config, tmp_path / "struck", 12, struck, silently).complete == 12
    assert len(killed) == 2
    generate(config, tmp_path / "whole", 12, generated_here, silently)
    assert contents(tmp_path / "struck") == contents(tmp_path / "whole")


def test_workers_that_die_again_and_again_are_an_error(cell) -> None:
    config = config_of(cell)
    deadly = Deadly(**{name: getattr(config, name) for name in config.__dataclass_fields__})
    with pytest.raises(EpisodeError, match="workers die as soon as they make episode 4"):
        list(generated_by_processes(deadly, [4, 5], workers=1))


def test_two_do_not_write_into_one_folder(cell, tmp_path) -> None:
    def nested(
        config: GenerationConfig, indices: Iterable[int]
    ) -> Iterator[list[GeneratedEpisode]]:
        generate(config, tmp_path, 1, generated_here, silently)
        yield from ()

    with pytest.raises(EpisodeError, match="another pushcell is writing there"):
        generate(config_of(cell), tmp_path, 1, nested, silently)
    assert generate(config_of(cell), tmp_path, 1, generated_here, silently).complete == 1


def _others_of_the_group(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def test_failures_are_counted_and_kept_apart_with_their_reason(cell, tmp_path, choosy) -> None:
    config = config_of(cell, demonstrator=choosy)
    done = generate(config, tmp_path, 6, generated_here, silently)
    assert done.complete == 6
    assert done.failed > 0
    lines = [json.loads(line) for line in (tmp_path / "failures.jsonl").read_text().splitlines()]
    assert len(lines) == done.failed
    for line in lines:
        assert "too far left" in line["reason"]
        assert line["start"][1] > -0.03
        kept = tmp_path / "failed" / f"episode_{line['index']:06d}_attempt_{line['attempt']}"
        assert EpisodeInfo.load(kept).verdict == "failure"
    for folder in tmp_path.glob("episode_*"):
        assert EpisodeInfo.load(folder).generation.start[1] <= -0.03
    assert generate(config, tmp_path, 6, generated_here, silently) == GenerationProgress(
        6, done.failed, 0.0
    )


def test_a_start_that_nothing_solves_names_the_episode_and_leaves_the_others(
    cell, tmp_path, monkeypatch
) -> None:
    planner = DEMONSTRATORS["planner"]

    def make(cell: CellConfig, rng: np.random.Generator) -> Controller:
        return GivesUp(planner(cell, rng), -1.0)

    generate(config_of(cell), tmp_path, 2, generated_here, silently)
    before = contents(tmp_path)
    monkeypatch.setitem(DEMONSTRATORS, "planner", make)
    with pytest.raises(
        EpisodeError, match=f"episode 2 failed {MOST_ATTEMPTS} times .* too far left"
    ):
        generate(config_of(cell), tmp_path, 3, generated_here, silently)
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    failed = {Path(name).parts[1] for name in set(after) - set(before)}
    assert failed == {f"episode_000002_attempt_{k}" for k in range(MOST_ATTEMPTS)}


def test_a_box_too_small_for_the_slider_names_the_episode(cell, tmp_path) -> None:
    task = cell.task.model_copy(update={"start_box_m": (0.1, 0.1)})
    small = cell.model_copy(update={"task": task})
    with pytest.raises(EpisodeError, match=r"episode 0: no start found .* make the box larger"):
        generate(config_of(small), tmp_path, 1, generated_here, silently)


def test_a_full_disk_names_the_episode_and_what_was_generated_stays(cell, tmp_path) -> None:
    (tmp_path / "episode_000001.partial").mkdir()
    (tmp_path / "episode_000001.partial" / ".episode.mcap").symlink_to("/dev/full")
    with pytest.raises(EpisodeError, match=r"disk is full .* episode_000001 .* run the same"):
        generate(config_of(cell), tmp_path, 3, generated_here, silently)
    assert len(contents(tmp_path)) == 3
    assert generate(config_of(cell), tmp_path, 3, generated_here, silently).complete == 3


def test_another_configuration_is_not_mixed_in(cell, tmp_path) -> None:
    generate(config_of(cell), tmp_path, 1, generated_here, silently)
    for other in (
        config_of(cell, seed=2),
        config_of(cell, "goal=2"),
        config_of(cell, world="target"),
    ):
        with pytest.raises(EpisodeError, match="choose another folder"):
            generate(other, tmp_path, 2, generated_here, silently)
    (tmp_path / "generation.yaml").write_text("")
    with pytest.raises(EpisodeError, match=r"generation.yaml is damaged"):
        generate(config_of(cell), tmp_path, 2, generated_here, silently)


def test_a_folder_in_which_nothing_was_made_takes_any_configuration(cell, tmp_path) -> None:
    generate(config_of(cell, seed=2), tmp_path, 0, generated_here, silently)
    assert generate(config_of(cell), tmp_path, 1, generated_here, silently).complete == 1


@pytest.mark.parametrize(
    "shifts", [("goal=4",), ("centre_of_mass=2",), ("centre_of_mass=4",), ("object=cross",)]
)
def test_shifted_tasks_are_solved_and_kept_in_the_objects_own_frame(cell, shifts) -> None:
    episode = EpisodeGenerator(config_of(cell, *shifts)).make(0)[-1]
    plain = EpisodeGenerator(config_of(cell)).make(0)[-1]
    if shifts[0].startswith("object"):
        assert episode.start != plain.start
        return
    assert episode.start == plain.start
    text = episode.files["episode.yaml"].decode()
    assert text != plain.files["episode.yaml"].decode()
    assert "centre_of_mass_m:\n  - 0.0\n  - 0.0\n" in text


def test_noise_moves_the_pusher_and_leaves_the_action_clean(cell, tmp_path) -> None:
    generate(config_of(cell, noise_m=0.004), tmp_path, 4, generated_here, silently)
    beside = []
    for folder in tmp_path.glob("episode_*"):
        assert EpisodeInfo.load(folder).generation.noise_m == 0.004
        steps = read_steps(folder)
        beside.append(steps.pusher[1:, :2] - steps.action[:-1])
    assert np.concatenate(beside).std(axis=0) == pytest.approx([0.004, 0.004], rel=0.3)


def test_without_a_visual_gap_the_source_world_is_drawn_as_the_target(cell, tmp_path) -> None:
    config = GenerationConfig(cell, "source", "planner", 0, Shifts(visual_gap=False))
    generate(config, tmp_path, 1, generated_here, silently)
    (folder,) = tmp_path.glob("episode_*")
    assert EpisodeInfo.load(folder).cameras == tuple(c.resized(128, 128) for c in cell.cameras)
    steps = read_steps(folder)
    renderer = SceneRenderer(cell, "target")
    from pushcell.arm.kinematics import ArmKinematics
    from pushcell.geometry import Pose

    joints = ArmKinematics(cell).home_joints(steps.pusher[0, :2])
    height = cell.simulated.physics.slider_height_m / 2
    slider = Pose.from_planar(PlanarPose.from_array(steps.slider[0]), height)
    for camera, images in steps.images.items():
        # Poses are kept in single precision: a pixel on an edge may differ.
        image = renderer.render(joints, slider, camera, (128, 128))
        assert (image != images[0]).mean() < 1e-3


def test_without_a_physics_gap_the_source_world_moves_as_the_target(coarse) -> None:
    moves = EpisodeGenerator(
        GenerationConfig(coarse, "source", "planner", 1, Shifts(physics_gap=False), images=False)
    ).make(0)
    target = EpisodeGenerator(config_of(coarse, world="target")).make(0)
    assert moves[-1].bag_sha256 == target[-1].bag_sha256


def test_what_cannot_be_made_is_refused(cell) -> None:
    with pytest.raises(ConfigError, match="no demonstrator 'nobody'; known are: planner"):
        config_of(cell, demonstrator="nobody")
    for noise_m in (-0.001, np.nan, np.inf):
        with pytest.raises(ConfigError, match="noise must be a length"):
            config_of(cell, noise_m=noise_m)
    with pytest.raises(ConfigError, match="only the source world"):
        GenerationConfig(cell, "target", "planner", 0, Shifts(visual_gap=False))


def test_the_command_tells_what_it_made(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    words = ["generate", "--world", "source", "--demonstrator", "planner", "--episodes", "3"]
    words += ["--no-images", "--workers", "1", "--out", str(tmp_path), "--json", "-"]
    assert cli.main([*words, "--shift", "goal=2", "--shift", "object=box"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["episodes"], figures["failed"]) == (3, 0)
    assert figures["real_time_factor"] > 0
    assert (tmp_path / "summary.png").stat().st_size > 10_000
    assert cli.main([*words, "--shift", "goal=3"]) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert cli.main([*words, "--start-box", "nan", "0.3"]) == 2
    assert "--start-box must be positive" in capsys.readouterr().err
    fresh = [*words[:-4], "--out", str(tmp_path / "fresh")]
    assert cli.main([*fresh, "--shift", "object=triangle", "centre_of_mass=4"]) == 2
    assert "workers die" not in capsys.readouterr().err
    assert cli.main([*words, "--cell", "nowhere.yaml"]) == 2
    assert "there is no cell 'nowhere.yaml'" in capsys.readouterr().err


def test_a_folder_of_an_older_release_is_completed(cell, tmp_path, capsys) -> None:
    config = config_of(cell, demonstrator="scripted_operator")
    generate(config, tmp_path, 1, generated_here, silently)
    new, old = tmp_path / "generation.yaml", tmp_path / "recipe.yaml"
    text = new.read_text()
    old.write_text(text.replace("scripted_operator", "operator"))
    new.unlink()
    assert generate(config, tmp_path, 2, generated_here, silently).complete == 2
    assert new.read_text() == text
    assert "recipe.yaml is now called generation.yaml" in capsys.readouterr().err
    new.unlink()
    old.write_text(text.replace("seed: ", "seed: 1"))
    with pytest.raises(EpisodeError, match="holds episodes with seed"):
        generate(config, tmp_path, 2, generated_here, silently)


def test_old_names_of_demonstrators_are_taken(tmp_path, capsys) -> None:
    words = ["--world", "source", "--episodes", "1", "--no-images", "--workers", "1"]
    assert cli.main(["generate", "--demonstrator", "steady", "--out", str(tmp_path), *words]) == 0
    assert "steady is now called memoryless_expert" in capsys.readouterr().err
    (episode,) = tmp_path.glob("episode_*")
    assert EpisodeInfo.load(episode).generation.demonstrator == "memoryless_expert"
