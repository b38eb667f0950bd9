"""Smoothing: a slider at rest, one that is pushed, and a fit that is a mistake."""

from __future__ import annotations

import numpy as np

from pushcell.labelling.smoothing import smooth, wrapped

LEVER = 0.07
NOISE = np.array([2e-3, 2e-3, 0.02])


def test_a_slider_at_rest_is_known_better_than_by_one_picture():
    rng = np.random.default_rng(0)
    true = np.array([0.5, 0.1, 3.13])
    seen = wrapped(true + NOISE * rng.normal(size=(100, 3)))
    poses, deviations = smooth(seen, np.tile(np.diag(NOISE**2), (100, 1, 1)), np.zeros(99), LEVER)
    errors = poses - true
    errors[:, 2] = wrapped(errors)[:, 2]
    assert np.abs(errors).max() < 3 * NOISE.max() / 10
    assert (deviations < NOISE).all()
    assert (deviations[:, 0] >= 0.4e-3).all()


def test_a_pushed_slider_is_followed_and_an_outlier_is_not():
    count = 60
    true = np.column_stack([np.linspace(0, 0.3, count), np.zeros(count), np.zeros(count)])
    seen = true.copy()
    seen[30] += [0.1, 0.1, 1.0]
    covariances = np.tile(np.diag(NOISE**2), (count, 1, 1))
    poses, deviations = smooth(seen, covariances, np.full(count - 1, 0.006), LEVER)
    assert np.abs(poses - true)[:, :2].max() < 8e-3
    assert np.isfinite(deviations).all()


def test_pictures_that_say_nothing_leave_a_large_deviation():
    covariances = np.tile(np.diag(NOISE**2), (30, 1, 1))
    covariances[10:20] = np.eye(3)
    _, deviations = smooth(np.zeros((30, 3)), covariances, np.full(29, 0.01), LEVER)
    assert deviations[15, 0] > 5 * deviations[5, 0]
