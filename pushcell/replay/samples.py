"""A recording's messages as samples, in the order in which the robot heard of them.

Every sample has the stamp of its capture. What cannot be a sample is left out and counted.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from pushcell.bags.bag import RawMessage
from pushcell.replay.clocks import SAME_CLOCK_NS, TopicClock, clock_notes, require_one_clock
from pushcell.replay.message_reader import MessageReader, message_reader
from pushcell.replay.recording import Recording

_S = 1e-9
_NS = 10**9
# Messages are brought into order within so much of the log.
_WINDOW_NS = _NS
_AHEAD = 8
# These come as they come: sent again, or without a stamp of their own.
_UNORDERED = ("chunk", "request", "teleop")

# So many messages of each topic tell its clock: many within a while, few within a long while.
_MANY, _WHILE_NS = 20, 5 * _NS
_FEW, _LONG_WHILE_NS = 3, 60 * _NS

GOES_BACK = "stamps that go back in time, or stand still"
LATE = "messages recorded over a second out of order"


class Sample(NamedTuple):
    """``arrival_ns`` is when the robot heard of it, ``stamp_ns`` when it was captured.

    Values: pusher and slider (3,) poses, target and teleop (2,) or more; cameras (H, W, 3) RGB;
    chunk an `ActionChunk`; request a `Noted`, whose stamp is a little before the capture of what
    the chunk was made from.
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


class _Coming(NamedTuple):
    """A message that is being read, where that is done in a thread."""

    what: str
    reader: MessageReader
    message: RawMessage
    future: Future[tuple[int, Any] | None] | None


class SampleReader:
    """Reads one recording; may be asked again, and counts anew each time."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._map = recording.map
        self.left_out: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def clocks(self, wanted: Collection[str]) -> dict[str, TopicClock]:
        """Of the topics among what is wanted and there that may have another clock."""
        there = self._there(wanted)
        asked = {w: topic for w, topic in there.items() if self._map.stamped(w) is not None}
        known = self._recording.clocks
        unknown = {what: topic for what, topic in asked.items() if what not in known}
        if unknown:
            known |= dict.fromkeys(unknown) | self._survey(unknown)
        return {what: clock for what in asked if (clock := known[what]) is not None}

    def clock_notes(self, wanted: Collection[str]) -> list[str]:
        """What is to be known of their clocks."""
        return clock_notes(self.clocks(wanted), self._recording.cell.motion.observation_age_s)

    def samples(self, wanted: Collection[str], by_capture: bool = False) -> Iterator[Sample]:
        """Of what is wanted and there, in the order of arrival, or of capture.

        Raises EpisodeError for poses in a frame that the mapping does not know, for types that
        are not read, and for topics of different clocks.
        """
        self.left_out, self.counts = Counter(), Counter()
        require_one_clock(self.clocks(wanted), str(self._recording.path))
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

    def _there(self, wanted: Collection[str]) -> dict[str, str]:
        """The topics of what is wanted and can be read; one of transforms may stand for several."""
        missing = self._recording.missing
        return {
            what: topic
            for what, topic in self._map.named.items()
            if what in wanted and what not in missing
        }

    def _readers(self, there: dict[str, str]) -> dict[str, list[tuple[str, MessageReader]]]:
        """By topic."""
        readers: dict[str, list[tuple[str, MessageReader]]] = {}
        for what, topic in there.items():
            reader = message_reader(self._recording, what, topic)
            readers.setdefault(topic, []).append((what, reader))
        return readers

    def _survey(self, there: dict[str, str]) -> dict[str, TopicClock]:
        """The clocks of some topics, by the first messages of each."""
        readers = self._readers(there)
        lags: dict[str, list[int | None]] = {what: [] for what in there}
        start_ns = self._recording.bag.start_ns
        for message in self._recording.bag.messages(readers):
            passed_ns, fewest = message.log_ns - start_ns, min(map(len, lags.values()))
            few_will_do = passed_ns > _WHILE_NS and fewest >= _FEW
            if fewest >= _MANY or few_will_do or passed_ns > _LONG_WHILE_NS:
                break
            for what, reader in readers[message.topic]:
                if len(lags[what]) < _MANY:
                    lags[what] += reader.lags_ns(message)
        return {
            what: TopicClock.of(there[what], found, self._offset_s(what))
            for what, found in lags.items()
            if len(found) >= _FEW
        }

    def _offset_s(self, what: str) -> float:
        where = self._map.stamped(what)
        return 0.0 if where is None else where.offset_s

    def _decoded(self, wanted: Collection[str]) -> Iterator[tuple[int, Sample]]:
        """With the time of recording; pictures are decoded ahead in threads."""
        readers = self._readers(self._there(wanted))
        if not readers:
            return
        newest: dict[str, int] = {}
        with ThreadPoolExecutor(2, "pictures") as threads:
            coming: deque[_Coming] = deque()
            for message in self._recording.bag.messages(readers):
                for what, reader in readers[message.topic]:
                    camera = what.startswith("camera ")
                    future = threads.submit(reader, message) if camera else None
                    coming.append(_Coming(what, reader, message, future))
                    if len(coming) > _AHEAD:
                        yield from self._taken(coming.popleft(), newest)
            while coming:
                yield from self._taken(coming.popleft(), newest)
        for what, reader in (one for found in readers.values() for one in found):
            if reader.absence and not self.counts[what]:
                self.left_out[f"{what}: {reader.absence}"] += 1

    def _taken(self, coming: _Coming, newest: dict[str, int]) -> Iterator[tuple[int, Sample]]:
        what, reader, message, future = coming
        try:
            found = future.result() if future else reader(message)
        except ValueError as error:
            self.left_out[f"{what}: {error}"] += 1
            return
        if found is None:
            return
        stamp_ns, value = found
        if what not in _UNORDERED and stamp_ns <= newest.get(what, -1):
            self.left_out[f"{what}: {GOES_BACK}"] += 1
            return
        newest[what] = stamp_ns
        self.counts[what] += 1
        same_clock = what != "request" and 0 <= message.log_ns - stamp_ns <= SAME_CLOCK_NS
        arrival_ns = message.log_ns if same_clock else stamp_ns
        yield message.log_ns, Sample(arrival_ns, stamp_ns, what, value)
