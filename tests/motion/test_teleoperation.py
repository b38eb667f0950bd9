"""A person drives: at once, while the deadman is held, and no longer."""

import numpy as np
import pytest

from pushcell.motion.guard import Source
from pushcell.motion.reasons import Reason
from tests.motion.rig import assert_stopped, teleop


def test_the_deadman_must_be_held(operated):
    operated.drive_policy()
    operated.deadman = False
    assert_stopped(operated, Reason.DEADMAN_RELEASED)
    assert operated.guard.select(Source.POLICY) is Reason.DEADMAN_RELEASED


@pytest.mark.parametrize("apart_s", [0.0, 0.002])
@pytest.mark.parametrize("words", [(False, True), (True, False)])
def test_whoever_lets_go_is_heard_whatever_another_says_before_the_tick(operated, words, apart_s):
    operated.drive_policy()
    for held in words:
        operated.guard.on_deadman(operated.now, held)
        operated.now += apart_s
    operated.guard.tick(operated.now)
    assert operated.guard.state.reason is Reason.DEADMAN_RELEASED


def test_a_deadman_that_falls_silent_is_released(operated, monkeypatch):
    operated.drive_policy()
    monkeypatch.setattr(operated.guard, "on_deadman", lambda *_: None)
    chunk = operated.chunk()
    operated.resend(chunk, operated.cell.motion.deadman_s + 0.05)
    assert operated.guard.state.reason is Reason.DEADMAN_RELEASED


def test_a_person_takes_over_at_once_and_letting_go_holds(operated):
    rig = operated
    chunk = rig.drive_policy()
    rig.run(0.5, lambda: (rig.guard.on_chunk(rig.now, chunk), teleop(rig, np.array([0.03, 0]))))
    assert rig.guard.state.source is Source.TELEOP
    assert rig.guard.state.interventions == 1
    assert rig.tips[-1][0] > rig.tips[-10][0]
    assert rig.speed <= rig.cell.motion.teleop.speed_m_s * 1.01
    rig.resend(chunk, 0.6)
    assert rig.guard.state.source is Source.HOLD
    assert rig.guard.state.reason is Reason.TELEOP_RELEASED
    assert rig.speed < 1e-4


def test_teleoperation_always_needs_the_deadman(rig):
    rig.run(0.3, lambda: teleop(rig, np.array([0.03, 0])))
    assert rig.guard.state.source is Source.HOLD
    rig.deadman = True
    rig.run(0.3, lambda: teleop(rig, np.array([0.03, 0])))
    assert rig.guard.state.source is Source.TELEOP


@pytest.mark.parametrize(
    ("target", "stamp_age_s", "reason"),
    [
        (np.array([np.nan, 0.1]), 0.01, Reason.NOT_FINITE),
        (np.array([0.587, -0.3]), 0.01, Reason.FIRST_TARGET_JUMP),
        (np.array([0.587, 0.14]), 0.2, Reason.OBSERVATION_OLD),
    ],
)
def test_bad_teleoperation_is_refused(operated, target, stamp_age_s, reason):
    operated.guard.on_teleop(operated.now, operated.now - stamp_age_s, target)
    assert operated.guard.state.reason is reason
    assert operated.guard.state.source is Source.HOLD


def test_teleoperation_from_the_future_stops(operated):
    operated.run(0.3, lambda: teleop(operated, np.array([0.03, 0])))
    operated.guard.on_teleop(operated.now, operated.now + 1.0, operated.guard.tip)
    assert_stopped(operated, Reason.STAMP_AHEAD)
