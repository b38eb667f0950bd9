"""Compares the clocks of a recording's topics, before a policy is shown what was not simultaneous.

Stamps are set by drivers and times of recording by the recorder. The first messages of each topic
tell how far apart the two are; a topic whose stamps lie otherwise than those of the rest is refused
with the option of the mapping that mends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from pushcell.errors import EpisodeError

_NS = 10**9
_YEAR_S = 365.25 * 86400.0
SAME_CLOCK_NS = 10 * _NS
"""A stamp that is this far from where its topic's stamps lie is of another clock."""

# A camera may take this much longer than the others to hand its images out.
_MOST_APART_S = 1.0
# Nothing is captured after it was recorded, but clocks of machines differ a little.
_MOST_AHEAD_S = 0.1


@dataclass(frozen=True)
class TopicClock:
    """The stamps of a topic: ``lag_ns`` is the median of how long before its recording they lie.

    ``unstamped``: no message has a stamp, so that the time of recording stands for it. The stamps
    are those with the mapping's ``offset_s``.
    """

    topic: str
    unstamped: bool
    lag_ns: int
    offset_s: float = 0.0

    @classmethod
    def of(cls, topic: str, lags_ns: list[int | None], offset_s: float = 0.0) -> TopicClock:
        """Of the lags of some messages; None is a message without a stamp."""
        stamped = [lag for lag in lags_ns if lag is not None]
        return cls(topic, not stamped, round(median(stamped or [0])), offset_s)

    @property
    def lag_s(self) -> float:
        """In seconds."""
        return self.lag_ns / _NS


def require_one_clock(clocks: Mapping[str, TopicClock], origin: str) -> None:
    """Raise EpisodeError, naming topic and size, for stamps of another clock than the others'."""
    reference = _reference(clocks)
    if reference is None:
        return
    for clock in clocks.values():
        apart_s = clock.lag_s - reference.lag_s
        ahead = clock.lag_s < -_MOST_AHEAD_S and apart_s < -_MOST_AHEAD_S
        if ahead or abs(apart_s) > _MOST_APART_S:
            raise EpisodeError(
                f"{origin}: the stamps of {clock.topic} lie {_where(clock.lag_s)}, those of "
                f"{reference.topic} {_where(reference.lag_s)}, so they are of another clock: give "
                f"{clock.topic} `clock: log`, or `offset_s: {clock.offset_s + apart_s:.3f}`, in "
                f"the mapping{_unit_of_offset(clock, apart_s)}"
            )


def clock_notes(clocks: Mapping[str, TopicClock], most_s: float) -> list[str]:
    """What is to be known of clocks that are not refused; ``most_s`` is the oldest observation."""
    notes = [
        f"{clock.topic} has no stamps: the time of recording is taken instead"
        for clock in clocks.values()
        if clock.unstamped
    ]
    reference = _reference(clocks)
    if reference is None:
        return notes
    if abs(reference.lag_s) > _MOST_APART_S:
        notes.append(f"all stamps lie {_where(reference.lag_s)}: the recorder had another clock")
    notes += [
        f"{clock.topic} and {reference.topic} do not meet: the stamps of {clock.topic} lie "
        f"{clock.lag_s - reference.lag_s:.3f} s further before their recording, and an observation "
        f"may be {most_s:g} s old; if they are early, give {clock.topic} an `offset_s` in the "
        "mapping"
        for clock in clocks.values()
        if clock.lag_s - reference.lag_s > most_s
    ]
    return notes


def _reference(clocks: Mapping[str, TopicClock]) -> TopicClock | None:
    """The topic whose stamps lie nearest to the times of recording."""
    stamped = [clock for clock in clocks.values() if not clock.unstamped]
    return min(stamped, key=lambda clock: abs(clock.lag_ns), default=None)


def _unit_of_offset(clock: TopicClock, apart_s: float) -> str:
    """What to do where the offset that was given would fit in another unit."""
    for unit, parts in (("milliseconds", 1e3), ("nanoseconds", 1e9)):
        if clock.offset_s and abs(apart_s + clock.offset_s * (1 - 1 / parts)) <= _MOST_APART_S:
            return f"; its offset_s of {clock.offset_s:g} is in seconds: divide {unit} by {parts:g}"
    return ""


def _where(lag_s: float) -> str:
    """Where stamps lie, in words."""
    size_s = abs(lag_s)
    size = f"{size_s / _YEAR_S:.1f} years" if size_s > _YEAR_S else f"{size_s:.3f} s"
    return f"{size} {'before' if lag_s >= 0 else 'after'} their recording"
