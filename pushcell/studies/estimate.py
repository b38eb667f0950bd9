"""What a study would take, from what single steps, trials and episodes take on this machine."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from pushcell.cli import main as cli
from pushcell.errors import ConfigError
from pushcell.studies.cell_run import CellRun
from pushcell.studies.generated_sets import command, complete_episodes
from pushcell.studies.grid import StudyEpisodes, Training
from pushcell.studies.schema import Study
from pushcell.training.batches import Observation
from pushcell.training.build_policy import make_policy
from pushcell.training.config import TrainConfig
from pushcell.training.domains import DOMAIN

_STEPS = 4
_EPISODES = (2, 6)
_CHECKPOINT_COPIES = 4  # weights, their average, and the optimiser's two moments
_IN_PLACE_OF_OURS = {"pusht": "pusht_state"}


@dataclass(frozen=True)
class Estimate:
    """Of what is missing; hours with as many workers as asked for."""

    points: Sequence[str]
    complete: int
    generation_h: float
    training_h: float
    evaluation_h: float
    disk_gb: float

    def describe(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def table(self, study: Study) -> Table:
        """For people."""
        hours = self.generation_h + self.training_h + self.evaluation_h
        shown = Table(title=f"{study.title}: {len(self.points)} cells", show_header=False)
        for number, point in enumerate(self.points):
            shown.add_row(str(number + 1), point)
        shown.add_section()
        shown.add_row("complete", str(self.complete))
        shown.add_row("generating", f"{self.generation_h:.2f} h")
        shown.add_row("training", f"{self.training_h:.2f} h")
        shown.add_row("evaluating", f"{self.evaluation_h:.2f} h")
        shown.add_row("in all", f"about {hours:.2f} h, {self.disk_gb:.2f} GB")
        return shown


def estimate(
    runs: Sequence[CellRun], sets: Sequence[StudyEpisodes], out: Path, workers: int
) -> Estimate:
    """Measure single steps, trials and episodes, and multiply; takes some ten seconds."""
    trainings = _missing(runs, out)
    trials = sum(run.evaluated.trials for run in runs if run.evaluated and not run.complete)
    generated = [_generation(one, out) for one in sets if one.spec.path is None]
    timed: dict[str, float] = {}
    training_s, weights = 0.0, 0
    for training in trainings:
        config = training.config
        parts = (config.policy, config.observation, config.training, config.domains)
        key = json.dumps([part and part.model_dump(mode="json") for part in parts])
        if key not in timed:
            timed[key] = _step_s(config)
        training_s += timed[key] * config.training.steps
        weights += sum(part.numel() for part in make_policy(config).parameters())
    trial_s = _trial_s(runs[0]) if trials else 0.0
    at_once = max(1, min(workers, len(trainings) or len(runs)))
    return Estimate(
        [run.cell.name for run in runs],
        sum(run.complete for run in runs),
        sum(seconds for seconds, _ in generated) / workers / 3600,
        training_s / at_once / 3600,
        trials * trial_s / at_once / 3600,
        (sum(size for _, size in generated) + 4 * _CHECKPOINT_COPIES * weights) / 1e9,
    )


def _quietly(words: Sequence[str]) -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = cli.main(words)
    if code:
        raise ConfigError(f"pushcell {words[0]} ended with {code}: {said.getvalue().strip()}")


def _missing(runs: Sequence[CellRun], out: Path) -> list[Training]:
    """The trainings still to be done, each once."""
    found: dict[str, Training] = {}
    for run in runs:
        for training in (run.cell.training, run.cell.training.start_from):
            if training and not (training.folder(out) / "trained.json").exists():
                found[training.digest] = training
    return list(found.values())


def _step_s(config: TrainConfig) -> float:
    """Seconds of a training step with one thread, on random numbers."""
    torch.set_num_threads(1)
    policy, batch, seen = make_policy(config), config.training.batch_size, config.observation
    observation: Observation = {
        "pusher": torch.rand(batch, seen.steps, 3),
        "slider": torch.rand(batch, seen.steps, 3),
        "goal": torch.rand(batch, 3),
        "domain": torch.eye(DOMAIN)[torch.arange(batch) % DOMAIN],
    }
    if seen.vision is not None:
        width, height = seen.vision.crop_px
        for camera in seen.vision.cameras:
            observation[f"{camera}_image"] = torch.rand(batch, seen.steps, 3, height, width)
    chunk = torch.rand(batch, config.action.horizon, 2)
    optimiser = torch.optim.AdamW(policy.parameters(), lr=0.0)
    reduced = config.device.precision == "bf16-mixed"

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            loss = policy(observation, chunk)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    step()
    began = time.perf_counter()
    for _ in range(_STEPS):
        step()
    return (time.perf_counter() - began) / _STEPS


def _trial_s(run: CellRun) -> float:
    """Seconds of a trial, with a shipped policy in the place of those to come."""
    assert run.evaluated is not None
    policy = _IN_PLACE_OF_OURS.get(run.evaluated.world, "target_state")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        _quietly(run.evaluation(Path(policy), report, trials=2))
        return float(json.loads(report.read_text(encoding="utf-8"))["seconds"]) / 2


def _generation(one: StudyEpisodes, out: Path) -> tuple[float, float]:
    """Seconds of one worker, and bytes, of the episodes that are still to be made."""
    there = complete_episodes(one.folder(out))
    if there >= one.episodes:
        return 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        made, told = Path(folder) / "episodes", Path(folder) / "told.json"
        seconds = []
        for count in _EPISODES:
            _quietly([*command(one, made, 1, count), "--json", str(told)])
            seconds.append(json.loads(told.read_text(encoding="utf-8"))["seconds"])
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    few, many = _EPISODES
    each_s = max(0.0, seconds[1] - seconds[0]) / (many - few - few)  # the start-up counts in both
    return each_s * (one.episodes - there), size / _EPISODES[1] * (one.episodes - there)
