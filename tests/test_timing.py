import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.timing import (
    Distribution,
    GridTick,
    PeriodMonitor,
    StampedBuffer,
    is_older,
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


def test_a_tick_comes_at_the_multiples_of_its_period_whenever_it_was_first_heard():
    for begun_ns in (1_700_000_000_000_000_000, 1_700_000_000_010_000_000):
        heard, calls = [0], []
        tick = GridTick(20.0, 7_500_000, partial(_note, heard, calls))
        for now_ns in range(begun_ns, begun_ns + 10**9, 2_500_000):
            heard[0] = now_ns
            tick.heard(now_ns)
            tick.heard(now_ns)
            assert tick.next_ns > now_ns
            assert tick.next_ns % 50_000_000 == 7_500_000
        assert all(call % 50_000_000 == 7_500_000 for call in calls[1:])
        assert len(calls) == 21, "at once, and then on the grid"


def _note(heard: list[int], calls: list[int]) -> None:
    calls.append(heard[0])


def test_a_tick_makes_nothing_up_and_goes_on_after_a_jump_back():
    calls: list[None] = []
    tick = GridTick(100.0, 0, lambda: calls.append(None))
    for now_ns in (10**12, 10**12 + 500_000_000, 10**12 - 10**10, 10**12 - 10**10 + 1):
        tick.heard(now_ns)
    assert len(calls) == 3


@pytest.mark.parametrize("origin_s", [0.0, 7.0, 1_000_000.0])
def test_an_age_on_the_grid_of_time_that_equals_its_limit_is_not_older(origin_s):
    for ticks in range(1000):
        now_s = origin_s + 0.01 * ticks
        assert not is_older(now_s + 0.15, now_s, 0.15)
        assert is_older(now_s + 0.15 + 2e-9, now_s, 0.15)
    assert is_older(origin_s, -math.inf, 1e9), "what was never seen"
