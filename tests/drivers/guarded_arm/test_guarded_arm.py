"""An arm that reports and is answered: how the link begins, pauses and ends."""

from dataclasses import replace

import numpy as np
import pytest

from pushcell.drivers.arm import Fault
from tests.drivers.guarded_arm.rig import PERIOD_S, assert_jerk_limited_standstill


def test_the_first_command_is_where_the_arm_says_that_it_stands(rig):
    rig.linked()
    assert all(np.array_equal(sent, rig.driver.sent[0]) for sent in rig.driver.sent)
    assert np.array_equal(rig.driver.sent[0], rig.cell.arm.nominal_joints_rad)


def test_every_report_is_answered_once(rig):
    rig.linked()
    before = len(rig.driver.sent)
    rig.run(0.5)
    assert len(rig.driver.sent) - before == 100
    rig.driver.deliver(None)
    rig.arm.step(rig.now, rig.now)
    assert len(rig.driver.sent) - before == 100


def test_nothing_is_sent_to_an_arm_that_takes_no_commands(rig):
    rig.driver.waits_for = "its driver has just started"
    rig.run(0.5)
    assert rig.driver.sent == []
    assert "its driver has just started" in rig.arm.waits_for
    rig.driver.waits_for = None
    rig.linked()


def test_an_arm_that_never_reports_says_so(rig):
    rig.run(0.5, lambda _: None)
    assert rig.arm.waits_for == "the arm does not report"
    assert rig.arm.fault is None


def test_a_bad_report_before_the_link_is_waited_out(rig):
    rig.run(0.1, lambda report: replace(report, position=report.position * np.nan))
    assert "not finite" in rig.arm.waits_for
    assert rig.arm.fault is None
    assert rig.driver.sent == []
    rig.linked()


def test_a_repeated_report_is_no_report(rig):
    rig.linked()
    stale = rig.report()
    for _ in range(15):
        rig.now += PERIOD_S
        rig.driver.deliver(stale)
        rig.arm.step(rig.now, rig.now)
    assert rig.arm.fault.kind is Fault.SILENT
    assert rig.arm.duplicates == 15


def test_a_stop_is_played_to_its_end_on_a_silent_wire(rig):
    rig.linked().follow()
    began, late_s = len(rig.driver.sent) - 1, 1.5 * PERIOD_S
    for _ in range(100):
        rig.now += late_s
        rig.arm.step(rig.now, rig.now)
    assert rig.arm.fault.kind is Fault.SILENT
    assert_jerk_limited_standstill(rig.cell, rig.driver.sent[began:], late_s)
    assert (len(rig.driver.sent) - began) * late_s < rig.cell.motion.arm_status_age_s + 0.2


def test_a_process_that_was_held_up_does_not_blame_the_arm_for_silence(rig):
    rig.linked()
    rig.now += 0.2
    rig.arm.step(rig.now, rig.now)
    assert rig.arm.fault is None
    rig.arm_clock_s += 0.2
    rig.tick()
    assert rig.arm.fault.kind is Fault.REPORT_GAP, "but what was missed is missing"


@pytest.mark.parametrize("leaping", ["control", "steady"])
def test_a_clock_that_leaps_between_reports_is_no_silence(rig, leaping):
    rig.linked()
    for tick in range(40):
        rig.arm_clock_s += PERIOD_S
        leapt = 50.0 + 0.04 * (tick // 8)
        clocks = (leapt, rig.now) if leaping == "control" else (rig.now, leapt)
        rig.driver.deliver(rig.report() if tick % 8 == 0 else None)
        rig.arm.step(*clocks)
        rig.now += 1e-4
    assert rig.arm.fault is None


def test_told_to_end_it_brings_the_joints_to_rest(rig):
    rig.linked().follow()
    began, late_s = len(rig.driver.sent) - 1, 1.5 * PERIOD_S
    rig.now += late_s
    while not rig.arm.finish(rig.now):
        rig.now += late_s
    assert_jerk_limited_standstill(rig.cell, rig.driver.sent[began:], late_s)
    sent = len(rig.driver.sent)
    rig.run(0.1)
    assert len(rig.driver.sent) == sent
