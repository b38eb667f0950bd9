"""An arm that does as it is told, until the test makes it misbehave, and its guard."""

from dataclasses import replace

import numpy as np

from pushcell.drivers.arm import ArmFault, ArmReport
from pushcell.drivers.guarded_arm import GuardedArm

PERIOD_S = 0.005
DIRECTION = np.array([0.3, -0.2, 0.2, 0.1, -0.3, 0.2, 0.1])


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


def assert_jerk_limited_standstill(cell, sent: list[np.ndarray], period_s=PERIOD_S) -> None:
    played = np.array([*sent, sent[-1], sent[-1], sent[-1]])  # where it is left
    velocity = np.diff(played, axis=0) / period_s
    acceleration = np.diff(velocity, axis=0) / period_s
    jerk = np.diff(acceleration, axis=0) / period_s
    assert np.abs(velocity[0]).max() > 0.05, "it was moving"
    assert (np.abs(acceleration) <= cell.arm.joint_acceleration_limits_rad_s2).all()
    assert (np.abs(jerk) <= np.array(cell.arm.joint_jerk_limits_rad_s3) * 1.05).all()
