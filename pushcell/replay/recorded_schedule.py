"""Makes chunks again as they were made: begun, seen and ended as the robot noted it.

On the robot it is a matter of microseconds whether a sample comes before a tick or after it. Its
notes on ``/policy/request`` decide that here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from policy_server.chunking import Inquiry, Scheduler
from policy_server.degradation import Degradation
from pushcell.action_chunk import ActionChunk
from pushcell.errors import EpisodeError
from pushcell.geometry import Array


@dataclass(frozen=True)
class Noted:
    """One chunk as policy_node noted it; times are of the recording's clock [s]."""

    number: int
    seed: int
    chunking: str
    bundle: str
    capture_s: float
    begun_s: float
    ended_s: float
    outcome: str

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Noted:
        """From the pairs of a status; raises EpisodeError for one that says something else."""
        try:
            return cls(
                int(values["number"]),
                int(values["seed"]),
                values["chunking"],
                values["bundle"],
                float(values["capture_s"]),
                float(values["begun_s"]),
                float(values["ended_s"]),
                values["outcome"],
            )
        except (KeyError, ValueError) as error:
            raise EpisodeError(f"a note on /policy/request cannot be read: {error}") from None


class Guide:
    """Takes the notes as they are read; says which samples may be seen already."""

    def __init__(self) -> None:
        self._notes: deque[Noted] = deque()

    def add(self, note: Noted) -> None:
        """One more, later than all before."""
        self._notes.append(note)

    @property
    def next(self) -> Noted | None:
        """The chunk that is to be begun next, as far as is known."""
        return self._notes[0] if self._notes else None

    def begun(self) -> Noted:
        """The next one has been begun, or could not be."""
        return self._notes.popleft()

    def may_see(self, stamp_s: float) -> bool:
        """Whether a sample may be seen before the next chunk is begun."""
        return self.next is None or stamp_s < self.next.capture_s


class GuidedScheduler:
    """A scheduler that asks when it is told to; all else is as ever."""

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

    def inquire(self, now_s: float, capture_s: float) -> Inquiry:
        """The inner one's."""
        return self._inner.inquire(now_s, capture_s)

    def note_delay(self, delay_s: float) -> None:
        """The inner one's."""
        self._inner.note_delay(delay_s)

    def accept(self, now_s: float, capture_s: float, actions: Array, inquiry: Inquiry) -> None:
        """The inner one's."""
        self._inner.accept(now_s, capture_s, actions, inquiry)
        self._show()

    def _show(self) -> None:
        self.plan, self.late = self._inner.plan, self._inner.late
