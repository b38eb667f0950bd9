"""A recording's messages as samples, in the order in which the robot heard of them.

Every sample has the stamp of its capture. What cannot be a sample is left out and counted.
"""

from __future__ import annotations

import functools
import heapq
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from policy_server.chunk import ActionChunk
from pushcell.errors import EpisodeError
from pushcell.geometry import Array, Pose
from pushcell.recording.messages import BASE_FRAME
from pushcell.replay.bag import RawMessage
from pushcell.replay.guide import Noted
from pushcell.replay.pixels import PICTURES, Image, pixels_of
from pushcell.replay.recording import Recording
from pushcell.replay.topic_map import ImageTopic, PoseTopic

_S = 1e-9
_NS = 10**9
# Messages are brought into order within so much of the log.
_WINDOW_NS = _NS
# A stamp this far from the time of recording is of another clock.
_SAME_CLOCK_NS = 10 * _NS
_AHEAD = 8
# These come as they come: sent again, or without a stamp of their own.
_UNORDERED = ("chunk", "request", "teleop")

# A note is needed before the samples that it is about, and is written some time after them.
NOTED_BEFORE_NS = 3 * 10**8

GOES_BACK = "stamps that go back in time, or stand still"
LATE = "messages recorded over a second out of order"


class Sample(NamedTuple):
    """``arrival_ns`` is when the robot heard of it, ``stamp_ns`` when it was captured.

    Values: pusher and slider (3,) poses, target and teleop (2,) or more; cameras (H, W, 3) RGB;
    chunk an `ActionChunk`; request a `Noted`, whose stamp is `NOTED_BEFORE_NS` before the capture
    of what the chunk was made from.
    """

    arrival_ns: int
    stamp_ns: int
    what: str
    value: Any

    @property
    def stamp_s(self) -> float:
        """As nodes reckon it."""
        seconds, nanoseconds = divmod(self.stamp_ns, _NS)
        return seconds + nanoseconds * _S


class SampleReader:
    """Reads one recording; may be asked again, and counts anew each time."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._map, self._decoder = recording.map, recording.decoder
        self.left_out: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def samples(self, wanted: Collection[str], by_capture: bool = False) -> Iterator[Sample]:
        """Of what is wanted and there, in the order of arrival, or of capture.

        Raises EpisodeError for poses in a frame that the mapping does not know.
        """
        self.left_out, self.counts = Counter(), Counter()
        waiting: list[tuple[int, int, Sample]] = []
        newest_ns, passed_ns = 0, 0
        for number, (log_ns, sample) in enumerate(self._decoded(wanted)):
            newest_ns = max(newest_ns, log_ns)
            key = sample.stamp_ns if by_capture else sample.arrival_ns
            if key < passed_ns:
                self.left_out[f"{sample.what}: {LATE}"] += 1
                continue
            heapq.heappush(waiting, (key, number, sample))
            while waiting and waiting[0][0] < newest_ns - _WINDOW_NS:
                passed_ns = waiting[0][0]
                yield heapq.heappop(waiting)[2]
        while waiting:
            yield heapq.heappop(waiting)[2]

    def _decoded(self, wanted: Collection[str]) -> Iterator[tuple[int, Sample]]:
        """With the time of recording; pictures are decoded ahead in threads."""
        missing = self._recording.missing
        topics = {
            t: what for what, t in self._map.named.items() if what in wanted and what not in missing
        }
        if not topics:
            return
        readers = {topic: self._reader(what, topic) for topic, what in topics.items()}
        newest: dict[str, int] = {}
        with ThreadPoolExecutor(2, "pictures") as threads:
            coming: deque[tuple[str, RawMessage, Future[Any] | None]] = deque()
            for message in self._recording.bag.messages(topics):
                what, future = topics[message.topic], None
                if what.startswith("camera "):
                    future = threads.submit(readers[message.topic], message)
                coming.append((what, message, future))
                if len(coming) > _AHEAD:
                    yield from self._taken(*coming.popleft(), readers, newest)
            while coming:
                yield from self._taken(*coming.popleft(), readers, newest)

    def _taken(
        self,
        what: str,
        message: RawMessage,
        future: Future[Any] | None,
        readers: dict[str, Callable[[RawMessage], tuple[int, Any]]],
        newest: dict[str, int],
    ) -> Iterator[tuple[int, Sample]]:
        try:
            stamp_ns, value = future.result() if future else readers[message.topic](message)
        except ValueError as error:
            self.left_out[f"{what}: {error}"] += 1
            return
        if what not in _UNORDERED and stamp_ns <= newest.get(what, -1):
            self.left_out[f"{what}: {GOES_BACK}"] += 1
            return
        newest[what] = stamp_ns
        self.counts[what] += 1
        same_clock = what != "request" and 0 <= message.log_ns - stamp_ns <= _SAME_CLOCK_NS
        arrival_ns = message.log_ns if same_clock else stamp_ns
        yield message.log_ns, Sample(arrival_ns, stamp_ns, what, value)

    def _reader(self, what: str, topic: str) -> Callable[[RawMessage], tuple[int, Any]]:
        """From a message to its stamp and value; ValueError for one that is none."""
        kind, _, name = what.partition(" ")
        if kind == "camera":
            value: Callable[[Any], Any] = self._pictures(self._map.cameras[name], topic)
        elif kind in ("pusher", "slider", "target"):
            where = getattr(self._map, kind)
            assert isinstance(where, PoseTopic)
            value = self._poses(where, self._place if kind == "target" else self._pose)
        else:
            others: dict[str, Callable[[Any], Any]] = {
                "chunk": _chunk,
                "teleop": functools.partial(self._place, topic),
                "request": lambda message: Noted.of(_pairs(message)),
            }
            value = others[kind]

        def read(message: RawMessage) -> tuple[int, Any]:
            decoded = self._decoder.decode(topic, message.cdr)
            if kind == "request":
                note = value(decoded)
                return round(note.capture_s * _NS) - NOTED_BEFORE_NS, note
            header = getattr(decoded, "header", None)
            if header is None:
                return message.log_ns, value(decoded)
            return header.stamp.sec * _NS + header.stamp.nanosec, value(decoded)

        return read

    def _pictures(self, where: ImageTopic, topic: str) -> Callable[[Any], Image]:
        kind = self._decoder.type_of(topic)
        if kind not in PICTURES:
            raise EpisodeError(
                f"{self._recording.path}: {topic} is {kind}, pictures are {' or '.join(PICTURES)}"
            )
        return lambda message: pixels_of(message, kind, where.encoding, where.white)

    def _poses(self, where: PoseTopic, read: Callable[[str, Any], Array]) -> Callable[[Any], Array]:
        if where.fields is not None:
            getters = [attrgetter(path) for path in where.fields]
            return functools.partial(_fields, getters)
        return functools.partial(read, where.topic)

    def _place(self, topic: str, message: Any) -> Array:
        """(2,) of a target: its heading is the arm's own."""
        p = self._posed(message).position
        frame = self._frame(topic, message.header.frame_id)
        return np.array([p.x, p.y]) if frame is None else frame.transform([[p.x, p.y, p.z]])[0, :2]

    def _pose(self, topic: str, message: Any) -> Array:
        pose = self._posed(message)
        frame = self._frame(topic, message.header.frame_id)
        p, q = pose.position, pose.orientation
        numbers = [p.x, p.y, p.z, q.x, q.y, q.z, q.w]
        if not np.isfinite(numbers).all():
            return np.full(3, np.nan)
        in_frame = Pose.from_quaternion(numbers[:3], numbers[3:])
        return (in_frame if frame is None else frame @ in_frame).planar().as_array()

    @staticmethod
    def _posed(message: Any) -> Any:
        """Position and orientation, with covariance or without."""
        return getattr(message.pose, "pose", message.pose)

    def _frame(self, topic: str, frame: str) -> Pose | None:
        """A frame in the base; None for the base itself."""
        if frame == BASE_FRAME:
            return None
        if frame not in self._map.frames:
            raise EpisodeError(
                f"{self._recording.path}: {topic} is in frame {frame!r}; known are "
                f"{', '.join([BASE_FRAME, *self._map.frames])}: give its pose in the base under "
                "frames"
            )
        return self._map.frames[frame].pose


def _fields(getters: Sequence[Callable[[Any], Any]], message: Any) -> Array:
    try:
        return np.array([float(get(message)) for get in getters])
    except (AttributeError, TypeError) as error:
        raise ValueError(f"messages without the mapping's fields ({error})") from None


def _pairs(message: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in message.values}


def _chunk(message: Any) -> ActionChunk:
    """As motion_node takes it."""
    stamp = message.header.stamp
    capture_s = stamp.sec + stamp.nanosec * _S
    if any(len(point.transforms) != 1 for point in message.points):
        raise ValueError("chunks whose points have not one transform each")
    delays = [point.time_from_start for point in message.points]
    times = [capture_s + (delay.sec + delay.nanosec * _S) for delay in delays]
    tips = [point.transforms[0].translation for point in message.points]
    positions = np.array([[tip.x, tip.y] for tip in tips]).reshape(-1, 2)
    return ActionChunk(capture_s, np.array(times), positions)
