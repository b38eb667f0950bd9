"""Makes one episode after the other; nothing of one lasts into the next."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from pushcell.demonstrations.episode_renderer import Photographer
from pushcell.demonstrations.noise_injection import NoisyHand, run_labelled
from pushcell.demonstrations.recipe import Recipe
from pushcell.demonstrators.registry import demonstrator
from pushcell.errors import EpisodeError, PlanningError
from pushcell.geometry import Array, PlanarPose
from pushcell.recording.episode_info import EpisodeInfo, GenerationInfo, configuration_sha256
from pushcell.recording.episode_steps import episode_files
from pushcell.recording.steps import Steps
from pushcell.recording.store import BAG_FILE
from pushcell.simulation.closed_loop import TrialResult, run_closed_loop
from pushcell.simulation.shifts import Look, Looks, physics_of, shifted_cell
from pushcell.simulation.source_world import SourceWorld
from pushcell.simulation.target_world import TargetWorld
from pushcell.simulation.world import PushingWorld
from pushcell.task import Judgement, Task

RATE_HZ = 10.0
MOST_ATTEMPTS = 20


@dataclass(frozen=True)
class Made:
    """The files of one attempt, ready for the disk; none where there was nothing to keep."""

    index: int
    attempt: int
    success: bool
    reason: str
    start: tuple[float, float, float]
    steps: int
    files: dict[str, bytes]

    @property
    def name(self) -> str:
        """Of the episode's folder."""
        return f"episode_{self.index:06d}" + ("" if self.success else f"_attempt_{self.attempt}")

    @property
    def duration_s(self) -> float:
        """Simulated."""
        return max(0, self.steps - 1) / RATE_HZ

    @property
    def bag_sha256(self) -> str:
        """Of the recorded messages."""
        return hashlib.sha256(self.files.get(BAG_FILE, b"")).hexdigest()


class EpisodeMaker:
    """For one recipe. All that is kept is the renderer, which is slow to build."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        shifts = recipe.shifts
        self._cell = shifted_cell(recipe.cell, shifts)
        # Where the middle of the outline is; poses are kept of it, whatever the centre of mass.
        offset = np.array(self._cell.task.centre_of_mass_m) - recipe.cell.task.centre_of_mass_m
        self._frame_in_slider = PlanarPose.from_array([*-offset, 0]) if offset.any() else None
        radius = recipe.cell.pusher.radius_m
        self._task = Task.of(self._cell.task, radius)
        self._kept_task = self._cell.task.changed(
            centre_of_mass_m=recipe.cell.task.centre_of_mass_m,
            goal=self._kept(self._task.goal).as_array().tolist(),
        )
        self._judging_task = Task.of(self._kept_task, radius)
        # Starts are the same wherever the goal is shifted to.
        starts = self._kept_task.changed(goal=recipe.cell.task.goal)
        self._starting_task = Task.of(starts, radius)
        self._looks = Looks(recipe.cell, recipe.world, shifts)
        self._photographer = (
            Photographer(self._cell, recipe.image_px, self._looks.vary) if recipe.images else None
        )

    def make(self, index: int) -> list[Made]:
        """The attempts at one episode: until one succeeds, or `MOST_ATTEMPTS` have failed."""
        attempts: list[Made] = []
        while len(attempts) < MOST_ATTEMPTS and not (attempts and attempts[-1].success):
            attempts.append(self._attempt(index, len(attempts)))
        return attempts

    def _attempt(self, index: int, attempt: int) -> Made:
        seeds = np.random.SeedSequence([self._recipe.seed, index, attempt])
        start_rng, whims, look_rng = (np.random.default_rng(s) for s in seeds.spawn(3))
        try:
            start = self._start(start_rng)
        except PlanningError as error:
            raise EpisodeError(f"episode {index}: {error}") from None
        place = (start.x, start.y, start.theta)
        try:
            trial = self._run(start, whims)
            look = self._looks.draw(look_rng)
            steps, judgement = self._steps(trial, look)
        except PlanningError as error:
            return Made(index, attempt, False, str(error), place, 0, {})
        succeeded = judgement.success or trial.success
        reason = judgement.reason if succeeded else trial.reason  # which tells who gave up
        made = Made(index, attempt, judgement.success, reason, place, len(steps), {})
        files = episode_files(steps, self._info(made, look), self._cell)
        return Made(index, attempt, judgement.success, reason, place, len(steps), files)

    def _start(self, rng: np.random.Generator) -> PlanarPose:
        """Where the slider starts; not where nothing would be left to do."""
        while True:
            start = self._starting_task.sample_start(rng)
            if not self._judging_task.judge(start, self._task.pusher_home, 0.0).success:
                return start

    def _run(self, start: PlanarPose, whims: np.random.Generator) -> TrialResult:
        world: PushingWorld
        if physics_of(self._recipe.world, self._recipe.shifts) == "source":
            world = SourceWorld(self._cell)
        else:
            world = TargetWorld(self._cell)
        controller = demonstrator(self._recipe.demonstrator)(self._cell, whims)
        slider = start
        if self._frame_in_slider is not None:
            slider = start @ self._frame_in_slider.inverse()
        world.reset(slider, self._task.pusher_home)
        if not self._recipe.noise_m:
            return run_closed_loop(world, controller, self._task, RATE_HZ)
        noisy = NoisyHand(controller, self._cell, whims, self._recipe.noise_m)
        return run_labelled(world, noisy, self._task, RATE_HZ)

    def _kept(self, slider: PlanarPose) -> PlanarPose:
        """The pose that is kept of the slider, of the middle of its outline."""
        return slider if self._frame_in_slider is None else slider @ self._frame_in_slider

    def _steps(self, trial: TrialResult, look: Look) -> tuple[Steps, Judgement]:
        pushers = trial.pusher_positions
        sliders = [self._kept(PlanarPose.from_array(row)) for row in trial.slider_poses]
        judgement = self._judging_task.judge(sliders[-1], pushers[-1], trial.duration_s)
        # At the last step the pusher is told to stay where it has been told to be.
        actions = np.vstack([trial.actions, trial.actions[-1:] if len(trial.actions) else pushers])
        yaw = self._cell.pusher.tip_yaw_rad
        steps = Steps(
            RATE_HZ,
            _single(np.column_stack([pushers, np.full(len(pushers), yaw)])),
            _single(np.array([slider.as_array() for slider in sliders])),
            _single(actions),
            _single(self._judging_task.goal.as_array()),
            self._photographer.images(trial, look) if self._photographer else {},
        )
        return steps, judgement

    def _info(self, made: Made, look: Look) -> EpisodeInfo:
        recipe, shifts = self._recipe, self._recipe.shifts
        cameras = self._photographer.cameras(look) if self._photographer else ()
        return EpisodeInfo(
            name=made.name,
            origin="generated",
            task=self._kept_task,
            verdict="success" if made.success else "failure",
            reason=made.reason,
            rate_hz=RATE_HZ,
            steps=made.steps,
            cameras=cameras,
            configuration_sha256=configuration_sha256(recipe.cell),
            generation=GenerationInfo(
                world=recipe.world,
                demonstrator=recipe.demonstrator,
                seed=recipe.seed,
                index=made.index,
                attempt=made.attempt,
                start=made.start,
                noise_m=recipe.noise_m,
                shifts=dict(sorted(shifts.levels.items())),
                visual_gap=shifts.visual_gap,
                physics_gap=shifts.physics_gap,
            ),
        )


def _single(values: Array) -> Array:
    """Rounded to single precision, 0.03 um here: so every format keeps them exactly."""
    return values.astype(np.float32).astype(np.float64)
