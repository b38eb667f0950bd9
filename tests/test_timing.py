import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.timing import Distribution, PeriodMonitor, StampedBuffer, steady_seconds


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
