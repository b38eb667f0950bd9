"""An arm behind its last checks: the same for every driver.

::

                 a good report, and the arm takes commands
    WAITING ---------------------------------------------------> LINKED
       ^                                                            | anything wrong
       |                reset(), at rest and with nothing wrong     v
       +---------------------------------------------------------- FAULT

Linked, every report is answered with joint positions: those where the arm says that it stands,
then those commanded. A fault stops the joints, jerk-limited, and is kept until a person resets
it: a broken link is never taken up again by itself.
"""

from __future__ import annotations

import numpy as np

from pushcell.config.cell import CellConfig
from pushcell.drivers.arm import ArmDriver, ArmFault, ArmReport, Fault
from pushcell.drivers.command_order import CommandOrder
from pushcell.drivers.joint_stream import JointStream
from pushcell.drivers.play_clock import PlayClock
from pushcell.drivers.report_checks import ReportChecks
from pushcell.geometry import Array

# In periods of reports: when one is late, and when this process was held up.
_LATE, _HELD_UP = 1.5, 2.0


class GuardedArm:
    """One driver; ``lower`` and ``upper`` (n,) [rad] end the joints' range. One call a moment.

    Times are of one control clock [s], which may be simulated.
    """

    def __init__(self, cell: CellConfig, driver: ArmDriver, lower: Array, upper: Array) -> None:
        self._cell = cell
        self._driver = driver
        self.checks = ReportChecks(cell, lower, upper)
        self._period_s = 1.0 / cell.arm.status_rate_hz
        self._stream: JointStream | None = None
        self._order = CommandOrder(cell.arm.command_silence_s)
        self._sent: Array | None = None
        self._sent_s = -np.inf
        self._looked_s = self._heard_s = -np.inf
        self._play_clock = PlayClock(self._period_s)
        self._silence_s = self._steady_silence_s = np.inf
        self._problem: ArmFault | None = None
        self.fault: ArmFault | None = None
        self.duplicates = 0

    @property
    def linked(self) -> bool:
        """Whether the arm is commanded."""
        return self._stream is not None and self.fault is None

    @property
    def waits_for(self) -> str | None:
        """What keeps the arm from being commanded, in words."""
        if self.fault is not None:
            return f"{self.fault}; mend the cause, then call /arm/reset"
        if self.linked:
            return None
        if self._silence_s > self._cell.motion.arm_status_age_s:
            return "the arm does not report"
        return str(self._problem)

    @property
    def commands_silent(self) -> bool:
        """Whether the joints were stopped because commands stopped coming."""
        return self._stream is not None and self._stream.silent

    @property
    def commands_refused(self) -> int:
        """How many commands were malformed, late or jumped since the arm was linked."""
        return 0 if self._stream is None else self._stream.refused

    def step(self, now_s: float, steady_s: float) -> ArmReport | None:
        """Hear the arm and answer it; its report, when one came. ``steady_s``: the steady clock."""
        heard = self._driver.receive()
        if isinstance(heard, ArmReport) and self.checks.repeats(heard):
            self.duplicates += 1
            heard = None
        self._watch(now_s, steady_s, heard is not None)
        if heard is not None:
            self._judge(now_s, heard)
        if isinstance(heard, ArmReport) and np.isfinite(heard.time_s):
            self._answer(self._play_clock.at(heard.time_s, now_s, self._moving))
        elif heard is not None or now_s - self._sent_s >= _LATE * self._period_s:
            # The arm must not wait for an answer, least of all in a stop.
            self._answer(self._play_clock.without_report(now_s))
        return heard if isinstance(heard, ArmReport) else None

    def command(
        self,
        now_s: float,
        due_s: float,
        position: Array,
        velocity: Array,
        sender: str,
        number: int,
    ) -> None:
        """Where the joints shall be at a time: (n,) [rad], (n,) [rad/s].

        Each sender numbers its commands; two at a time are a fault.
        """
        if not self.linked or self._stream is None:
            return
        rival = self._order.rival(sender, number, due_s)
        if rival is not None:
            self._fail(now_s, ArmFault(Fault.OTHER_COMMANDER, rival))
            return
        self._stream.push(now_s, due_s, position, velocity, sender)

    def reset(self) -> str | None:
        """Forget a fault, and begin anew from where the arm stands; or why not, in words."""
        if self.fault is None:
            return None
        if self._stream is not None and not self._stream.resting:
            return "the joints are still being stopped"
        if self._silence_s > self._cell.motion.arm_status_age_s:
            return "the arm does not report"
        if self._problem is not None:
            return str(self._problem)
        self.fault, self._stream, self._sent = None, None, None
        return None

    def finish(self, now_s: float) -> bool:
        """Hear nobody any more and bring the joints to rest; True when they rest."""
        if self._stream is None:
            return True
        self._stream.close(now_s)
        self._answer(self._play_clock.without_report(now_s))
        return self._stream.resting

    @property
    def _moving(self) -> bool:
        return self._stream is not None and not self._stream.resting

    @property
    def _waiting(self) -> bool:
        return self._stream is None and self.fault is None

    def _watch(self, now_s: float, steady_s: float, heard: bool) -> None:
        """Silence is what has passed by either clock, less what held up this process itself.

        Simulated time may leap, or stand still, between two reports that come as they should.
        """
        passed_s = min(steady_s - self._looked_s, _HELD_UP * self._period_s)
        self._looked_s = steady_s
        self._heard_s = now_s if heard else self._heard_s
        self._steady_silence_s = 0.0 if heard else self._steady_silence_s + passed_s
        self._silence_s = min(self._steady_silence_s, now_s - self._heard_s)
        limit_s = self._cell.motion.arm_status_age_s
        if self.linked and self._silence_s > limit_s:
            self._fail(now_s, ArmFault(Fault.SILENT, f"for more than {1e3 * limit_s:.0f} ms"))

    def _judge(self, now_s: float, heard: ArmReport | ArmFault) -> None:
        problem: ArmFault | None
        if isinstance(heard, ArmFault):
            problem = heard
        else:
            problem = self.checks.problem(heard, self._sent if self.linked else None)
        waits_for = self._driver.waits_for
        if problem is None and waits_for is not None:
            problem = ArmFault(Fault.LINK_LOST, waits_for)
        self._problem = problem
        if problem is not None and self.linked:
            self._fail(now_s, problem)
        elif isinstance(heard, ArmReport) and problem is None and self._waiting:
            period_s = 1.0 / self._cell.motion.rate_hz
            self._stream = JointStream(self._cell.arm, period_s, heard.position)
            self._order = CommandOrder(self._cell.arm.command_silence_s)

    def _fail(self, now_s: float, fault: ArmFault) -> None:
        self.fault = fault
        if self._stream is not None:
            self._stream.close(now_s)
        if fault.kind is Fault.RESTARTED:
            # It is another driver now, which never heard of what was commanded.
            self._stream = None

    def _answer(self, play_s: float) -> None:
        stream = self._stream
        if stream is None or (stream.closed and stream.resting):
            return
        self._sent, self._sent_s = stream.position_at(play_s), play_s
        self._driver.send(self._sent)
