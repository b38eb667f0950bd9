"""The Push-T benchmark: a bundle in gym-pusht, scored in both of the usual ways."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import gym_pusht  # noqa: F401 - its import registers the environment
import gymnasium
import numpy as np
from rich.table import Table

from policy_server.bundle import load_policy
from policy_server.chunking import scheduler
from policy_server.delay import InjectedDelay
from policy_server.policy import Policy
from pushcell.errors import ConfigError
from pushcell.evaluation.pictures import Ground
from pushcell.evaluation.statistics import wilson_interval
from pushcell.evaluation.stepped_policy import SteppedPolicy
from pushcell.evaluation.trial import thinned
from pushcell.geometry import PlanarPose
from pushcell.task import PUSHT_OUTLINE

STEPS = 300
RATE_HZ = 10.0
GOAL = np.array([256.0, 256.0, math.pi / 4])
COVERED = 0.95
_BOARD = np.array([[0.0, 0.0], [512.0, 0.0], [512.0, 512.0], [0.0, 512.0]])
_STEM = np.array([0.0, 60.0])
_DIGITS = 12


@dataclass(frozen=True)
class PushTEvaluation:
    """What decides about every trial but its seed; raises ConfigError for what cannot be run."""

    policy: str
    chunking: str = "receding"
    delay: InjectedDelay = field(default_factory=InjectedDelay)

    def __post_init__(self) -> None:
        manifest = _load(self.policy).manifest
        if manifest.task.kind != "pusht" or manifest.rate_hz != RATE_HZ:
            raise ConfigError(
                f"{self.policy} is for the task {manifest.task.kind} at {manifest.rate_hz} Hz, "
                f"--world pusht needs pusht at {RATE_HZ} Hz"
            )
        scheduler(self.chunking, manifest)

    def run(self, seed: int) -> PushTTrial:
        """The trial whose environment is reset with that seed; it always takes all steps."""
        policy = _load(self.policy)
        cameras = policy.manifest.observation.cameras
        seen = "pixels" if cameras else "state"
        environment: Any = gymnasium.make("gym_pusht/PushT-v0", obs_type=seen).unwrapped
        driver = SteppedPolicy(policy, GOAL, self.chunking, self.delay, seed)
        image, _ = environment.reset(seed=seed)
        start, coverages, states = _state(environment), [], []
        for step in range(STEPS):
            time_s, state = step / RATE_HZ, _state(environment)
            states.append([*state[2:], *state[:2]])
            driver.observer.push_pose("pusher", time_s, [*state[:2], 0.0])
            driver.observer.push_pose("slider", time_s, state[2:])
            for camera in cameras:
                driver.observer.push_image(camera.name, time_s, image)
            target = driver.next_position(time_s)
            image, _, _, _, info = environment.step(state[:2] if target is None else target)
            # It adds the T's two parts in the order of a set, which is another in each process.
            coverages.append(round(float(info["coverage"]), _DIGITS))
        environment.close()
        return PushTTrial(
            seed,
            start,
            max(coverages) > COVERED,
            coverages[-1] > COVERED,
            max(coverages),
            coverages[-1],
            thinned(np.array(states)),
        )

    @property
    def ground(self) -> Ground:
        """What its trials are drawn on."""
        goal = PlanarPose.from_array(GOAL)
        return Ground(
            f"{self.policy} in Push-T", PUSHT_OUTLINE, _STEM, goal, _BOARD, "px", down=True
        )


@dataclass(frozen=True)
class PushTTrial:
    """How the trial of one seed went; ``start`` is agent x y, block x y theta [px, rad]."""

    seed: int
    start: tuple[float, ...]
    success: bool
    final_success: bool
    best_coverage: float
    final_coverage: float
    way: tuple[tuple[float, ...], ...] = ()  # some of its states: block x y theta, agent x y

    @property
    def reason(self) -> str:
        """How near it came."""
        return f"{self.best_coverage:.1%} covered at best"

    def describe(self) -> dict[str, Any]:
        """Plain values, without the way."""
        values = {**asdict(self), "start": list(self.start)}
        del values["way"]
        return values


def figures(evaluation: PushTEvaluation, trials: Sequence[PushTTrial]) -> dict[str, Any]:
    """All there is to tell, as plain values; the trials in the order of their seeds."""
    trials = sorted(trials, key=lambda trial: trial.seed)
    count = len(trials)
    sticky, final = (sum(getattr(t, n) for t in trials) for n in ("success", "final_success"))
    best = np.array([trial.best_coverage for trial in trials])
    return {
        "policy": evaluation.policy,
        "world": "pusht",
        "chunking": evaluation.chunking,
        "delay_s": list(asdict(evaluation.delay).values()),
        "trials": count,
        "successes": sticky,
        "success_rate": sticky / count,
        "wilson95": list(wilson_interval(sticky, count)),
        "sticky_success_rate": sticky / count,
        "final_success_rate": final / count,
        "final_wilson95": list(wilson_interval(final, count)),
        "mean_best_coverage": float(best.mean()),
        "mean_final_coverage": float(np.mean([trial.final_coverage for trial in trials])),
        "mean_best_reward": float(np.minimum(best / COVERED, 1).mean()),
        "definitions": _DEFINITIONS,
        "per_trial": [trial.describe() for trial in trials],
    }


def table(shown: dict[str, Any]) -> Table:
    """The figures for people."""
    result = Table(title=f"{shown['policy']} in Push-T", show_header=False)
    result.add_row("trials", str(shown["trials"]))
    for name, rate, interval in (
        ("over 95 % at any time", "sticky_success_rate", "wilson95"),
        ("over 95 % at the end", "final_success_rate", "final_wilson95"),
    ):
        low, high = shown[interval]
        result.add_row(name, f"{shown[rate]:.1%}, 95 % interval {low:.1%} to {high:.1%}")
    for name in ("mean_best_coverage", "mean_final_coverage", "mean_best_reward"):
        result.add_row(name.replace("_", " "), f"{shown[name]:.3f}")
    return result


_DEFINITIONS = {
    "success": f"sticky: coverage of the goal above {COVERED} after any of {STEPS} steps",
    "final_success": f"coverage above {COVERED} after step {STEPS}; a success does not end a trial",
    "coverage": "share of the goal's area that the block covers",
    "mean_best_reward": f"mean over trials of min(best coverage / {COVERED}, 1)",
    "seed": "trial i resets the environment with the evaluation's seed plus i",
}


def _state(environment: Any) -> tuple[float, ...]:
    """Agent x y, block x y theta [px, rad]."""
    agent, block = environment.agent, environment.block
    return (*agent.position, *block.position, block.angle)


@functools.lru_cache(maxsize=1)
def _load(path: str) -> Policy:
    return load_policy(path)
