"""What the quality gate says of an episode, and how a measure becomes a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pushcell.config.recording import Bounds
from pushcell.config.types import Section

Verdict = Literal["accept", "warn", "reject"]
_ORDER: tuple[Verdict, ...] = ("accept", "warn", "reject")


@dataclass(frozen=True)
class QualityFinding:
    """Something that is not as it should be."""

    verdict: Verdict
    reason: str


class StreamFigures(Section):
    """Of one topic; the rest is zero where its messages have no stamps or no rate is expected."""

    messages: int
    rate_hz: float
    longest_gap_s: float
    lost: int
    duplicates: int
    backward: int
    delay_s: float


class QualityReport(Section):
    """The gate's verdict with its reasons, the worst first, and the figures behind it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    duration_s: float
    streams: dict[str, StreamFigures]
    measures: dict[str, float]

    @classmethod
    def of(
        cls,
        findings: Iterable[QualityFinding],
        duration_s: float,
        streams: dict[str, StreamFigures],
        measures: dict[str, float],
    ) -> QualityReport:
        """The report of all findings; the worst one decides the verdict."""
        ordered = sorted(findings, key=lambda finding: -_ORDER.index(finding.verdict))
        return cls(
            verdict=ordered[0].verdict if ordered else "accept",
            reasons=tuple(finding.reason for finding in ordered),
            duration_s=duration_s,
            streams=streams,
            measures=measures,
        )

    def with_finding(self, finding: QualityFinding) -> QualityReport:
        """The same with something more against it."""
        reasons = [QualityFinding(self.verdict, reason) for reason in self.reasons]
        return self.of([*reasons, finding], self.duration_s, self.streams, self.measures)


def judged(bounds: Bounds, value: float, reason: str) -> list[QualityFinding]:
    """The finding that a measure is, if it is one."""
    if value > bounds.reject:
        return [QualityFinding("reject", reason)]
    return [QualityFinding("warn", reason)] if value > bounds.warn else []
