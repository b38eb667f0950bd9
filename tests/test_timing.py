import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.timing import (
    CameraPace,
    Distribution,
    GridTick,
    PeriodMonitor,
    StampedBuffer,
    steady_seconds,
)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.floats(0, 120), st.floats(0, 50))
def test_last_before_is_the_newest_that_is_not_later(stamps, time_s, max_age_s):
    buffer = StampedBuffer(capacity=20)
    accepted = [stamp for stamp in stamps if buffer.push(stamp, stamp)]
    assert accepted == sorted(set(accepted))
    assert buffer.refused == len(stamps) - len(accepted)
    kept = accepted[-20:]
    expected = [s for s in kept if s <= time_s and time_s - s <= max_age_s]
    found = buffer.last_before(time_s, max_age_s)
    assert found == ((expected[-1], expected[-1]) if expected else None)


def test_newest():
    buffer = StampedBuffer(2)
    assert buffer.newest() is None
    buffer.push(1.0, "a")
    buffer.push(2.0, "b")
    assert buffer.newest() == (2.0, "b")
    with pytest.raises(ValueError, match="capacity"):
        StampedBuffer(0)


def test_periods_are_between_ticks():
    monitor = PeriodMonitor()
    assert monitor.age(5.0) == float("inf")
    for now in (0.0, 0.01, 0.02, 0.05):
        monitor.tick(now)
    periods = monitor.periods()
    assert (periods.count, monitor.count) == (3, 4)
    assert periods.max == pytest.approx(0.03)
    assert monitor.rate_hz() == pytest.approx(60)
    assert monitor.age(0.06) == pytest.approx(0.01)


def test_nothing_has_an_empty_distribution():
    assert Distribution.of([]).count == 0


def test_the_steady_clock_goes_forward():
    times = [steady_seconds() for _ in range(1000)]
    assert times == sorted(times)


def test_a_tick_keeps_its_rate_however_time_is_heard_of():
    calls, now_ns = [], 1_700_000_000_000_000_000
    tick = GridTick(30.0, lambda: calls.append(now_ns))
    start_ns = now_ns
    for _ in range(300):
        tick.heard(now_ns)
        tick.heard(now_ns)
        now_ns += 10_000_000
    assert len(calls) == 90
    grid_ns = start_ns + np.arange(90) * 33_333_333
    assert np.all(np.array(calls) - grid_ns < 10_000_000)
    now_ns += 500_000_000
    tick.heard(now_ns)
    tick.heard(now_ns + 20_000_000)
    assert len(calls) == 91, "what was missed is not made up for"
    now_ns -= 10_000_000_000
    tick.heard(now_ns)
    assert calls[-1] == now_ns, "it goes on after a jump back"


def test_time_waits_for_the_camera_that_is_behind_and_not_for_a_silent_one():
    pace = CameraPace({"overhead": 0.1, "wrist": 0.05}, allowance_s=0.03, silence_s=0.2)
    assert pace.lived_s(7.0) == 7.0, "nothing was ever seen"
    pace.on_image("overhead", 1.0)
    pace.on_image("wrist", 1.0)
    assert pace.lived_s(1.05) == 1.05
    assert pace.lived_s(7.0) == pytest.approx(1.08)
    pace.on_image("wrist", 1.05)
    assert pace.lived_s(7.0) == pytest.approx(1.13)
    time.sleep(0.25)
    assert pace.lived_s(7.0) == 7.0
