"""What is given up, and in which order, when chunks take long: a rule, each step with its name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from policy_server.bundle_format import Manifest
from policy_server.bundle_sections import DirectSchedule

# Fewer calls of the network than this, and chunks fall apart.
_LEAST_STEPS = 4
_WARM_START_FRACTION = 0.5
# As much as lets a network that knows no prefix mean the same way as before.
_SAME_WAY = 0.3


class Degradation(str, Enum):
    """How far things have come."""

    NONE = "none"
    LONGER_PREFIX = "longer prefix"
    FEWER_STEPS = "fewer steps"
    SHORTER_HORIZON = "shorter horizon"
    HOLD = "decelerate and hold"


@dataclass(frozen=True)
class SamplingSettings:
    """How the next chunk is sampled and executed."""

    degradation: Degradation
    prefix: int  # actions that are over when it takes over
    committed: int  # of these, how many the network is given as what will be done
    execute: int  # actions after which the next one is asked for
    denoising_steps: int | None  # calls of the network; None: as many as the manifest says
    warm_start_fraction: float  # share of the noise levels that the last chunk replaces


def undisturbed(manifest: Manifest) -> SamplingSettings:
    """As the manifest has it, whatever the delay."""
    return SamplingSettings(Degradation.NONE, 0, 0, manifest.action.execute, None, 0.0)


def sampling_settings(manifest: Manifest, delay_s: float) -> SamplingSettings:
    """The settings under a delay [s] between capture and the moment at which a chunk takes over.

    A network that knows no prefix is asked so that the next chunk comes when half of ``execute``
    are over since the capture of the last. (Asked every period it hardly changes its mind at all:
    each chunk begins from a plan into which the last one has not been faded yet.)

    A prefix that covers the delay costs nothing while the network has been trained for it (or,
    without that, up to half of the horizon); beyond, the sampler makes fewer steps from a warm
    start; where not enough actions would be left, less of each chunk is used; and where nothing
    would be left, the arm waits for each chunk at rest.
    """
    horizon, trained = manifest.action.horizon, manifest.max_prefix
    prefix = math.ceil(delay_s * manifest.rate_hz - 1e-6)
    execute = manifest.action.execute if trained else max(1, manifest.action.execute // 2 - prefix)
    if prefix >= horizon:
        return SamplingSettings(Degradation.HOLD, 0, 0, horizon, None, 0.0)
    given = min(prefix, trained)
    usual = (None, 0.0) if trained else _fewer_steps(manifest, _SAME_WAY)
    if prefix <= 1:
        return SamplingSettings(
            Degradation.NONE, prefix, given, min(execute, horizon - prefix), *usual
        )
    if prefix <= (trained or horizon // 2) and prefix + execute <= horizon:
        return SamplingSettings(Degradation.LONGER_PREFIX, prefix, given, execute, *usual)
    fewer = _fewer_steps(manifest, _WARM_START_FRACTION)
    if prefix + execute <= horizon:
        return SamplingSettings(Degradation.FEWER_STEPS, prefix, given, execute, *fewer)
    return SamplingSettings(Degradation.SHORTER_HORIZON, prefix, given, horizon - prefix, *fewer)


def _fewer_steps(manifest: Manifest, warm_start_fraction: float) -> tuple[int | None, float]:
    if isinstance(manifest.schedule, DirectSchedule):
        return None, 0.0
    usual = manifest.schedule.inference_steps
    return min(
        usual, max(_LEAST_STEPS, math.ceil(usual * (1 - warm_start_fraction)))
    ), warm_start_fraction
