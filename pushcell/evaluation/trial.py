"""One trial of an evaluation: a pure function of its seed."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from policy_server.bundle import load_policy
from policy_server.chunking import scheduler
from policy_server.compatibility import check_fits_cell
from policy_server.delay import InjectedDelay
from policy_server.policy import BundlePolicy
from pushcell.config.cell import CellConfig
from pushcell.demonstrators.registry import DEMONSTRATORS, demonstrator
from pushcell.errors import ConfigError, PushcellError
from pushcell.evaluation.bundle_controller import BundleController, Watch
from pushcell.evaluation.guarded_loop import Smoothness, lookahead_s, run_guarded
from pushcell.evaluation.pictures import Ground
from pushcell.evaluation.simulated_cameras import SimulatedCameras
from pushcell.evaluation.stepped_policy import NoChunkError
from pushcell.geometry import Array, PlanarPose
from pushcell.simulation.closed_loop import TrialResult, run_closed_loop
from pushcell.simulation.shifted_world import CENTRE_OF_MASS, OutlineFrameWorld, told_cell
from pushcell.simulation.shifts import (
    FRAME_LOSS,
    LATENCY_S,
    VISUAL_SHIFTS,
    Shifts,
    World,
    shifted_cell,
)
from pushcell.simulation.source_world import SourceWorld
from pushcell.simulation.target_world import TargetWorld
from pushcell.simulation.world import PushingWorld
from pushcell.task import Task

Motion = Literal["guarded", "direct"]

_CHUNKING = "receding"
_WAY_STATES = 40
_CONTROLLER_STREAM = 1  # the start's generator has the seed alone, the controller's this beside it


class NoStartError(PushcellError):
    """A shift leaves nothing to be tried from a start."""


@dataclass(frozen=True)
class Evaluation:
    """What decides about every trial but its seed; raises ConfigError for what cannot be run."""

    cell: CellConfig
    policy: str
    world: World
    time_step_s: float | None = None  # of the target world; None: the cell's
    chunking: str | None = None  # of a bundle; None: receding horizon
    delay: InjectedDelay = field(default_factory=InjectedDelay)  # of a bundle
    motion: Motion = "guarded"  # of a bundle
    shifts: Shifts = field(default_factory=Shifts)  # of the world, of which a bundle is not told

    def __post_init__(self) -> None:
        if self.is_bundle:
            manifest = self.loaded.manifest
            check_fits_cell(manifest, self.cell, self.policy)
            scheduler(self.chunking or _CHUNKING, manifest)
        else:
            demonstrator(self.policy)
            if self.chunking is not None or self.delay != InjectedDelay():
                raise ConfigError(f"{self.policy} is no bundle: it has no --chunking, no --delay")
            if late := [name for name in ("latency", "frame_loss") if name in self.shifts.levels]:
                raise ConfigError(f"{self.policy} is no bundle: {late[0]} shifts nothing for it")
        if self.world == "source" and self.time_step_s is not None:
            raise ConfigError("the source world is quasi-static and has no --time-step")
        if self.time_step_s is not None and not 0 < self.time_step_s <= 0.01:
            raise ConfigError(f"--time-step must be above 0 and at most 0.01 s: {self.time_step_s}")
        unseen = [name for name in VISUAL_SHIFTS if name in self.shifts.levels]
        if unseen and not self.sees_images:
            raise ConfigError(f"{self.policy} sees no images: {unseen[0]} shifts nothing for it")

    @functools.cached_property
    def told_cell(self) -> CellConfig:
        """The shifted cell as its cameras see it and as poses are told, judged and drawn."""
        return told_cell(self.cell, self.shifts)

    @property
    def task(self) -> Task:
        """What is to be done."""
        return Task.of(self.told_cell.task, self.cell.pusher.radius_m)

    def run(self, seed: int) -> Trial:
        """The trial of that seed, in a world of its own."""
        task, start, world = self.task, self._start(seed), self._make_world()
        try:
            self._begin(world, start)
            result, smoothness = self._push(world, task, seed)
        except (NoChunkError, NoStartError) as error:
            where = (start.x, start.y, start.theta)
            return Trial(seed, where, False, str(error), None, None, world.time_s, void=True)
        return Trial(
            seed,
            (start.x, start.y, start.theta),
            result.success,
            result.reason,
            result.position_error_m,
            result.angle_error_rad,
            result.duration_s,
            smoothness,
            thinned(np.hstack([result.slider_poses, result.pusher_positions])),
        )

    def rollout(self, seed: int, watch: Watch | None = None) -> TrialResult:
        """The states of the trial of that seed, one per period of the policy.

        ``watch`` is told of each moment whose images a bundle takes. Raises NoChunkError for a
        bundle that fails, or gives no chunk.
        """
        world = self._make_world()
        self._begin(world, self._start(seed))
        return self._push(world, self.task, seed, watch)[0]

    def _start(self, seed: int) -> PlanarPose:
        """Where the outline is at first: the same under every shift."""
        own = Task.of(self.cell.task, self.cell.pusher.radius_m)
        return own.sample_start(np.random.default_rng(seed))

    def _begin(self, world: PushingWorld, start: PlanarPose) -> None:
        """Raises NoStartError where a shifted slider or goal leaves no trial to be run."""
        task = self.task
        if self.shifts.levels and task.judge(start, task.pusher_home, 0.0).success:
            raise NoStartError("the slider begins at the shifted goal")
        try:
            world.reset(start, task.pusher_home)
        except PushcellError as error:
            if not self.shifts.levels:
                raise
            raise NoStartError(f"another slider does not fit there: {error}") from error

    def _push(
        self, world: PushingWorld, task: Task, seed: int, watch: Watch | None = None
    ) -> tuple[TrialResult, Smoothness | None]:
        """Raises NoChunkError for a bundle that fails, or gives no chunk."""
        if not self.is_bundle:
            rng = np.random.default_rng([seed, _CONTROLLER_STREAM])
            controller = demonstrator(self.policy)(self.told_cell, rng)
            return run_closed_loop(world, controller, task), None
        smoothness = None
        if self.motion == "direct":
            driven, rate_hz = self._bundle(seed, 0.0, watch)
            result = run_closed_loop(world, driven, task, rate_hz, ends_at_success=True)
        else:
            driven, _ = self._bundle(seed, lookahead_s(self.cell), watch)
            result, smoothness = run_guarded(world, driven, task, self.cell)
        if not driven.stepped_policy.gave_chunk:
            raise NoChunkError("the policy gave no chunk in time")
        return result, smoothness

    @property
    def ground(self) -> Ground:
        """What its trials are drawn on."""
        task, workspace = self.task, self.cell.workspace.polygon
        return Ground(
            f"{self.policy} in the {self.world} world",
            task.shape.outline,
            np.array([0.0, -0.6 * task.shape.radius_m]),
            task.goal,
            workspace.vertices,
            "m",
        )

    @property
    def is_bundle(self) -> bool:
        """Whether a bundle pushes, and not one of the demonstrators."""
        return self.policy not in DEMONSTRATORS

    @property
    def sees_images(self) -> bool:
        """Whether it is a bundle with cameras."""
        return self.is_bundle and self.loaded.manifest.has_cameras

    @property
    def loaded(self) -> BundlePolicy:
        """The bundle that pushes; built once in a process."""
        return _load(self.policy)

    def _bundle(
        self, seed: int, lookahead_s: float, watch: Watch | None
    ) -> tuple[BundleController, float]:
        """The bundle's controller, and its rate [Hz]."""
        policy, cameras = self.loaded, None
        if policy.manifest.has_cameras:
            shifts = tuple(sorted(self.shifts.levels.items()))
            cell = self.cell.model_dump_json()
            cameras = _simulated_cameras(self.policy, cell, self.world, shifts)
        late_s = self.shifts.value("latency", LATENCY_S)
        controller = BundleController(
            self.told_cell,
            policy,
            self.chunking or _CHUNKING,
            InjectedDelay(self.delay.low_s + late_s, self.delay.high_s + late_s),
            seed,
            cameras,
            lookahead_s,
            watch,
            self.shifts.value("frame_loss", FRAME_LOSS),
        )
        return controller, policy.manifest.rate_hz

    def _make_world(self) -> PushingWorld:
        shifted = shifted_cell(self.cell, self.shifts)
        world: PushingWorld = (
            SourceWorld(shifted)
            if self.world == "source"
            else TargetWorld(shifted, self.time_step_s)
        )
        moved = CENTRE_OF_MASS in self.shifts.levels
        return OutlineFrameWorld(world, self.cell, shifted) if moved else world


@dataclass(frozen=True)
class Trial:
    """How the trial of one seed went.

    One that is ``void`` says nothing about how well the policy pushes: it failed, or gave no chunk.
    """

    seed: int
    start: tuple[float, float, float]  # of the slider [m, m, rad]
    success: bool
    reason: str
    position_error_m: float | None  # None of a void trial
    angle_error_rad: float | None
    duration_s: float
    smoothness: Smoothness | None = None  # of a bundle's guarded motion
    way: tuple[tuple[float, ...], ...] = ()  # some of its states: slider x y theta, pusher x y
    void: bool = False

    def describe(self) -> dict[str, Any]:
        """Plain values, without the way."""
        values = {**asdict(self), "start": list(self.start)}
        del values["way"]
        return values


def thinned(states: Array) -> tuple[tuple[float, ...], ...]:
    """At most some of the rows, evenly from the first to the last."""
    rows = np.linspace(0, len(states) - 1, min(len(states), _WAY_STATES)).round().astype(int)
    return tuple(tuple(row) for row in states[rows].tolist())


# A worker runs many trials; what is slow to build is built once.


@functools.lru_cache(maxsize=1)
def _load(path: str) -> BundlePolicy:
    return load_policy(path)


@functools.lru_cache(maxsize=1)
def _simulated_cameras(
    path: str, cell_json: str, world: World, shifts: tuple[tuple[str, str], ...]
) -> SimulatedCameras:
    cell, spec = CellConfig.model_validate_json(cell_json), _load(path).manifest.observation
    return SimulatedCameras(cell, spec, world, Shifts(dict(shifts)))
