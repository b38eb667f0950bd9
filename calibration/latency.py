"""The delay between a cause and its effect, from two recorded signals, with its spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pushcell.errors import CalibrationError
from pushcell.geometry import Array

_WINDOWS = 8
_FEWEST_SAMPLES = 20
_FEWEST_IN_WINDOW = 5
_SHORTEST_WINDOW_S = 0.5


@dataclass(frozen=True)
class Signal:
    """Values (n,) at times (n,) [s], times rising."""

    name: str
    times_s: Array
    values: Array

    def __post_init__(self) -> None:
        if len(self.times_s) != len(self.values) or len(self.times_s) < _FEWEST_SAMPLES:
            raise CalibrationError(
                f"{self.name} has {len(self.times_s)} samples: {_FEWEST_SAMPLES} are needed"
            )
        if not (np.isfinite(self.times_s).all() and np.isfinite(self.values).all()):
            raise CalibrationError(f"{self.name} has values that are not finite: record it again")
        if (np.diff(self.times_s) <= 0).any():
            index = int(np.argmax(np.diff(self.times_s) <= 0)) + 1
            raise CalibrationError(
                f"{self.name}: time does not rise at sample {index}: are the columns time_s,value "
                "and the clock one that never jumps?"
            )
        if np.ptp(self.values) == 0:
            raise CalibrationError(f"{self.name} never changes: move the arm, or let it blink")


@dataclass(frozen=True)
class Latency:
    """Delay of the effect [s]; ``windows_s`` (n,) of parts of the record, their spread [s]."""

    delay_s: float
    correlation: float
    windows_s: Array
    lags_s: Array
    correlations: Array

    @property
    def spread_s(self) -> float:
        """Robust standard deviation over the parts of the record."""
        return 1.4826 * float(np.median(np.abs(self.windows_s - np.median(self.windows_s))))


def measure_latency(cause: Signal, effect: Signal, longest_s: float = 1.0) -> Latency:
    """By correlation at the effect's own times, up to a longest delay either way.

    It may be below zero: stamps can be wrong in both directions.
    """
    shared = (effect.times_s >= cause.times_s[0] + longest_s) & (
        effect.times_s <= cause.times_s[-1] - longest_s
    )
    times, values = effect.times_s[shared], effect.values[shared]
    if len(times) < _FEWEST_SAMPLES or np.ptp(times) < longest_s:
        shared_s = float(np.ptp(times)) if len(times) else 0.0
        raise CalibrationError(
            f"{cause.name} and {effect.name} share {shared_s:.1f} s with {longest_s:g} s before "
            f"and after, {longest_s:.1f} s are needed: record longer, or on one clock"
        )
    period = min(np.median(np.diff(cause.times_s)), np.median(np.diff(effect.times_s))) / 2
    most = int(np.ceil(longest_s / period))
    lags: Array = period * np.arange(-most, most + 1, dtype=float)
    causes = np.array([np.interp(times - lag, cause.times_s, cause.values) for lag in lags])
    correlations = _correlations(causes, values)
    delay_s, correlation = _peak(lags, correlations)
    windows = []
    for part in np.array_split(np.arange(len(times)), _WINDOWS):
        if len(part) < _FEWEST_IN_WINDOW or np.ptp(times[part]) < _SHORTEST_WINDOW_S:
            continue
        if np.ptp(values[part]) > 0.1 * np.ptp(values):
            windows.append(_peak(lags, _correlations(causes[:, part], values[part]))[0])
    if len(windows) < 2:
        raise CalibrationError(
            f"{effect.name} changes in less than two parts of the record: record longer, moving "
            "all the time"
        )
    return Latency(delay_s, correlation, np.array(windows), lags, correlations)


def _correlations(causes: Array, effect: Array) -> Array:
    """(lags,) correlation of the effect (n,) with each of the delayed causes (lags, n)."""
    off, later = causes - causes.mean(axis=1, keepdims=True), effect - effect.mean()
    size = np.linalg.norm(off, axis=1) * np.linalg.norm(later)
    return (off @ later) / np.maximum(size, np.finfo(float).tiny)


def _peak(lags: Array, correlations: Array) -> tuple[float, float]:
    """Delay [s] and height of the highest correlation, between lags by a parabola."""
    best = int(np.argmax(correlations))
    if 0 < best < len(correlations) - 1:
        left, middle, right = correlations[best - 1 : best + 2]
        bend = left - 2 * middle + right
        shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        return float(lags[best] + shift * (lags[1] - lags[0])), float(middle)
    return float(lags[best]), float(correlations[best])
