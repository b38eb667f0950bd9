"""Episodes made up for tests."""

from __future__ import annotations

import numpy as np

from pushcell.config.cell import CellConfig
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.steps import Steps


def some_steps(count: int = 12, seed: int = 0, size: tuple[int, int] | None = (16, 24)) -> Steps:
    """Steps without any sense, in single precision, with images (H, W) of noise."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        return rng.uniform(-3, 3, shape).astype(np.float32).astype(np.float64)

    images = {}
    if size is not None:
        for name in ("overhead", "wrist"):
            images[name] = rng.integers(0, 256, (count, *size, 3), dtype=np.uint8)
    goal = np.array([0.587, -0.0355, 0.1])
    return Steps(10.0, numbers(count, 3), numbers(count, 3), numbers(count, 2), goal, images)


def some_info(steps: Steps, cell: CellConfig, name: str = "episode_000000") -> EpisodeInfo:
    """What would be known of them."""
    task = cell.task.changed(goal=steps.goal.tolist())
    return EpisodeInfo(
        name=name,
        origin="imported",
        task=task,
        verdict="success",
        reason="at the goal",
        rate_hz=steps.rate_hz,
        steps=len(steps),
    )


def assert_same(a: Steps, b: Steps) -> None:
    """Exactly, to the last bit and pixel."""
    assert a.rate_hz == b.rate_hz
    for name in ("pusher", "slider", "action", "goal"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert list(a.images) == list(b.images)
    for name in a.images:
        np.testing.assert_array_equal(a.images[name], b.images[name], err_msg=name)
