"""The gate: a good episode passes, and each fault is found and named."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

from benchmarks.synthetic_cell import START_NS, Heard, live, recording_cell, tip_at
from pushcell.bags.messages import image_cdr, tool_pose_cdr
from pushcell.config.cell import CellConfig
from pushcell.geometry import PlanarPose
from pushcell.recording.control_log import takeovers
from pushcell.recording.quality import QualityGate
from pushcell.recording.quality_report import QualityReport
from pushcell.recording.streams import (
    IMAGE_TOPIC,
    JOINTS_TOPIC,
    PUSHER_TOPIC,
    TARGET_TOPIC,
    streams_of,
)

WRIST = IMAGE_TOPIC.format("wrist")
S = 10**9
SECONDS = 8.0
Change = Callable[[Heard], Heard | None]


@pytest.fixture(scope="session")
def good(cell: CellConfig) -> list[Heard]:
    return list(live(cell, SECONDS))


def gate_after(cell: CellConfig, heard: Iterable[Heard]) -> QualityGate:
    gate = QualityGate(cell, streams_of(cell), START_NS)
    for message in heard:
        gate.on_message(message.topic, message.log_ns, message.cdr)
    return gate


def judged(cell: CellConfig, heard: Iterable[Heard], seconds: float = SECONDS) -> QualityReport:
    return gate_after(cell, heard).final_report(START_NS + round(seconds * S))


def changed(heard: Iterable[Heard], topic: str, change: Change) -> Iterator[Heard]:
    """The messages with those of one topic replaced, or left out."""
    for message in heard:
        after = change(message) if message.topic == topic else message
        if after is not None:
            yield after


def restamped(message: Heard, by_ns: int) -> Heard:
    seconds, nanoseconds = struct.unpack_from("<iI", message.cdr, 4)
    stamp = seconds * S + nanoseconds + by_ns
    cdr = bytearray(message.cdr)
    struct.pack_into("<iI", cdr, 4, *divmod(stamp, S))
    return message._replace(cdr=bytes(cdr))


def at(message: Heard) -> float:
    return (message.log_ns - START_NS) / S


def test_a_good_episode_is_accepted(cell: CellConfig, good: list[Heard]) -> None:
    report = judged(cell, good)
    assert (report.verdict, report.reasons) == ("accept", ())
    assert report.streams[JOINTS_TOPIC].messages == 800
    assert report.streams[WRIST].delay_s == pytest.approx(0.04)
    assert report.measures["pusher_way_m"] == pytest.approx(0.04 * SECONDS, rel=0.05)


def black(message: Heard) -> Heard:
    image = np.full((24, 32, 3), 3, np.uint8)
    return message._replace(cdr=image_cdr(message.log_ns - 40_000_000, "wrist", image))


def still(message: Heard) -> Heard:
    image = np.full((24, 32, 3), 90, np.uint8)
    return message._replace(cdr=image_cdr(message.log_ns - 40_000_000, "wrist", image))


@pytest.mark.parametrize(
    ("topic", "change", "verdict", "reason"),
    [
        (WRIST, lambda m: None, "reject", "wrist/color/image_raw: silent for 8.0 s"),
        (WRIST, lambda m: m if at(m) < 5 else None, "reject", "wrist.*: silent for 3"),
        (WRIST, lambda m: None if 3 < at(m) < 4 else m, "reject", "wrist.*: nothing for 1.10 s"),
        (WRIST, lambda m: None if 3 < at(m) < 3.2 else m, "warn", "wrist.*: nothing for 0.30 s"),
        (WRIST, black, "reject", "camera wrist: 100 % of its pictures are black"),
        (WRIST, still, "reject", "camera wrist: the same picture .* frozen"),
        (WRIST, lambda m: restamped(m, -S // 2), "reject", "wrist.* 0.5. s apart"),
        (WRIST, lambda m: restamped(m, -S // 5) if at(m) > 4 else m, "reject", "wrist.* go back"),
        (
            JOINTS_TOPIC,
            lambda m: m if round(at(m) * 100) % 3 else None,
            "reject",
            "joint_states: 5.. messages where 800 were expected",
        ),
        (
            PUSHER_TOPIC,
            lambda m: m if at(m) < 3 else restamped(m, round((3 - at(m)) * S)),
            "reject",
            "pusher/pose: 2.. messages have the stamp of the one before",
        ),
    ],
)
def test_each_fault_is_named(
    cell: CellConfig, good: list[Heard], topic: str, change: Change, verdict: str, reason: str
) -> None:
    quality = cell.recording.quality.model_dump()
    strict = {**quality, "duplicates": {"warn": 0.0, "reject": 0.02}}
    cell = recording_cell(cell, quality=strict)
    report = judged(cell, changed(good, topic, change))
    assert report.verdict == verdict, report.reasons
    assert any(re.search(reason, text) for text in report.reasons), report.reasons


def test_rests_borders_and_top_speed_are_measured(cell: CellConfig, good: list[Heard]) -> None:
    def resting(message: Heard) -> Heard:
        return message._replace(cdr=tool_pose_cdr(message.log_ns, tip_at(cell, 0), 0.0125))

    rested = judged(cell, changed(good, PUSHER_TOPIC, resting))
    assert "the pusher rested for 8.0 s" in rested.reasons

    def at_border(message: Heard) -> Heard:
        x, y = cell.workspace.corners_m[0]
        pose = PlanarPose(x + 0.001, y + 0.001, 0)
        return message._replace(cdr=tool_pose_cdr(message.log_ns, pose, 0.0125))

    assert "100 % of the time the pusher was at the border" in (
        judged(cell, changed(good, PUSHER_TOPIC, at_border)).reasons
    )

    def racing(message: Heard) -> Heard:
        way = cell.motion.teleop.speed_m_s * at(message)
        pose = PlanarPose(0.5, way - 0.3, 0)
        return message._replace(cdr=tool_pose_cdr(message.log_ns, pose, 0.0125))

    raced = judged(cell, changed(good, TARGET_TOPIC, racing))
    assert raced.measures["share_at_top_speed"] > 0.9
    assert any("top speed" in reason for reason in raced.reasons)


def test_what_was_lost_on_the_way_counts(cell: CellConfig, good: list[Heard]) -> None:
    gate = gate_after(cell, good[:-1])
    gate.on_message(*good[-1], lost=3)
    report = gate.final_report(START_NS + round(SECONDS * S))
    assert any("3 messages were published and did not arrive" in text for text in report.reasons)
    assert report.verdict != "accept"


def test_a_camera_that_is_gone_is_seen_at_once(cell: CellConfig, good: list[Heard]) -> None:
    gate = gate_after(cell, changed(good, WRIST, lambda m: m if at(m) < 4 else None))
    heard = {WRIST: START_NS + 4 * S}
    for seconds, verdict in ((4.1, "accept"), (4.25, "warn"), (4.55, "reject")):
        now_ns = START_NS + round(seconds * S)
        others = {topic: now_ns for topic in gate.counts if topic != WRIST}
        assert gate.report(now_ns, {**others, **heard}).verdict == verdict


def test_a_short_episode_is_rejected(cell: CellConfig) -> None:
    report = judged(cell, live(cell, 0.5), 0.5)
    assert report.verdict == "reject"
    assert "it lasted 0.5 s, less than 1 s" in report.reasons


def test_who_drove_is_known(cell: CellConfig) -> None:
    sources = ((0.0, "hold"), (1.0, "policy"), (3.0, "teleop"), (4.0, "hold"), (5.0, "teleop"))
    spans = gate_after(cell, live(cell, 6.0, sources)).control_log.spans
    assert [span.source for span in spans] == ["policy", "teleop", "teleop"]
    starts = [(span.start_ns - START_NS) / S for span in spans]
    assert starts == pytest.approx([1, 3, 5], abs=0.06)
    assert spans[0].end_ns == spans[1].start_ns
    assert takeovers(spans) == list(spans[1:])
    assert takeovers(spans[1:]) == []
