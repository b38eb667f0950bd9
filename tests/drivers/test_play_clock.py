import numpy as np
import pytest

from pushcell.drivers.play_clock import MAX_SLEW, PlayClock

PERIOD_S = 0.005


def played(read_at: np.ndarray) -> np.ndarray:
    clock = PlayClock(PERIOD_S)
    return np.array(
        [clock.at(1000 + i * PERIOD_S, now, moving=True) for i, now in enumerate(read_at)]
    )


def test_reports_that_are_read_unevenly_are_played_evenly():
    even = 5.0 + np.arange(2000) * PERIOD_S
    late = even + np.random.default_rng(0).exponential(0.002, len(even))
    steps = np.diff(played(late))
    assert np.abs(np.diff(late)).max() > 3 * PERIOD_S
    assert np.abs(steps - PERIOD_S).max() < 1.01 * MAX_SLEW * PERIOD_S


def test_a_clock_of_coarse_steps_is_made_even():
    coarse = 5.0 + np.floor(np.arange(2000) / 2) * 2 * PERIOD_S
    steps = np.diff(played(coarse))
    assert np.abs(steps - PERIOD_S).max() < 1.01 * MAX_SLEW * PERIOD_S


def test_it_follows_a_drift():
    drifting = 5.0 + np.arange(20000) * PERIOD_S * 1.0001
    assert abs(played(drifting)[-1] - drifting[-1]) < 1e-4


def test_it_never_goes_back_and_finds_a_clock_that_was_set():
    clock = PlayClock(PERIOD_S)
    assert clock.at(1000.0, 5.0, True) == pytest.approx(5.0)
    assert clock.at(1000.005, 4.9, True) == pytest.approx(5.0), "set back: waits"
    assert clock.at(1000.01, 7.0, True) == pytest.approx(7.0), "set forward: goes along"


def test_a_first_report_that_was_read_late_is_made_up_for_while_the_joints_rest():
    """While they move it is not: they would be faster than commanded."""
    left = {}
    for moving in (True, False):
        clock = PlayClock(PERIOD_S)
        clock.at(1000.0, 5.02, moving)
        for tick in range(1, 401):
            played_s = clock.at(1000 + tick * PERIOD_S, 5 + tick * PERIOD_S, moving)
        left[moving] = played_s - (5 + tick * PERIOD_S)
    assert left[True] > 0.019
    assert abs(left[False]) < 1e-4
