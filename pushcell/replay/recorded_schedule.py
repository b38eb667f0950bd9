"""Repeats chunks as they were made: begun, observed and ended as the robot recorded it.

On the robot it is a matter of microseconds whether a sample comes before a tick or after it. Its
notes on ``/policy/request`` decide that here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import cast

from policy_server.chunking import ChunkConditions, Scheduler
from policy_server.degradation import Degradation
from policy_server.driver import ChunkOutcome, ChunkRecord
from pushcell.action_chunk import ActionChunk
from pushcell.errors import EpisodeError
from pushcell.geometry import Array


def read_chunk_record(values: Mapping[str, str]) -> ChunkRecord:
    """From the pairs of a status; raises EpisodeError for one that says something else.

    Its times are of the recording's clock [s].
    """
    try:
        return ChunkRecord(
            number=int(values["number"]),
            seed=int(values["seed"]),
            chunking=values["chunking"],
            bundle=values["bundle"],
            capture_s=float(values["capture_s"]),
            begun_s=float(values["begun_s"]),
            ended_s=float(values["ended_s"]),
            outcome=cast(ChunkOutcome, values["outcome"]),
        )
    except (KeyError, ValueError) as error:
        raise EpisodeError(f"a note on /policy/request cannot be read: {error}") from None


class RecordedSchedule:
    """The chunk records as they are read; says which samples may be observed already."""

    def __init__(self) -> None:
        self._notes: deque[ChunkRecord] = deque()

    def add(self, note: ChunkRecord) -> None:
        """One more, later than all before."""
        self._notes.append(note)

    @property
    def next(self) -> ChunkRecord | None:
        """The chunk that is to be begun next, as far as is known."""
        return self._notes[0] if self._notes else None

    def begun(self) -> ChunkRecord:
        """The next one has been begun, or could not be."""
        return self._notes.popleft()

    def may_see(self, stamp_s: float) -> bool:
        """Whether a sample may be seen before the next chunk is begun."""
        return self.next is None or stamp_s < self.next.capture_s


class RecordedScheduler:
    """Asks when a chunk was begun in the recording; the rest is the inner scheduler's."""

    def __init__(self, inner: Scheduler) -> None:
        self._inner = inner
        self.due = False
        self._show()

    plan: ActionChunk | None
    late: int

    @property
    def degradation(self) -> Degradation:
        """The inner one's."""
        return self._inner.degradation

    def reset(self) -> None:
        """A new trial begins."""
        self._inner.reset()
        self._show()

    def restart(self) -> None:
        """The inner one's."""
        self._inner.restart()

    def wants(self, now_s: float) -> bool:
        """Only when a chunk was begun at this time."""
        return self.due

    def conditions_for(self, now_s: float, capture_s: float) -> ChunkConditions:
        """The inner one's."""
        return self._inner.conditions_for(now_s, capture_s)

    def note_delay(self, delay_s: float) -> None:
        """The inner one's."""
        self._inner.note_delay(delay_s)

    def accept(
        self, now_s: float, capture_s: float, actions: Array, conditions: ChunkConditions
    ) -> None:
        """The inner one's."""
        self._inner.accept(now_s, capture_s, actions, conditions)
        self._show()

    def _show(self) -> None:
        self.plan, self.late = self._inner.plan, self._inner.late
