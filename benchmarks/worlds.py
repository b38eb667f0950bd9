"""How fast the worlds run and the cameras draw: simulated seconds a CPU second, ms a frame."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.table import Table

from pushcell.arm.kinematics import ArmKinematics
from pushcell.cli.bench import BENCHMARKS
from pushcell.config.cell import CellConfig, load_cell
from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.simulation.arm_cell import ArmCell
from pushcell.simulation.rendering import SceneRenderer
from pushcell.simulation.source_world import SourceWorld
from pushcell.simulation.target_world import TargetWorld
from pushcell.simulation.world import PushingWorld

REPETITIONS = 5
FRAMES = 20
SIZES_PX = ((128, 128), (320, 240), (640, 480))
ACTION_S = 0.1
SLIDER = PlanarPose(0.58, 0.0, 0.0)
# A push that turns the T, a way around, a push that translates it, and back: at 0.1 m/s.
WAYPOINTS_M = ((0.62, 0.10), (0.62, 0.0), (0.70, 0.10), (0.52, 0.10), (0.52, 0.02), (0.52, 0.12))

WORLDS: tuple[tuple[str, Callable[[CellConfig], PushingWorld]], ...] = (
    ("source", SourceWorld),
    ("target, 1 ms", lambda cell: TargetWorld(cell, 0.001)),
    ("target, 5 ms", lambda cell: TargetWorld(cell, 0.005)),
)
ARM_TIME_STEPS_S = (0.001, 0.005)


def run() -> dict[str, Any]:
    """Measure; each figure is the median of several runs, and their spread."""
    cell = load_cell(BENCHMARKS.parent / "config" / "cell.sim.yaml")
    factors = {name: _world_factors(make(cell)) for name, make in WORLDS}
    for step_s in ARM_TIME_STEPS_S:
        name = f"target with the arm, {1e3 * step_s:.0f} ms"
        factors[name] = _arm_factors(ArmCell(cell, step_s), ArmKinematics(cell))
    return {
        "real_time_factor": {name: _spread(values) for name, values in factors.items()},
        "frame_ms": {
            appearance: _frame_times(cell, SceneRenderer(cell, appearance))
            for appearance in ("source", "target")
        },
    }


def table(figures: dict[str, Any]) -> Table:
    """One row a world, one row a camera image's size."""
    shown = Table(title="worlds: simulated seconds a CPU second; cameras: CPU ms a frame")
    shown.add_column("what")
    for title in ("median", "lowest", "highest"):
        shown.add_column(title, justify="right")
    for name, spread in figures["real_time_factor"].items():
        shown.add_row(f"{name} world", *(f"{spread[key]:.1f} x" for key in spread))
    for appearance, sizes in figures["frame_ms"].items():
        shown.add_section()
        for size, spread in sizes.items():
            row = (f"{spread[key]:.1f} ms" for key in spread)
            shown.add_row(f"{appearance} camera, {size}", *row)
    return shown


def _path(step_m: float) -> list[Array]:
    """The waypoints' straight lines, sampled."""
    points = [np.array(WAYPOINTS_M[0])]
    for start, end in itertools.pairwise(np.array(WAYPOINTS_M)):
        count = round(float(np.linalg.norm(end - start)) / step_m)
        points += [start + (end - start) * i / count for i in range(1, count + 1)]
    return points


def _world_factors(world: PushingWorld) -> list[float]:
    path = _path(0.1 * ACTION_S)

    def play() -> float:
        world.reset(SLIDER, path[0])
        for target in path[1:]:
            world.advance(target, ACTION_S)
        return world.time_s

    return [_factor(play) for _ in range(REPETITIONS)]


def _arm_factors(world: ArmCell, kinematics: ArmKinematics) -> list[float]:
    period_s = 1.0 / world.cell.arm.status_rate_hz
    joints = [kinematics.home_joints(_path(0.1 * period_s)[0])]
    for xy in _path(0.1 * period_s)[1:]:
        joints.append(kinematics.solve(kinematics.pusher_posture(xy), joints[-1]))

    def play() -> float:
        world.reset(SLIDER, joints[0])
        for q in joints[1:]:
            world.command_joints(q)
            world.advance(period_s)
        return world.time_s

    return [_factor(play) for _ in range(REPETITIONS)]


def _factor(play: Callable[[], float]) -> float:
    began = time.process_time()
    return play() / (time.process_time() - began)


def _frame_times(cell: CellConfig, renderer: SceneRenderer) -> dict[str, dict[str, float]]:
    joints = ArmKinematics(cell).home_joints(cell.task.pusher_home_m)
    slider = Pose.from_planar(SLIDER, cell.simulated.physics.slider_height_m / 2)
    camera = cell.cameras[0]
    times: dict[str, dict[str, float]] = {}
    for size in SIZES_PX:
        renderer.render(joints, slider, camera, size)
        frames = []
        for _ in range(FRAMES):
            began = time.process_time()
            renderer.render(joints, slider, camera, size)
            frames.append(1e3 * (time.process_time() - began))
        times[f"{size[0]}x{size[1]}"] = _spread(frames)
    return times


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
