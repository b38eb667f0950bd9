"""What is given up, and in which order, when chunks take long: a rule, each step with its name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from policy_server.bundle_format import Manifest
from policy_server.bundle_sections import DirectSchedule

# Fewer calls of the network than this, and chunks fall apart.
_LEAST_STEPS = 4
_WARM = 0.5


class Degradation(str, Enum):
    """How far things have come."""

    NONE = "none"
    LONGER_PREFIX = "longer prefix"
    FEWER_STEPS = "fewer steps"
    SHORTER_HORIZON = "shorter horizon"
    HOLD = "decelerate and hold"


@dataclass(frozen=True)
class Terms:
    """On which terms the next chunk is asked for."""

    degradation: Degradation
    prefix: int  # actions that are committed while it is made
    execute: int  # actions after which the next one is asked for
    steps: int | None  # calls of the network; None: as many as the manifest says
    warm: float  # share of the noise levels that the last chunk stands for


def terms(manifest: Manifest, delay_s: float) -> Terms:
    """The terms under a delay [s] between capture and the moment at which a chunk takes over.

    A prefix that covers the delay costs nothing while the network has been trained for it (or,
    without that, up to half of the horizon); beyond, the sampler makes fewer steps from a warm
    start; where not enough actions would be left, less of each chunk is used; and where nothing
    would be left, the arm waits for each chunk at rest.
    """
    horizon, execute = manifest.action.horizon, manifest.action.execute
    prefix = math.ceil(delay_s * manifest.rate_hz - 1e-6)
    if prefix >= horizon:
        return Terms(Degradation.HOLD, 0, horizon, None, 0.0)
    if prefix <= 1:
        return Terms(Degradation.NONE, prefix, min(execute, horizon - prefix), None, 0.0)
    if prefix <= (manifest.max_prefix or horizon // 2) and prefix + execute <= horizon:
        return Terms(Degradation.LONGER_PREFIX, prefix, execute, None, 0.0)
    steps, warm = _fewer_steps(manifest)
    if prefix + execute <= horizon:
        return Terms(Degradation.FEWER_STEPS, prefix, execute, steps, warm)
    return Terms(Degradation.SHORTER_HORIZON, prefix, horizon - prefix, steps, warm)


def _fewer_steps(manifest: Manifest) -> tuple[int | None, float]:
    if isinstance(manifest.schedule, DirectSchedule):
        return None, 0.0
    usual = manifest.schedule.inference_steps
    return min(usual, max(_LEAST_STEPS, math.ceil(usual * (1 - _WARM)))), _WARM
