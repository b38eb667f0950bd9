"""Nodes that are held up: what is sent keeps the joints' limits in the arm's own time."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pushcell.arm.kinematics import ArmKinematics
from pushcell.drivers.arm import ArmReport
from pushcell.drivers.guarded_arm import GuardedArm
from pushcell.drivers.play_clock import MAX_SLEW
from tests.drivers.guarded_arm.rig import DIRECTION, ScriptedArm

REST = np.zeros_like(DIRECTION)
REPORT_MS, COMMAND_MS, LINKED_MS, RUN_MS = 5, 10, 100, 3000
STOOD_S = 0.05
# Played time may pass faster than the arm's, and the next moment slower: by that the fastest joint
# of the least acceleration is off, 2 * MAX_SLEW * 1.7 rad/s / 5 ms of 15 rad/s^2.
CLOCKS = 1.0 + 2 * MAX_SLEW * 1.7 / 0.005 / 15
# Of the joints' own motion; the limits are those of the cell.
TURNS_RAD_S = 14.0

holds = st.lists(
    st.tuples(
        st.integers(LINKED_MS, RUN_MS),
        st.sampled_from([3, 8, 15, 25, 40, 60, 80, 300, 500]),
    ),
    max_size=8,
)
SIX = [(1000 + 160 * number, 80) for number in range(6)]
delays = st.lists(st.sampled_from([0, 0, 0, 0, 1, 2, 4, 9]), min_size=1, max_size=16)


def awake(held: list[tuple[int, int]]) -> np.ndarray:
    """Whether a process runs, in each millisecond."""
    runs = np.ones(RUN_MS + 1000, dtype=bool)
    for at, duration in held:
        runs[at : at + duration] = False
    return runs


class Cell:
    """The arm, arm_node and motion_node, a millisecond at a time."""

    def __init__(self, cell, kinematics, share: float) -> None:
        self.driver = ScriptedArm(np.array(cell.arm.nominal_joints_rad))
        self.arm = GuardedArm(cell, self.driver, kinematics.lower_rad, kinematics.upper_rad)
        acceleration = np.array(cell.arm.joint_acceleration_limits_rad_s2)
        self._start = self.driver.q
        self._swing = share * (acceleration / TURNS_RAD_S**2).min() * DIRECTION / 0.3
        self._ticks = 0
        # At which of the arm's own ticks it obeys (7,) [rad]: the newest before each.
        self.obeyed: dict[int, np.ndarray] = {}

    def run(self, arm_node, motion_node, delays) -> None:
        commands: list[tuple] = []
        heard: ArmReport | None = None
        for ms in range(RUN_MS):
            now_s = 50.0 + 1e-3 * ms
            if ms % REPORT_MS == 0:
                heard = ArmReport(7.0 + 1e-3 * ms, self.driver.q, REST, REST, np.full(7, 0.5))
                reported = ms
            if motion_node[ms] and ms >= LINKED_MS and self._due(ms, motion_node):
                commands.append((ms + delays[ms // COMMAND_MS % len(delays)], now_s, *self._next()))
            if not arm_node[ms]:
                continue
            for command in [it for it in commands if it[0] <= ms]:
                commands.remove(command)
                self.arm.command(now_s, *command[1:4], "motion", command[4])
            read_ms = delays[ms // REPORT_MS % len(delays)] % REPORT_MS
            if heard is not None and ms - reported >= read_ms:
                self.driver.deliver(heard)
                heard = None
            told = len(self.driver.sent)
            self.arm.step(now_s, now_s)
            if len(self.driver.sent) > told:
                self.obeyed[ms // REPORT_MS + 1] = self.driver.sent[-1]

    def _due(self, ms: int, motion_node: np.ndarray) -> bool:
        """A timer's tick that was missed comes as soon as the process runs again, once."""
        return ms % COMMAND_MS == 0 or not motion_node[ms - 1]

    def _next(self) -> tuple:
        """A tick moves the path on by one period, however long the clock took to tick."""
        at_s = 1e-3 * COMMAND_MS * self._ticks
        self._ticks += 1
        turn = TURNS_RAD_S * at_s
        q = self._start + self._swing * (1 - np.cos(turn))
        return q, self._swing * TURNS_RAD_S * np.sin(turn), self._ticks


def shares(cell, obeyed) -> tuple[float, float]:
    """Velocity and acceleration of what the arm obeys, in its own time, as shares of the limits.

    Where nothing came the arm is taken to go straight on to what comes next; where nothing came for
    long it has stood, which nobody commanded.
    """
    times = 1e-3 * REPORT_MS * np.array(list(obeyed))
    velocity = np.diff(list(obeyed.values()), axis=0) / np.diff(times)[:, None]
    between = 0.5 * (times[2:] - times[:-2])
    acceleration = np.diff(velocity, axis=0) / between[:, None]
    long = np.diff(times) > STOOD_S
    acceleration[long[1:] | long[:-1]] = 0
    return (
        float((np.abs(velocity) / cell.arm.joint_velocity_limits_rad_s).max()),
        float((np.abs(acceleration) / cell.arm.joint_acceleration_limits_rad_s2).max()),
    )


@pytest.fixture(scope="module")
def kinematics(cell):
    return ArmKinematics(cell)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@example([], [], [0, 0, 0, 0, 1, 1, 1, 0, 9, 9], 0.8984375)
@example([], [], [0, 0, 1, 4, 2, 0, 9, 0, 0, 2, 0, 4, 0, 0, 1, 0], 0.3)
@example(SIX, [], [0], 0.9)
@example([], SIX, [0], 0.9)
@given(holds, holds, delays, st.floats(0.1, 0.9))
def test_whoever_stutters_the_limits_hold(cell, kinematics, arm_node, motion_node, delays, share):
    played = Cell(cell, kinematics, share)
    played.run(awake(arm_node), awake(motion_node), delays)
    velocity, acceleration = shares(cell, played.obeyed)
    assert velocity <= CLOCKS
    assert acceleration <= CLOCKS
