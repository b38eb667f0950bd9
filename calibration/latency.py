"""The delay between a cause and its effect, from two recorded signals, with its spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pushcell.errors import CalibrationError
from pushcell.geometry import Array

_WINDOWS = 8
_FEWEST_SAMPLES = 20
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
    """By cross-correlation, up to a longest delay, to a fraction of the sampling period."""
    begin = max(cause.times_s[0], effect.times_s[0])
    end = min(cause.times_s[-1], effect.times_s[-1])
    if end - begin < 2 * longest_s:
        raise CalibrationError(
            f"{cause.name} and {effect.name} share {max(0.0, end - begin):.1f} s, "
            f"{2 * longest_s:.1f} s are needed: record longer, or on one clock"
        )
    period = min(np.median(np.diff(cause.times_s)), np.median(np.diff(effect.times_s))) / 2
    grid = np.arange(begin, end, period)
    a = np.interp(grid, cause.times_s, cause.values)
    b = np.interp(grid, effect.times_s, effect.values)
    most = int(np.ceil(longest_s / period))
    correlations = _correlations(a, b, most)
    delay_s, correlation = _peak(correlations, period)
    windows = []
    for part in np.array_split(np.arange(most, len(grid)), _WINDOWS):
        if len(part) * period < _SHORTEST_WINDOW_S:
            continue
        inside = slice(part[0] - most, part[-1] + 1)
        if np.ptp(b[part]) > 0.1 * np.ptp(b):
            windows.append(_peak(_correlations(a[inside], b[inside], most), period)[0])
    if len(windows) < 2:
        raise CalibrationError(
            f"{effect.name} changes in less than two parts of the record: record longer, moving "
            "all the time"
        )
    lags = period * np.arange(len(correlations), dtype=float)
    return Latency(delay_s, correlation, np.array(windows), lags, correlations)


def _correlations(a: Array, b: Array, most: int) -> Array:
    """(most + 1,) correlation of b with a, the latter delayed by so many samples."""
    later = b[most:]
    found = np.zeros(most + 1)
    for lag in range(most + 1):
        earlier = a[most - lag : len(a) - lag]
        if np.ptp(earlier) > 0 and np.ptp(later) > 0:
            found[lag] = np.corrcoef(earlier, later)[0, 1]
    return found


def _peak(correlations: Array, period: float) -> tuple[float, float]:
    """Delay [s] and height of the highest correlation, between samples by a parabola."""
    best = int(np.argmax(correlations))
    if 0 < best < len(correlations) - 1:
        left, middle, right = correlations[best - 1 : best + 2]
        bend = left - 2 * middle + right
        shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        return (best + shift) * period, float(middle)
    return best * period, float(correlations[best])
