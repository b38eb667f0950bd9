"""The arm's own delay, command to motion, from a record of its drives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calibration.latency import Signal, measure_latency
from calibration.latency_command import CalibrateLatency, outcome
from calibration.result_files import finish
from pushcell.geometry import Array

_LONGEST_S = 0.3


def calibrate_arm_latency(
    commanded: Sequence[tuple[float, Array]], measured: Sequence[tuple[float, Array]], out: Path
) -> int:
    """Of (time [s], joints (n,)), on the liveliest joint; saves it and gives the exit code."""
    joint = int(np.argmax(np.ptp([joints for _, joints in commanded], axis=0)))
    cause = _signal(f"command of joint {joint + 1}", commanded, joint)
    effect = _signal(f"joint {joint + 1}", measured, joint)
    latency = measure_latency(cause, effect, _LONGEST_S)
    return finish(outcome(CalibrateLatency(out=out), cause, effect, latency), out, False, None)


def _signal(name: str, record: Sequence[tuple[float, Array]], joint: int) -> Signal:
    times = np.array([time_s for time_s, _ in record])
    return Signal(name, times, np.array([joints[joint] for _, joints in record]))
