"""From a message in a bag to the stamp and the value of a sample, or the reason why it is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pushcell.action_chunk import ActionChunk
from pushcell.bags.bag import RawMessage
from pushcell.bags.decoder import Decoder
from pushcell.bags.messages import COMPRESSED_IMAGE, IMAGE, STATUS
from pushcell.bags.pixels import compressed_pixels_of, pixels_of
from pushcell.errors import EpisodeError
from pushcell.replay.clocks import SAME_CLOCK_NS, TopicClock
from pushcell.replay.poses import PoseReader
from pushcell.replay.recorded_schedule import read_chunk_record
from pushcell.replay.recording import Recording
from pushcell.replay.topic_map import ImageTopic, PoseTopic, StampedTopic

_S = 1e-9
_NS = 10**9

CHUNK = "trajectory_msgs/msg/MultiDOFJointTrajectory"
IMAGES = {IMAGE: pixels_of, COMPRESSED_IMAGE: compressed_pixels_of}
"""How the images of each type are read."""

NO_STAMP = "messages without a stamp, where others have one"
JUMPS = f"stamps that jump by more than {SAME_CLOCK_NS // _NS} s against the time of recording"
# A note is needed before the samples that it is about, and is written some time after them.
NOTED_BEFORE_NS = 3 * 10**8


class _Topic:
    """Reads the decoded messages of one topic, each of which is one sample."""

    def part(self, message: Any) -> Any | None:
        """What has the stamp and the value; None where the message is about something else."""
        return message

    def stamp_ns(self, part: Any, log_ns: int) -> int | None:
        """When it was captured, by its header if it has one; None where that was never filled."""
        header = getattr(part, "header", None)
        if header is None:
            return log_ns
        return (header.stamp.sec * _NS + header.stamp.nanosec) or None

    def value(self, part: Any, stamp_ns: int) -> Any:
        """Of the sample; ValueError for a message that is none."""
        raise NotImplementedError

    @property
    def absence(self) -> str:
        """Why no message was a sample, where that is known."""
        return ""


class _Images(_Topic):
    def __init__(self, where: ImageTopic, kind: str) -> None:
        self._where, self._pixels = where, IMAGES[kind]

    def value(self, part: Any, stamp_ns: int) -> Any:
        """(H, W, 3) RGB."""
        return self._pixels(part, self._where.encoding, self._where.white)


class _Poses(_Topic):
    def __init__(self, reader: PoseReader, places: bool) -> None:
        self._reader = reader
        self._read = reader.place if places else reader.pose

    def part(self, message: Any) -> Any | None:
        """See `PoseReader.part`."""
        return self._reader.part(message)

    def value(self, part: Any, stamp_ns: int) -> Any:
        """(3,) of a pose, (2,) or more of a place."""
        return self._read(part, stamp_ns)

    @property
    def absence(self) -> str:
        """Of transforms."""
        return self._reader.absence


class _Requests(_Topic):
    def stamp_ns(self, part: Any, log_ns: int) -> int | None:
        """`NOTED_BEFORE_NS` before the capture of what the chunk was made from."""
        return round(self.value(part, log_ns).capture_s * _NS) - NOTED_BEFORE_NS

    def value(self, part: Any, stamp_ns: int) -> Any:
        """A `Noted`."""
        return read_chunk_record({pair.key: pair.value for pair in part.values})


class _Chunks(_Topic):
    def value(self, part: Any, stamp_ns: int) -> Any:
        """As motion_node takes it."""
        capture_s = part.header.stamp.sec + part.header.stamp.nanosec * _S
        if any(len(point.transforms) != 1 for point in part.points):
            raise ValueError("chunks whose points have not one transform each")
        delays = [point.time_from_start for point in part.points]
        times = [capture_s + (delay.sec + delay.nanosec * _S) for delay in delays]
        tips = [point.transforms[0].translation for point in part.points]
        positions = np.array([[tip.x, tip.y] for tip in tips]).reshape(-1, 2)
        return ActionChunk(capture_s, np.array(times), positions)


class MessageReader:
    """Of one topic; the mapping's options for its clock are applied."""

    def __init__(
        self,
        topic: str,
        decoder: Decoder,
        reader: _Topic,
        where: StampedTopic | None,
        clock: TopicClock | None,
    ) -> None:
        self._topic, self._decoder, self._reader = topic, decoder, reader
        self._by_log = where is not None and where.clock == "log"
        self._offset_ns = 0 if where is None else round(where.offset_s * _NS)
        self._clock = clock

    def __call__(self, message: RawMessage) -> tuple[int, Any] | None:
        """Stamp [ns] and value; None where it is about something else, ValueError for no sample."""
        part = self._part(message)
        if part is None:
            return None
        stamp_ns, clock = self._stamp_ns(part, message.log_ns), self._clock
        if stamp_ns is None:
            if clock is not None and not clock.unstamped:
                raise ValueError(NO_STAMP)
            stamp_ns = message.log_ns
        elif clock is not None and abs(message.log_ns - stamp_ns - clock.lag_ns) > SAME_CLOCK_NS:
            raise ValueError(JUMPS)
        return stamp_ns, self._reader.value(part, stamp_ns)

    def lags_ns(self, message: RawMessage) -> list[int | None]:
        """How long before its recording the stamp lies, None without one; empty for no sample."""
        try:
            part = self._part(message)
        except ValueError:
            return []
        if part is None:
            return []
        stamp_ns = self._stamp_ns(part, message.log_ns)
        return [None if stamp_ns is None else message.log_ns - stamp_ns]

    @property
    def absence(self) -> str:
        """Why no message was a sample, where that is known."""
        return self._reader.absence

    def _part(self, message: RawMessage) -> Any | None:
        return self._reader.part(self._decoder.decode(self._topic, message.cdr))

    def _stamp_ns(self, part: Any, log_ns: int) -> int | None:
        stamp_ns = log_ns if self._by_log else self._reader.stamp_ns(part, log_ns)
        return None if stamp_ns is None else stamp_ns + self._offset_ns


def message_reader(recording: Recording, what: str, topic: str) -> MessageReader:
    """Of a topic that the mapping names; raises EpisodeError for a type that is not read."""
    kind = what.partition(" ")[0]
    message_type, where = recording.decoder.type_of(topic), recording.map.stamped(what)
    if kind == "camera":
        assert isinstance(where, ImageTopic)
        _require_type(recording, topic, IMAGES)
        reader: _Topic = _Images(where, message_type)
    elif kind == "request":
        _require_type(recording, topic, {STATUS: None})
        reader = _Requests()
    elif kind == "chunk":
        _require_type(recording, topic, {CHUNK: None})
        reader = _Chunks()
    else:
        pose_topic = where if isinstance(where, PoseTopic) else PoseTopic(topic=topic)
        poses = PoseReader(pose_topic, message_type, recording.map.frames, str(recording.path))
        reader = _Poses(poses, kind in ("target", "teleop"))
    return MessageReader(topic, recording.decoder, reader, where, recording.clocks.get(what))


def _require_type(recording: Recording, topic: str, known: Mapping[str, object]) -> None:
    found = recording.decoder.type_of(topic)
    if found not in known:
        raise EpisodeError(
            f"{recording.path}: {topic} is {found}; what it stands for is read from "
            f"{' and '.join(known)}"
        )
