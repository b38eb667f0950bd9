"""The same starts under every chunking and every delay; what has been run is kept on the disk."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from policy_server.bundle_files import read_manifest
from policy_server.delay import InjectedDelay
from pushcell.config.cell import CellConfig
from pushcell.errors import ConfigError
from pushcell.evaluation.trial import Evaluation
from pushcell.evaluation.workers import run_trials

TRIALS = "trials.jsonl"


@dataclass(frozen=True)
class Condition:
    """One cell of the grid."""

    chunking: str
    delay: str  # as `InjectedDelay.parse` takes it


@dataclass(frozen=True)
class DelayTrial:
    """How the trial of a seed went under a condition; ``trial`` as `Trial.describe` tells it."""

    condition: Condition
    trial: dict[str, Any]


@dataclass(frozen=True)
class _Jobs:
    """`SeededTrials` whose seeds are numbers of jobs."""

    evaluations: dict[Condition, Evaluation]
    jobs: tuple[tuple[Condition, int], ...]

    def run(self, seed: int) -> DelayTrial:
        """The job of that number."""
        condition, start = self.jobs[seed]
        return DelayTrial(condition, self.evaluations[condition].run(start).describe())


class DelayStudy:
    """Raises ConfigError for what cannot be run, before anything is."""

    def __init__(
        self,
        cell: CellConfig,
        policy: Path,
        chunkings: tuple[str, ...],
        delays: tuple[str, ...],
        time_step_s: float | None,
    ) -> None:
        sha256 = read_manifest(policy).sha256
        self.conditions = [Condition(*pair) for pair in itertools.product(chunkings, delays)]
        if len(set(self.conditions)) < len(self.conditions):
            raise ConfigError("each chunking and each delay may be named once")
        self._evaluations = {
            condition: Evaluation(
                cell,
                str(policy),
                "target",
                time_step_s,
                condition.chunking,
                InjectedDelay.parse(condition.delay),
            )
            for condition in self.conditions
        }
        self.settings = {
            "policy": str(policy),
            "sha256": sha256,
            "world": "target",
            "time_step_s": time_step_s or cell.simulated.physics.time_step_s,
            "motion": "guarded",
        }
        """What all of its trials have in common."""

    def run(self, seeds: range, workers: int, folder: Path) -> Iterator[DelayTrial]:
        """All outcomes of these seeds: first those that the folder has, then the others as they
        come, which are added there. Raises ConfigError for the folder of another study."""
        file = folder / TRIALS
        known = self._read(file)
        wanted = [(condition, seed) for seed in seeds for condition in self.conditions]
        yield from (known[job] for job in wanted if job in known)
        jobs = tuple(job for job in wanted if job not in known)
        with file.open("a", encoding="utf-8") as lines:
            for outcome in run_trials(_Jobs(self._evaluations, jobs), range(len(jobs)), workers):
                lines.write(json.dumps(asdict(outcome)) + "\n")
                lines.flush()
                yield outcome

    def _read(self, file: Path) -> dict[tuple[Condition, int], DelayTrial]:
        """What was run before; a new file begins with the study's settings."""
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(json.dumps(self.settings) + "\n", encoding="utf-8")
        settings, *lines = file.read_text(encoding="utf-8").splitlines()
        if json.loads(settings) != json.loads(json.dumps(self.settings)):
            raise ConfigError(f"{file} is of another study: {settings}, and not {self.settings}")
        found = {}
        for line in lines:
            values = json.loads(line)
            condition = Condition(**values["condition"])
            found[condition, values["trial"]["seed"]] = DelayTrial(condition, values["trial"])
        return found
