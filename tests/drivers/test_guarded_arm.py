"""An arm that does as it is told, until the test makes it misbehave; of seven joints and of six."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pushcell.arm.kinematics import ArmKinematics
from pushcell.config.cell import CellConfig, cell_from_dict
from pushcell.drivers.arm import ArmFault, ArmReport, Fault
from pushcell.drivers.guarded_arm import GuardedArm
from pushcell.shipped import CELLS
from tests.conftest import SIM_CELL

PERIOD_S = 0.005
DIRECTION = np.array([0.3, -0.2, 0.2, 0.1, -0.3, 0.2, 0.1])


@pytest.fixture(scope="module", params=["sim", "ur5e_sim"])
def cell(request) -> CellConfig:
    """An arm whose external torques are watched, so that every fault can strike it."""
    path = CELLS.find(request.param)
    values = yaml.safe_load(path.read_text())
    if request.param == "ur5e_sim":
        watched = yaml.safe_load(SIM_CELL.read_text())["arm"]["link"]
        watched["external_torque_limits_nm"] = [30.0, 30.0, 15.0, 6.0, 6.0, 3.0]
        values["arm"]["link"] = watched
    return cell_from_dict(values, str(path), path.parent)


class ScriptedArm:
    """The driver: `deliver` says what it hears next; it reports where it was sent."""

    def __init__(self, q: np.ndarray) -> None:
        self.q = q
        self.sent: list[np.ndarray] = []
        self.waits_for: str | None = None
        self._next: ArmReport | ArmFault | None = None

    def deliver(self, heard: ArmReport | ArmFault | None) -> None:
        self._next = heard

    def receive(self) -> ArmReport | ArmFault | None:
        heard, self._next = self._next, None
        return heard

    def send(self, position: np.ndarray) -> None:
        self.sent.append(position)
        self.q = position

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        pass


class Rig:
    """Ticks a guarded arm at its reports' rate."""

    def __init__(self, cell, kinematics) -> None:
        self.cell = cell
        self.driver = ScriptedArm(np.array(cell.arm.nominal_joints_rad))
        limits = kinematics.lower_rad, kinematics.upper_rad
        self.arm = GuardedArm(cell, self.driver, *limits)
        self.now = 50.0
        self.arm_clock_s = 7.0
        self.coarse_s = 0.0  # the step of the control clock
        self.following_since: float | None = None
        self.number = 0

    def report(self, **changes) -> ArmReport:
        rest = np.zeros_like(self.driver.q)
        report = ArmReport(self.arm_clock_s, self.driver.q, rest, rest, rest + 0.5)
        return replace(report, **changes)

    def tick(self, change=lambda report: report) -> None:
        self.now += PERIOD_S
        self.arm_clock_s += PERIOD_S
        if self.following_since is not None:
            self._command()
        self.driver.deliver(change(self.report()))
        control_s = (
            np.floor(self.now / self.coarse_s) * self.coarse_s if self.coarse_s else self.now
        )
        self.arm.step(control_s, self.now)

    def run(self, duration_s: float, change=lambda report: report) -> None:
        for _ in range(round(duration_s / PERIOD_S)):
            self.tick(change)

    def follow(self, duration_s: float = 0.6) -> "Rig":
        """The joints swing until the test stops commanding."""
        self._start = self.driver.q
        self.following_since = self.now + PERIOD_S
        self.run(duration_s)
        assert self.arm.commands_refused == 0
        return self

    def linked(self) -> "Rig":
        self.run(0.05)
        assert self.arm.linked, self.arm.waits_for
        return self

    def _command(self) -> None:
        time_s = self.now - self.following_since
        if round(time_s / PERIOD_S) % 2 == 1:
            return  # commands come at half the rate of reports
        direction = DIRECTION[: len(self._start)]
        position = self._start + 0.1 * direction * (1 - np.cos(4 * time_s))
        velocity = 0.4 * direction * np.sin(4 * time_s)
        self.number += 1
        self.arm.command(self.now, self.now, position, velocity, "motion", self.number)


@pytest.fixture(scope="module")
def kinematics(cell):
    return ArmKinematics(cell)


@pytest.fixture
def rig(cell, kinematics):
    return Rig(cell, kinematics)


def assert_jerk_limited_standstill(cell, sent: list[np.ndarray], period_s=PERIOD_S) -> None:
    played = np.array([*sent, sent[-1], sent[-1], sent[-1]])  # where it is left
    velocity = np.diff(played, axis=0) / period_s
    acceleration = np.diff(velocity, axis=0) / period_s
    jerk = np.diff(acceleration, axis=0) / period_s
    assert np.abs(velocity[0]).max() > 0.05, "it was moving"
    assert (np.abs(acceleration) <= cell.arm.joint_acceleration_limits_rad_s2).all()
    assert (np.abs(jerk) <= np.array(cell.arm.joint_jerk_limits_rad_s3) * 1.05).all()


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


@pytest.mark.parametrize("interval", [1, 2, 7])
@pytest.mark.parametrize(
    ("sender", "ahead"),
    [("motion", 0), ("motion", 1), ("motion", -100), ("other", 0), ("other", 10**9)],
    ids=["copies", "counts on", "begins anew", "other", "other with numbers of its own"],
)
def test_a_rival_ends_in_a_stop_within_the_limits(rig, sender, ahead, interval):
    """Also one that says to be the commander itself."""
    rig.linked().follow()
    began = len(rig.driver.sent) - 3
    for tick in range(100):
        rig.tick()
        if tick % interval == 0 and rig.arm.fault is None:
            direction = DIRECTION[: len(rig.driver.q)]
            place = rig.driver.q + 0.01 * direction
            rig.arm.command(rig.now, rig.now, place, 2 * direction, sender, rig.number + ahead)
    assert rig.arm.fault.kind is Fault.OTHER_COMMANDER
    assert sender in rig.arm.waits_for
    assert_jerk_limited_standstill(rig.cell, rig.driver.sent[began:])
    assert rig.arm.reset() is None


def test_who_begins_after_a_silence_is_no_rival(rig):
    rig.linked().follow()
    rig.following_since = None
    rig.run(0.5)
    rig.arm.command(rig.now, rig.now, rig.driver.q, np.zeros_like(rig.driver.q), "restarted", 1)
    rig.run(0.1)
    assert rig.arm.fault is None
    assert rig.arm.commands_refused == 0


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


def test_a_stop_is_played_to_its_end_on_a_silent_wire(rig):
    rig.linked().follow()
    began, late_s = len(rig.driver.sent) - 1, 1.5 * PERIOD_S
    for _ in range(100):
        rig.now += late_s
        rig.arm.step(rig.now, rig.now)
    assert rig.arm.fault.kind is Fault.SILENT
    assert_jerk_limited_standstill(rig.cell, rig.driver.sent[began:], late_s)
    assert (len(rig.driver.sent) - began) * late_s < rig.cell.motion.arm_status_age_s + 0.2


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
