"""Every fault of an arm by its name: the joints stop within their limits, until it is reset."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushcell.drivers.arm import ArmFault, ArmReport, Fault
from tests.drivers.guarded_arm.rig import PERIOD_S, Rig, assert_jerk_limited_standstill


def with_joint(values: np.ndarray, index: int, value: float) -> np.ndarray:
    changed = np.array(values, dtype=float)
    changed[index] = value
    return changed


BAD_REPORTS = {
    Fault.SILENT: lambda report: None,
    Fault.REPORT_GAP: lambda report: replace(report, time_s=report.time_s + 0.1),
    Fault.RESTARTED: lambda report: replace(report, time_s=0.005),
    Fault.JOINTS_MISSING: lambda report: ArmFault(Fault.JOINTS_MISSING, "joint_3"),
    Fault.OTHER_COMMANDER: lambda report: ArmFault(Fault.OTHER_COMMANDER, "there"),
    Fault.OUTSIDE_RANGE: lambda report: replace(report, position=np.degrees(report.position)),
    Fault.EXTERNAL_TORQUE: lambda report: replace(
        report, external_torque=with_joint(report.external_torque, -1, -3.1)
    ),
    Fault.OFF_COMMAND: lambda report: replace(report, position=report.position + 0.051),
}
MALFORMED = {
    "nan position": lambda report: replace(report, position=with_joint(report.position, 2, np.nan)),
    "infinite position": lambda report: replace(
        report, position=with_joint(report.position, 2, np.inf)
    ),
    "a joint less": lambda report: replace(report, position=report.position[:-1]),
    "a joint more": lambda report: replace(report, position=np.append(report.position, 0.0)),
    "nan torque": lambda report: replace(report, external_torque=report.position * np.nan),
    "no torque": lambda report: replace(report, external_torque=None),
    "nan time": lambda report: replace(report, time_s=np.nan),
}
CASES = list(BAD_REPORTS.items())
CASES += [(Fault.MALFORMED, change) for change in MALFORMED.values()]
NAMES = [kind.name.lower() for kind in BAD_REPORTS] + list(MALFORMED)


@pytest.mark.parametrize(("kind", "change"), CASES, ids=NAMES)
def test_each_fault_has_its_name_stops_the_joints_and_is_kept(rig, kind, change):
    rig.linked().follow()
    began = len(rig.driver.sent) - 3
    for _ in range(12):
        rig.tick(change)
        if rig.arm.fault is not None:
            break
    assert rig.arm.fault.kind is kind
    assert not rig.arm.linked
    rig.run(1.0)
    assert rig.arm.fault.kind is kind, "good reports do not heal it"
    if kind is Fault.RESTARTED:
        assert len(rig.driver.sent) == began + 3, "the new driver heard of nothing"
    elif kind is not Fault.SILENT:
        assert_jerk_limited_standstill(rig.cell, rig.driver.sent[began:])
    assert "/arm/reset" in rig.arm.waits_for
    assert kind.value in rig.arm.waits_for


def test_reports_that_freeze_are_a_fault(cell, kinematics):
    loose = cell.arm.changed(following_error_rad=1.0)
    rig = Rig(cell.model_copy(update={"arm": loose}), kinematics).linked().follow(0.3)
    frozen, began = rig.driver.q, len(rig.driver.sent) - 3
    rig.run(0.3, lambda report: replace(report, position=frozen))
    assert rig.arm.fault.kind is Fault.FROZEN
    assert_jerk_limited_standstill(rig.cell, rig.driver.sent[began:])


def test_an_arm_that_leaves_its_commanding_state_is_a_fault(rig):
    rig.linked().follow()
    rig.driver.waits_for = "its controller does not run"
    rig.tick()
    assert rig.arm.fault.kind is Fault.LINK_LOST
    assert "its controller does not run" in rig.arm.waits_for


def test_a_stop_is_as_smooth_under_a_clock_of_coarse_steps(rig):
    rig.coarse_s = 0.01
    rig.linked().follow()
    began = len(rig.driver.sent) - 3
    rig.run(0.5, BAD_REPORTS[Fault.EXTERNAL_TORQUE])
    assert rig.arm.fault.kind is Fault.EXTERNAL_TORQUE
    assert_jerk_limited_standstill(rig.cell, rig.driver.sent[began:])


def test_following_starts_afresh_after_a_reset(rig):
    rig.linked().follow()
    rig.tick(BAD_REPORTS[Fault.EXTERNAL_TORQUE])
    assert rig.arm.reset() == "the joints are still being stopped"
    rig.run(0.5, BAD_REPORTS[Fault.EXTERNAL_TORQUE])
    assert "3.1 Nm" in rig.arm.reset()
    rig.run(0.2, lambda _: None)
    assert rig.arm.reset() == "the arm does not report"
    rig.run(0.1)
    # The arm was pushed aside meanwhile.
    rig.driver.q = rig.driver.q + 0.04
    rig.following_since = None
    rig.run(0.1)
    stands, before = rig.driver.q, len(rig.driver.sent)
    assert rig.arm.reset() is None
    rig.linked()
    assert np.array_equal(rig.driver.sent[before], stands)
    rig.follow()
    assert rig.arm.fault is None


def test_the_worst_that_was_seen_is_told(rig):
    rig.linked()
    rig.tick(lambda report: replace(report, position=report.position + 0.03))
    rig.tick(lambda report: replace(report, external_torque=with_joint(report.torque, -1, 1.5)))
    rig.run(0.1)
    assert rig.arm.checks.worst_following_error_rad == pytest.approx(0.03)
    assert rig.arm.checks.worst_torque_share == pytest.approx(0.5)


strange = st.floats(-4, 4) | st.sampled_from([np.nan, np.inf, -np.inf])
strange_joints = st.none() | st.lists(strange, min_size=5, max_size=8).map(np.array)
strange_reports = st.builds(
    ArmReport,
    time_s=st.floats(0, 20) | st.sampled_from([np.nan, -1e-6]),
    position=st.lists(strange, min_size=5, max_size=8).map(np.array),
    velocity=strange_joints,
    torque=strange_joints,
    external_torque=strange_joints,
)
happenings = st.lists(
    st.sampled_from(["good"] * 6 + ["silence", "reset"])
    | strange_reports
    | st.sampled_from(list(BAD_REPORTS.values()) + list(MALFORMED.values())),
    max_size=60,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(happenings)
def test_whatever_the_arm_says_what_is_sent_is_finite_and_slow(cell, kinematics, sequence):
    rig = Rig(cell, kinematics).linked().follow(0.3)
    limit = np.array(cell.arm.joint_velocity_limits_rad_s) * PERIOD_S + 1e-9
    for happening in sequence:
        fault, before = rig.arm.fault, len(rig.driver.sent)
        last = rig.driver.sent[-1]
        if happening == "reset":
            rig.arm.reset()
        elif happening == "silence":
            rig.run(0.06, lambda _: None)
        elif isinstance(happening, ArmReport):
            rig.tick(lambda _, report=happening: report)
        else:
            rig.tick(happening if callable(happening) else lambda report: report)
        sent = np.array([last, *rig.driver.sent[before:]])
        assert np.isfinite(sent).all()
        assert (np.abs(np.diff(sent, axis=0)) <= limit).all() or fault is not rig.arm.fault
        if fault is not None and happening != "reset":
            assert rig.arm.fault is fault
