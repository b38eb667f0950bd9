"""Episodes that cannot be made: counted, kept apart and told, and the others stay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pushcell.config.cell import CellConfig
from pushcell.demonstrations.episode_generator import MOST_ATTEMPTS
from pushcell.demonstrations.generate import GenerationProgress, generate
from pushcell.demonstrators.controller import Controller
from pushcell.demonstrators.registry import DEMONSTRATORS
from pushcell.errors import EpisodeError, PlanningError
from pushcell.geometry import PlanarPose
from pushcell.recording.episode_info import EpisodeInfo
from tests.demonstrations.examples import config_of, contents, generated_here, silently


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
