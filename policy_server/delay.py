"""How long chunks take: estimated from the last ones, or made up for a test."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from policy_server.bundle_format import Manifest
from pushcell.errors import BundleError, ConfigError


class DelayEstimate:
    """A percentile of the last delays [s]."""

    def __init__(self, percentile: float = 95.0, window: int = 50) -> None:
        self._percentile = percentile
        self._delays: deque[float] = deque(maxlen=window)

    def add(self, delay_s: float) -> None:
        """A chunk took this long, from capture to its arrival."""
        self._delays.append(delay_s)

    @property
    def seconds(self) -> float:
        """The estimate; 0 before the first chunk."""
        return float(np.percentile(self._delays, self._percentile)) if self._delays else 0.0


@dataclass(frozen=True)
class InjectedDelay:
    """A delay of ``low_s``, and in bursts of ``high_s``; as text ``0.2`` or ``0.05,0.4``.

    A burst begins with one chunk of twenty and lasts for five chunks on average, so that a fifth
    of all chunks are late.
    """

    low_s: float = 0.0
    high_s: float = 0.0

    _BEGINS, _ENDS = 0.05, 0.2

    @classmethod
    def parse(cls, text: str) -> InjectedDelay:
        """From the command line; raises ConfigError for anything else."""
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError:
            values = []
        if len(values) == 1:
            values *= 2
        if len(values) != 2 or not all(0 <= value <= 10 for value in values):
            raise ConfigError(
                f"--delay is SECONDS, or LOW,HIGH for bursts, from 0 to 10, not {text!r}"
            )
        return cls(*values)

    def draw(self, rng: np.random.Generator) -> Iterator[float]:
        """The delay [s] of one chunk after the other."""
        burst = False
        while True:
            burst = rng.random() < (1 - self._ENDS if burst else self._BEGINS)
            yield self.high_s if burst else self.low_s


MEASURED = "measured"


def declared_inference_s(manifest: Manifest, text: str, policy: str) -> float | None:
    """How long a chunk takes in simulated time [s]: a number, or ``bundle`` for its own record;
    None for ``measured``, which is as long as it takes on this machine.

    Raises ConfigError for what is no duration within the horizon, BundleError without a record.
    """
    horizon_s = manifest.action.horizon / manifest.rate_hz
    if text == MEASURED:
        return None
    if text == "bundle":
        if manifest.latency is None:
            raise BundleError(
                f"{policy} has no latency record, so that nothing says how long a chunk takes in "
                "simulated time: export it again, or give inference_s:=SECONDS"
            )
        return 1e-3 * manifest.latency.p95_ms
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < horizon_s:
        raise ConfigError(
            f"inference_s is bundle, {MEASURED}, or seconds from 0 to less than the chunk's "
            f"horizon of {horizon_s:g} s, not {text!r}"
        )
    return seconds
