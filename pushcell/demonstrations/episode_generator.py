"""Generates one episode after the other; nothing of one lasts into the next."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from pushcell.demonstrations.episode_renderer import EpisodeRenderer
from pushcell.demonstrations.generation_config import GenerationConfig
from pushcell.demonstrations.noise_injection import NoisyExpert, run_labelled
from pushcell.demonstrators.registry import demonstrator
from pushcell.errors import EpisodeError, PlanningError
from pushcell.geometry import Array, PlanarPose
from pushcell.recording.episode_info import EpisodeInfo, GenerationInfo, configuration_sha256
from pushcell.recording.episode_steps import episode_files
from pushcell.recording.steps import Steps
from pushcell.recording.store import BAG_FILE
from pushcell.simulation.closed_loop import TrialResult, run_closed_loop
from pushcell.simulation.shifts import VisualRandomization, Visuals, physics_of, shifted_cell
from pushcell.simulation.source_world import SourceWorld
from pushcell.simulation.target_world import TargetWorld
from pushcell.simulation.world import PushingWorld
from pushcell.task import Judgement, Task

RATE_HZ = 10.0
MOST_ATTEMPTS = 20


@dataclass(frozen=True)
class GeneratedEpisode:
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


class EpisodeGenerator:
    """For one configuration. Only the renderer is kept, which is slow to build."""

    def __init__(self, config: GenerationConfig) -> None:
        self._config = config
        shifts = config.shifts
        self._cell = shifted_cell(config.cell, shifts)
        # Where the middle of the outline is; poses are kept of it, whatever the centre of mass.
        offset = np.array(self._cell.task.centre_of_mass_m) - config.cell.task.centre_of_mass_m
        self._frame_in_slider = PlanarPose.from_array([*-offset, 0]) if offset.any() else None
        radius = config.cell.pusher.radius_m
        self._task = Task.of(self._cell.task, radius)
        self._kept_task = self._cell.task.changed(
            centre_of_mass_m=config.cell.task.centre_of_mass_m,
            goal=self._kept(self._task.goal).as_array().tolist(),
        )
        self._judging_task = Task.of(self._kept_task, radius)
        # Starts are the same wherever the goal is shifted to.
        starts = self._kept_task.changed(goal=config.cell.task.goal)
        self._starting_task = Task.of(starts, radius)
        self._randomization = VisualRandomization(config.cell, config.world, shifts)
        self._renderer = (
            EpisodeRenderer(self._cell, config.image_px, self._randomization.vary)
            if config.images
            else None
        )

    def make(self, index: int) -> list[GeneratedEpisode]:
        """The attempts at one episode: until one succeeds, or `MOST_ATTEMPTS` have failed."""
        attempts: list[GeneratedEpisode] = []
        while len(attempts) < MOST_ATTEMPTS and not (attempts and attempts[-1].success):
            attempts.append(self._attempt(index, len(attempts)))
        return attempts

    def _attempt(self, index: int, attempt: int) -> GeneratedEpisode:
        seeds = np.random.SeedSequence([self._config.seed, index, attempt])
        start_rng, noise_rng, visuals_rng = (np.random.default_rng(s) for s in seeds.spawn(3))
        try:
            start = self._start(start_rng)
        except PlanningError as error:
            raise EpisodeError(f"episode {index}: {error}") from None
        place = (start.x, start.y, start.theta)
        try:
            trial = self._run(start, noise_rng)
            visuals = self._randomization.draw(visuals_rng)
            steps, judgement = self._steps(trial, visuals)
        except PlanningError as error:
            return GeneratedEpisode(index, attempt, False, str(error), place, 0, {})
        succeeded = judgement.success or trial.success
        reason = judgement.reason if succeeded else trial.reason  # which tells who gave up
        episode = GeneratedEpisode(index, attempt, judgement.success, reason, place, len(steps), {})
        files = episode_files(steps, self._info(episode, visuals), self._cell)
        return GeneratedEpisode(index, attempt, judgement.success, reason, place, len(steps), files)

    def _start(self, rng: np.random.Generator) -> PlanarPose:
        """Where the slider starts; not where nothing would be left to do."""
        while True:
            start = self._starting_task.sample_start(rng)
            if not self._judging_task.judge(start, self._task.pusher_home, 0.0).success:
                return start

    def _run(self, start: PlanarPose, noise_rng: np.random.Generator) -> TrialResult:
        world: PushingWorld
        if physics_of(self._config.world, self._config.shifts) == "source":
            world = SourceWorld(self._cell)
        else:
            world = TargetWorld(self._cell)
        controller = demonstrator(self._config.demonstrator)(self._cell, noise_rng)
        slider = start
        if self._frame_in_slider is not None:
            slider = start @ self._frame_in_slider.inverse()
        world.reset(slider, self._task.pusher_home)
        if not self._config.noise_m:
            return run_closed_loop(world, controller, self._task, RATE_HZ)
        noisy_expert = NoisyExpert(controller, self._cell, noise_rng, self._config.noise_m)
        return run_labelled(world, noisy_expert, self._task, RATE_HZ)

    def _kept(self, slider: PlanarPose) -> PlanarPose:
        """The pose that is kept of the slider, of the middle of its outline."""
        return slider if self._frame_in_slider is None else slider @ self._frame_in_slider

    def _steps(self, trial: TrialResult, visuals: Visuals) -> tuple[Steps, Judgement]:
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
            self._renderer.images(trial, visuals) if self._renderer else {},
        )
        return steps, judgement

    def _info(self, episode: GeneratedEpisode, visuals: Visuals) -> EpisodeInfo:
        config, shifts = self._config, self._config.shifts
        cameras = self._renderer.cameras(visuals) if self._renderer else ()
        return EpisodeInfo(
            name=episode.name,
            origin="generated",
            task=self._kept_task,
            verdict="success" if episode.success else "failure",
            reason=episode.reason,
            rate_hz=RATE_HZ,
            steps=episode.steps,
            cameras=cameras,
            configuration_sha256=configuration_sha256(config.cell),
            generation=GenerationInfo(
                world=config.world,
                demonstrator=config.demonstrator,
                seed=config.seed,
                index=episode.index,
                attempt=episode.attempt,
                start=episode.start,
                noise_m=config.noise_m,
                shifts=dict(sorted(shifts.levels.items())),
                visual_gap=shifts.visual_gap,
                physics_gap=shifts.physics_gap,
            ),
        )


def _single(values: Array) -> Array:
    """Rounded to single precision, 0.03 um here: so every format keeps them exactly."""
    return values.astype(np.float32).astype(np.float64)
