"""What is wrong with an arm's report, if anything: the same for every arm."""

from __future__ import annotations

import numpy as np

from pushcell.arm.frozen_reports import FrozenReports
from pushcell.config.arm import IiwaLinkConfig
from pushcell.config.cell import CellConfig
from pushcell.drivers.arm import ArmFault, ArmReport, Fault
from pushcell.geometry import Array

# How far outside its range a joint may be: encoders and models differ a little.
_RANGE_TOLERANCE_RAD = 0.05


class ReportChecks:
    """Checks reports one after the other; ``lower`` and ``upper`` (n,) end the joints' range."""

    def __init__(self, cell: CellConfig, lower: Array, upper: Array) -> None:
        margin = cell.arm.joint_position_margin_rad + _RANGE_TOLERANCE_RAD
        self._lower, self._upper = lower - margin, upper + margin
        self._period_s = 1.0 / cell.arm.status_rate_hz
        self._max_missing_s = cell.motion.arm_status_age_s
        self._max_following_error = cell.arm.following_error_rad
        self._max_torque: Array | None = None
        if isinstance(cell.arm.link, IiwaLinkConfig):
            self._max_torque = np.array(cell.arm.link.external_torque_limits_nm)
        self._last_s: float | None = None
        self._frozen = FrozenReports(self._period_s, cell.arm.latency_s)
        # The worst of all reports: by these a person finds limits that fit.
        self.worst_following_error_rad = 0.0
        self.worst_torque_share = 0.0

    def repeats(self, report: ArmReport) -> bool:
        """Whether the report is the last one once more."""
        return report.time_s == self._last_s

    def problem(self, report: ArmReport, sent: Array | None) -> ArmFault | None:
        """What is wrong, given what was sent last (n,) [rad]; None = nothing was sent yet."""
        out_of_sequence = self._sequence(report.time_s)
        return (
            _malformed(report, len(self._lower), self._max_torque is not None)
            or out_of_sequence
            or self._range(report.position)
            or self._torque(report.external_torque)
            or self._following(report.position, sent)
            or self._standstill(report.position, sent)
        )

    def _sequence(self, time_s: float) -> ArmFault | None:
        last_s, self._last_s = self._last_s, time_s
        passed_s = self._period_s if last_s is None else time_s - last_s
        if passed_s < 0:
            return ArmFault(Fault.RESTARTED, f"by {-passed_s:.3f} s")
        missing_s = passed_s - self._period_s
        if missing_s > self._max_missing_s:
            detail = f"{1e3 * missing_s:.0f} ms, allowed {1e3 * self._max_missing_s:.0f} ms"
            return ArmFault(Fault.REPORT_GAP, detail)
        return None

    def _range(self, q: Array) -> ArmFault | None:
        excess = np.maximum(self._lower - q, q - self._upper)
        worst = int(np.argmax(excess))
        if excess[worst] <= 0:
            return None
        detail = (
            f"joint {worst + 1} is at {q[worst]:.3f} rad, it ends at {self._lower[worst]:.3f} and "
            f"{self._upper[worst]:.3f}: check arm.model.urdf, the joints' order and their unit"
        )
        return ArmFault(Fault.OUTSIDE_RANGE, detail)

    def _torque(self, torque: Array | None) -> ArmFault | None:
        if self._max_torque is None or torque is None:
            return None
        share = np.abs(torque) / self._max_torque
        worst = int(np.argmax(share))
        self.worst_torque_share = max(self.worst_torque_share, float(share[worst]))
        if share[worst] <= 1:
            return None
        detail = (
            f"joint {worst + 1} with {abs(torque[worst]):.1f} Nm, "
            f"allowed {self._max_torque[worst]:.1f} Nm"
        )
        return ArmFault(Fault.EXTERNAL_TORQUE, detail)

    def _following(self, q: Array, sent: Array | None) -> ArmFault | None:
        if sent is None:
            return None
        error = np.abs(q - sent)
        worst = int(np.argmax(error))
        self.worst_following_error_rad = max(self.worst_following_error_rad, float(error[worst]))
        if error[worst] <= self._max_following_error:
            return None
        detail = (
            f"joint {worst + 1} is off by {error[worst]:.3f} rad, "
            f"allowed {self._max_following_error:.3f} rad"
        )
        return ArmFault(Fault.OFF_COMMAND, detail)

    def _standstill(self, q: Array, sent: Array | None) -> ArmFault | None:
        if sent is None or not self._frozen.seen(q, sent):
            return None
        error = np.abs(q - sent)
        worst = int(np.argmax(error))
        return ArmFault(
            Fault.FROZEN, f"joint {worst + 1} reports {q[worst]:.3f} rad, sent {sent[worst]:.3f}"
        )


def _malformed(report: ArmReport, joints: int, needs_torque: bool) -> ArmFault | None:
    if not np.isfinite(report.time_s):
        return ArmFault(Fault.MALFORMED, f"its time is {report.time_s}")
    checked = {"position": report.position}
    if needs_torque:
        checked["external torque"] = (
            np.empty(0) if report.external_torque is None else report.external_torque
        )
    for name, values in checked.items():
        if values.shape != (joints,):
            detail = f"{values.size} values of {name} for {joints} joints"
            return ArmFault(Fault.MALFORMED, detail)
        if not np.isfinite(values).all():
            return ArmFault(Fault.MALFORMED, f"{name} is {np.round(values, 3).tolist()}")
    return None
