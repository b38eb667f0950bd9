"""Chunks that stop coming, or are late, out of order, too far, too long or from the future."""

import numpy as np
import pytest

from pushcell.action_chunk import ActionChunk
from pushcell.motion.guard import Phase, Source
from pushcell.motion.reasons import Reason
from tests.motion.rig import assert_stopped


def test_silence_stops(rig):
    rig.drive_policy()
    assert_stopped(rig, Reason.COMMAND_SILENT, rig.cell.motion.command_silence_s)


def test_an_exhausted_chunk_stops_and_the_next_one_goes_on(rig):
    rig.guard.select(Source.POLICY)
    fast = rig.chunk(offset=(0.0, -0.06), horizon_s=0.4)
    cut_short = ActionChunk(fast.capture_s, fast.times_s[:-1], fast.positions[:-1])
    rig.resend(cut_short, 1.5)
    assert rig.guard.state.source is Source.POLICY
    assert rig.guard.state.reason is Reason.CHUNK_EXHAUSTED
    assert rig.speed < 1e-4
    rig.resend(rig.chunk(), 0.3)
    assert rig.guard.state.phase is Phase.MOVING


def test_a_late_new_chunk_does_not_end_a_turn_whose_old_one_lasts(rig):
    rig.drive_policy()
    tips = len(rig.tips)
    rig.guard.on_chunk(rig.now, rig.chunk(age_s=0.16))
    assert rig.guard.state.reason is Reason.OBSERVATION_OLD, "it is told"
    rig.run(0.05)
    assert rig.guard.state.source is Source.POLICY
    assert rig.guard.state.phase is Phase.MOVING
    # On along the old chunk's straight way, as evenly as before.
    steps = np.linalg.norm(np.diff(rig.tips[tips - 2 :], axis=0), axis=1)
    assert np.ptp(steps) < 1e-4


def test_where_only_late_chunks_come_the_arm_rests_when_the_old_one_is_over(rig):
    chunk = rig.drive_policy()
    while rig.now < chunk.end_s + 0.4:
        rig.guard.on_chunk(rig.now, rig.chunk(age_s=0.16))
        rig.tick()
    assert rig.guard.state.reason is Reason.OBSERVATION_OLD
    assert rig.speed < 1e-4


def test_an_old_first_observation_is_waited_out(rig):
    rig.guard.select(Source.POLICY)
    rig.resend(rig.chunk(age_s=0.16), 0.1)
    assert rig.guard.state.reason is Reason.OBSERVATION_OLD
    assert rig.speed < 1e-4
    rig.resend(rig.chunk(), 0.3)
    assert rig.guard.state.phase is Phase.MOVING


def test_a_chunk_out_of_order_stops(rig):
    rig.drive_policy()
    rig.guard.on_chunk(rig.now, rig.chunk(age_s=0.6))
    assert_stopped(rig, Reason.OUT_OF_ORDER)


def test_a_target_far_outside_stops_and_one_just_outside_is_met_at_the_edge(rig):
    rig.drive_policy()
    chunk = rig.chunk(offset=(0.0, 0.25))
    rig.resend(chunk, 1.5)
    assert rig.guard.state.phase is Phase.MOVING
    assert rig.cell.workspace.polygon.contains(rig.tips[-1])
    rig.guard.on_chunk(rig.now, rig.chunk(offset=(0.0, 1.0)))
    rig.settle()
    assert rig.guard.state.reason is Reason.TARGET_OUTSIDE


def test_a_far_first_target_is_refused(rig):
    rig.guard.select(Source.POLICY)
    chunk = rig.chunk()
    rig.guard.on_chunk(rig.now, ActionChunk(chunk.capture_s, chunk.times_s, chunk.positions + 0.06))
    rig.run(0.1)
    assert rig.guard.state.reason is Reason.FIRST_TARGET_JUMP
    assert rig.guard.state.source is Source.HOLD
    assert rig.speed < 1e-4


@pytest.mark.parametrize("ahead_s", [0.06, 10.0, 1e6])
def test_a_chunk_from_the_future_stops(rig, ahead_s):
    rig.drive_policy()
    rig.guard.on_chunk(rig.now, rig.chunk(age_s=-ahead_s))
    assert_stopped(rig, Reason.STAMP_AHEAD)


def test_an_observation_repeated_with_new_content_is_silence(rig):
    first = rig.drive_policy()
    began = rig.now
    while rig.guard.state.source is Source.POLICY:
        sign = 1 if int(rig.now) % 2 else -1
        rig.resend(rig.chunk((0.0, 0.1 * sign), rig.now - first.capture_s), 0.05)
    assert rig.now - began < rig.cell.motion.command_silence_s + 0.06
    assert_stopped(rig, Reason.COMMAND_SILENT)


def test_new_content_of_a_fresh_observation_is_followed(rig):
    rig.guard.select(Source.POLICY)
    rig.resend(rig.chunk(age_s=0.02), 0.05)
    second = rig.chunk((0.0, -0.05), age_s=0.07)
    rig.resend(second, 1.7)
    assert rig.guard.state.source is Source.POLICY
    assert np.linalg.norm(rig.tips[-1] - second.positions[-1]) < 4e-3


@pytest.mark.parametrize("source", [Source.POLICY, Source.REPLAY])
@pytest.mark.parametrize(("actions", "horizon_s"), [(20_000, 1.6), (100, 1e4)])
def test_a_chunk_without_bounds_stops(rig, source, actions, horizon_s):
    rig.guard.select(source)
    rig.guard.on_chunk(rig.now, rig.chunk(), source)
    rig.run(0.09)
    positions = np.repeat(rig.guard.tip[None], actions, axis=0)
    rate_hz = actions / horizon_s
    huge = ActionChunk.at_rate(rig.now, rig.now, rate_hz, positions)
    rig.guard.on_chunk(rig.now, huge, source)
    rig.settle()
    assert rig.guard.state.reason is Reason.CHUNK_TOO_LONG
    assert rig.guard.state.source is Source.HOLD
