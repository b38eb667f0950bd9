import pytest

from pushcell.evaluation.statistics import wilson_interval


def test_against_published_values():
    # Newcombe (1998), table I: 81 of 263, and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_the_interval_is_symmetric_in_success_and_failure():
    low, high = wilson_interval(3, 17)
    assert wilson_interval(14, 17) == pytest.approx((1 - high, 1 - low))


def test_no_trials_say_nothing():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_impossible_counts():
    with pytest.raises(ValueError, match="5 successes in 4 trials"):
        wilson_interval(5, 4)
