"""Chunk schedulers: what is committed is kept, what is degraded has a name."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_server.bundle_format import Manifest
from policy_server.chunking import SCHEDULERS, scheduler
from policy_server.degradation import Degradation, sampling_settings
from policy_server.delay import DelayEstimate, InjectedDelay
from pushcell.config.cell import CellConfig
from tests.policy_server.examples import some_manifest

PERIOD, HORIZON = 0.1, 16


@pytest.fixture(scope="module")
def manifest(cell: CellConfig) -> Manifest:
    return some_manifest(cell, max_prefix=6)


def actions(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.4, 0.6, (HORIZON, 2))


def drive(found, delays_s: list[float], duration_s: float) -> list[tuple[float, float]]:
    """Run a scheduler tick by tick of 10 ms; (asked, came) of each chunk. A chunk keeps what is
    known and committed, and says something new about the rest."""
    asked, coming = [], None
    for tick in range(round(duration_s * 100)):
        now = tick / 100
        if coming is not None and coming[0] <= now + 1e-9:
            came, capture, conditions = coming
            chunk = actions(len(asked))
            kept = min(conditions.settings.committed, len(conditions.known))
            chunk[:kept] = conditions.known[:kept]
            found.note_delay(now - capture)
            found.accept(now, capture, chunk, conditions)
            asked.append((capture, came))
            coming = None
        if coming is None and found.wants(now):
            delay = delays_s[len(asked) % len(delays_s)]
            coming = (now + delay, now, found.conditions_for(now, now))
    return asked


@pytest.mark.parametrize("max_prefix", [0, 6])
def test_receding_horizon_asks_after_its_actions(cell: CellConfig, max_prefix: int) -> None:
    manifest = some_manifest(cell, max_prefix=max_prefix)
    asked = drive(scheduler("receding", manifest), [0.0], 3.0)
    np.testing.assert_allclose([a for a, _ in asked], [0.0, 0.8, 1.6, 2.4], atol=0.021)


def test_the_newest_chunk_counts_asynchronously(manifest: Manifest) -> None:
    found = scheduler("asynchronous", manifest)
    asked = drive(found, [0.05, 0.3, 0.15], 2.0)
    for (_, came), (began, _) in itertools.pairwise(asked):
        assert began == pytest.approx(came, abs=0.011)
    assert found.plan.capture_s == asked[-1][0]


def test_ensembling_is_the_weighted_mean_of_what_was_said(manifest: Manifest) -> None:
    found = scheduler("ensembling:0.5", manifest)
    chunks = [actions(0), actions(1), actions(2)]
    for k, chunk in enumerate(chunks):
        found.accept(k * PERIOD, k * PERIOD, chunk, found.conditions_for(k * PERIOD, k * PERIOD))
    weights = np.exp(-0.5 * np.arange(3))
    said = np.stack([chunks[0][2], chunks[1][1], chunks[2][0]])
    np.testing.assert_allclose(found.plan.positions[0], weights @ said / weights.sum(), atol=1e-9)
    np.testing.assert_allclose(found.plan.positions[-1], chunks[2][-1])
    said = np.stack([chunks[1][-1], chunks[2][-2]])
    np.testing.assert_allclose(
        found.plan.positions[-2], weights[:2] @ said / weights[:2].sum(), atol=1e-9
    )


def wandering(seed: int, conditions) -> np.ndarray:
    """A chunk that keeps what is committed and wanders off from there at 0.1 m/s."""
    kept = min(conditions.settings.committed, len(conditions.known))
    begin = conditions.known[kept - 1] if kept else np.array([0.6, 0.0])
    direction = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    way = 0.1 * PERIOD * np.array([np.cos(direction), np.sin(direction)])
    rest = begin + way * np.arange(1, HORIZON - kept + 1)[:, None]
    return np.concatenate([conditions.known[:kept], rest])


@given(delay=st.floats(0.0, 0.48), lookahead=st.sampled_from([0.01, 0.11]))
def test_real_time_chunking_takes_over_where_both_plans_agree(
    manifest: Manifest, delay: float, lookahead: float
) -> None:
    """From its arrival on, as far as the motion has looked ahead, a chunk is the plan before it."""
    found = scheduler("realtime", manifest, lookahead)
    asked, coming, moved = 0, None, []
    for tick in range(600):
        now = tick / 100
        if coming is not None and coming[0] <= now + 1e-9:
            _, capture, conditions = coming
            before = found.plan
            found.note_delay(now - capture)
            found.accept(now, capture, wandering(asked, conditions), conditions)
            asked, coming = asked + 1, None
            if asked > 2:
                first = max(now, found.plan.times_s[0])
                seen = np.linspace(first, max(first, now + lookahead), 5)
                moved += [found.plan.sample(t)[0] - before.sample(t)[0] for t in seen]
        if coming is None and found.wants(now):
            coming = (now + delay, now, found.conditions_for(now, now))
    assert len(moved) >= 15
    assert np.linalg.norm(moved, axis=1).max() < 0.004  # of reading a corner between its points
    assert found.late <= 1  # the first one, of which nothing was known


@given(delay=st.floats(0.0, 1.2))
def test_chunks_of_a_network_without_prefix_are_faded_in(cell: CellConfig, delay: float) -> None:
    """Nothing jumps where one takes over, and soon it is all itself."""
    found = scheduler("realtime", some_manifest(cell), 0.11)
    coming, asked = None, 0
    for tick in range(500):
        now = tick / 100
        if coming is not None and coming[0] <= now + 1e-9:
            _, capture, conditions = coming
            before, said = found.plan, actions(asked)
            found.note_delay(now - capture)
            found.accept(now, capture, said, conditions)
            asked, coming = asked + 1, None
            assert conditions.settings.committed == 0
            assert (len(conditions.known) > 0) == (conditions.settings.warm_start_fraction > 0)
            if len(conditions.known):
                times = found.plan.times_s
                own = times >= now + 3 * PERIOD
                np.testing.assert_allclose(found.plan.positions[own], said[own], atol=1e-9)
                first = int(np.searchsorted(times, now))
                share = (times[first] - now) / (3 * PERIOD)
                wanted = share * said[first] + (1 - share) * before.sample(times[first])[0]
                np.testing.assert_allclose(found.plan.positions[first], wanted, atol=1e-9)
        if coming is None and found.wants(now):
            coming = (now + delay, now, found.conditions_for(now, now))
    assert asked >= 3


def test_a_delay_beyond_the_estimate_is_counted(manifest: Manifest) -> None:
    found = scheduler("realtime", manifest)
    drive(found, [0.1] * 5 + [0.45], 6.5)
    assert found.late >= 1


def test_an_estimate_is_a_percentile_of_a_window() -> None:
    found = DelayEstimate(percentile=95, window=20)
    assert found.seconds == 0
    for k in range(100):
        found.add(5.0 if k < 80 else 0.1 + 0.001 * (k - 80))
    assert found.seconds == pytest.approx(np.percentile(0.1 + 0.001 * np.arange(20), 95))


# Degradation


@given(st.lists(st.floats(0, 3), min_size=2, max_size=2))
def test_degradation_only_grows_with_the_delay(manifest: Manifest, delays: list[float]) -> None:
    order = list(Degradation)
    less, more = (sampling_settings(manifest, delay) for delay in sorted(delays))
    assert order.index(less.degradation) <= order.index(more.degradation)
    for found, delay in zip((less, more), sorted(delays), strict=True):
        if found.degradation is not Degradation.HOLD:
            assert found.prefix * PERIOD >= delay - 1e-6
            assert found.prefix + found.execute <= HORIZON
            assert found.execute >= 1


def test_every_degradation_has_its_delay(manifest: Manifest) -> None:
    found = [sampling_settings(manifest, d).degradation for d in (0.0, 0.1, 0.5, 0.75, 1.2, 1.6)]
    assert found == [
        Degradation.NONE,
        Degradation.NONE,
        Degradation.LONGER_PREFIX,
        Degradation.FEWER_STEPS,
        Degradation.SHORTER_HORIZON,
        Degradation.HOLD,
    ]
    fewer = sampling_settings(manifest, 0.75)
    assert (fewer.denoising_steps, fewer.warm_start_fraction) == (5, 0.5)


@given(delay=st.floats(0.0, 0.79))
def test_without_a_prefix_no_chunk_is_older_than_it_must_be(cell: CellConfig, delay: float) -> None:
    """When the next one comes: half of `execute` is over, or as little as the delay allows."""
    found = sampling_settings(some_manifest(cell), delay)
    assert found.prefix + found.execute == max(4, found.prefix + 1)


def test_under_hold_each_chunk_begins_at_rest(manifest: Manifest) -> None:
    found = scheduler("realtime", manifest)
    asked = drive(found, [2.0], 20.0)
    for (_, came), (began, _) in itertools.pairwise(asked[2:]):
        assert began >= came + HORIZON * PERIOD - 0.02
    assert found.plan.times_s[0] == pytest.approx(asked[-1][1] + PERIOD, abs=0.02)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_reset_forgets(manifest: Manifest, name: str) -> None:
    fresh, used = scheduler(name, manifest), scheduler(name, manifest)
    drive(used, [0.1], 2.0)
    used.reset()
    assert used.plan is None
    assert used.wants(0.0)
    drive(fresh, [0.0], 0.05)
    used_plan = drive(used, [0.0], 0.05) and used.plan
    np.testing.assert_array_equal(used_plan.positions, fresh.plan.positions)


def test_bursts_repeat_by_seed_and_come_as_often_as_said() -> None:
    def some(seed: int) -> np.ndarray:
        delays = InjectedDelay(0.05, 0.4).draw(np.random.default_rng(seed))
        return np.array([next(delays) for _ in range(20_000)])

    np.testing.assert_array_equal(some(1), some(1))
    late = some(1) == 0.4
    assert late.mean() == pytest.approx(0.2, abs=0.03)
    lengths = np.diff(np.flatnonzero(np.diff(late.astype(int))))[::2]
    assert lengths.mean() > 3
    assert next(InjectedDelay.parse("0.3").draw(np.random.default_rng(0))) == 0.3
