"""The quality gate: looks at an episode's messages as they come, and says what it is worth.

The same gate runs beside a recording, at its end, and over a bag that lies on the disk. It may be
fed in one thread and asked in another.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from pydantic import ValidationError

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.messages import (
    JOINT_STATE,
    PIXELS,
    STATUS,
    STRING,
    capture_stamp_ns,
    from_cdr,
    planar_pose_of,
)
from pushcell.config.cell import CellConfig
from pushcell.recording.control_log import ControlLog, PolicyIdentity
from pushcell.recording.quality_motion import MotionCheck
from pushcell.recording.quality_pictures import PictureCheck
from pushcell.recording.quality_report import QualityFinding, QualityReport, judged
from pushcell.recording.quality_stream import StreamCheck
from pushcell.recording.streams import (
    COMPRESSED,
    IMAGE_TOPIC,
    JOINTS_TOPIC,
    MOTION_TOPIC,
    POLICY_TOPIC,
    PUSHER_TOPIC,
    TARGET_TOPIC,
    Stream,
    streams_of,
)

_S = 1e-9
_PICTURES = re.compile(IMAGE_TOPIC.format("(.+?)") + f"({COMPRESSED})?")


class QualityGate:
    """One episode's; times are of the log [ns]."""

    def __init__(self, cell: CellConfig, streams: Sequence[Stream], start_ns: int) -> None:
        self._limits = cell.recording.quality
        self._start_ns = self._checked_ns = start_ns
        self._streams = {stream.topic: StreamCheck(stream) for stream in streams}
        self._motion = MotionCheck(cell)
        self.control_log = ControlLog()
        self._unknown_policy: list[QualityFinding] = []
        self._unreadable: dict[str, str] = {}
        rate_hz = cell.recording.image_checks_hz
        self._pictures = {
            stream.topic: PictureCheck(match[1], self._limits, rate_hz)
            for stream in streams
            if (match := _PICTURES.fullmatch(stream.topic))
        }
        self._types = {stream.topic: stream.message_type for stream in streams}
        self._motion_checks: dict[str, Callable[[int, bytes], None]] = {
            PUSHER_TOPIC: lambda ns, cdr: self._motion.on_pusher(ns, planar_pose_of(cdr)[:2]),
            TARGET_TOPIC: lambda ns, cdr: self._motion.on_target(ns, planar_pose_of(cdr)[:2]),
            JOINTS_TOPIC: lambda _, cdr: self._motion.on_joints(
                np.array(from_cdr(cdr, JOINT_STATE).position)
            ),
        }
        self._lock = threading.Lock()

    def on_message(self, topic: str, log_ns: int, cdr: bytes, lost: int = 0) -> None:
        """A message as it was published."""
        with self._lock:
            self._checked_ns = max(self._checked_ns, log_ns)
            try:
                self._streams[topic].on_message(log_ns, cdr, lost)
                self._look_at(topic, log_ns, cdr)
            # Whatever a message is: that it cannot be judged must not end the recording.
            except Exception as error:  # noqa: BLE001
                self._unreadable[topic] = str(error) or repr(error)

    def cannot_judge(self, topic: str, why: object) -> None:
        """The episode is no good: something of a topic could not be read."""
        with self._lock:
            self._unreadable[topic] = str(why)

    def report(self, now_ns: int, heard_ns: Mapping[str, int] | None = None) -> QualityReport:
        """Of the episode up to now; ``heard_ns`` is when each topic was heard last."""
        duration_s = max(0.0, (now_ns - self._start_ns) * _S)
        live = heard_ns is not None
        with self._lock:
            # What is on its way to the gate is not missing.
            counted_ns = min(now_ns, self._checked_ns) if live else now_ns
            findings = list(self._unknown_policy)
            for topic, why in self._unreadable.items():
                findings.append(QualityFinding("reject", f"{topic} cannot be judged: {why}"))
            for topic, check in self._streams.items():
                silent_ns = check.silent_ns(self._start_ns, now_ns, (heard_ns or {}).get(topic))
                findings += check.findings(counted_ns - self._start_ns, silent_ns, self._limits)
            for pictures in self._pictures.values():
                findings += pictures.findings()
            findings += self._motion.findings() + self._skews()
            figures = {topic: check.figures(duration_s) for topic, check in self._streams.items()}
            return QualityReport.of(findings, duration_s, figures, self._motion.measures())

    def final_report(self, end_ns: int) -> QualityReport:
        """Of the whole episode, which ended then."""
        report = self.report(end_ns)
        shortest_s = self._limits.duration_s
        if report.duration_s >= shortest_s:
            return report
        reason = f"it lasted {report.duration_s:.1f} s, less than {shortest_s:g} s"
        return report.with_finding(QualityFinding("reject", reason))

    @property
    def counts(self) -> dict[str, int]:
        """Messages of each topic so far."""
        return {topic: check.messages for topic, check in self._streams.items()}

    def _look_at(self, topic: str, log_ns: int, cdr: bytes) -> None:
        if topic == MOTION_TOPIC:
            self._on_motion_state(log_ns, cdr)
        elif topic == POLICY_TOPIC:
            self._on_policy(from_cdr(cdr, STRING).data)
        elif topic in self._motion_checks and self._motion.due(topic, log_ns):
            self._motion_checks[topic](capture_stamp_ns(cdr), cdr)
        elif topic in self._pictures and self._pictures[topic].due(log_ns):
            image = PIXELS[self._types[topic]](cdr)
            self._pictures[topic].on_picture(image, self._motion.way_m)

    def _on_motion_state(self, log_ns: int, cdr: bytes) -> None:
        values = {pair.key: pair.value for pair in from_cdr(cdr, STATUS).values}
        self._motion.source = values.get("source", "hold")
        self.control_log.on_state(log_ns, values)

    def _on_policy(self, text: str) -> None:
        try:
            self.control_log.policy = PolicyIdentity.model_validate_json(text)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            self._unknown_policy = [
                QualityFinding("warn", f"{POLICY_TOPIC} names no policy: {reason}")
            ]

    def _skews(self) -> list[QualityFinding]:
        """The two streams whose delays differ most."""
        delays = {t: c.delay_s for t, c in self._streams.items() if c.delay_s is not None}
        if len(delays) < 2:
            return []
        skew_s, a, b = max((abs(delays[a] - delays[b]), a, b) for a, b in combinations(delays, 2))
        text = f"{a} and {b}: their stamps are {skew_s:.2f} s apart in what arrives together"
        return judged(self._limits.skew_s, skew_s, text)


def review(bag: BagReader, cell: CellConfig) -> QualityGate:
    """The gate after all messages of a bag that lies on the disk."""
    rates = {stream.topic: stream.rate_hz for stream in streams_of(cell)}
    streams = [
        Stream(topic.name, topic.message_type, rates.get(topic.name.removesuffix(COMPRESSED)))
        for topic in bag.summary.topics
    ]
    gate = QualityGate(cell, streams, bag.summary.start_ns)
    for message in bag.messages():
        gate.on_message(message.topic, message.log_ns, message.cdr, message.lost)
    return gate
