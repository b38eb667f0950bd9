"""Plays a recording's messages in real time, or faster: pause, step, seek, loop, rate."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from pushcell.bags.bag import Bag, RawMessage
from pushcell.errors import EpisodeError
from pushcell.node_states import ReplayState

_NS = 10**9
# Time stands still rather than running away from a machine that is too slow.
_MOST_AT_ONCE_NS = _NS // 5


class Player:
    """Where the recording is, and what is due; a time line's state.

    ``due`` is called again and again with steady time; times of the recording are of its log.
    """

    def __init__(
        self, bag: Bag, topics: Collection[str], rate: float = 1.0, loop: bool = False
    ) -> None:
        """Raises EpisodeError for topics that the bag does not have, and for a bad rate."""
        unknown = sorted(set(topics) - set(bag.topics))
        if unknown:
            raise EpisodeError(
                f"the bag has no {', '.join(unknown)}; it has {', '.join(sorted(bag.topics))}"
            )
        self._bag, self._topics = bag, frozenset(topics)
        self._loop = loop
        self._playing = True
        self._steady_s: float | None = None
        self.rate = rate
        self.on_jump: Callable[[], None] = lambda: None
        self.now_ns = bag.start_ns
        self._messages: Iterator[RawMessage] = iter(())
        self._ahead: RawMessage | None = None
        self._go_to(bag.start_ns)

    @property
    def rate(self) -> float:
        """How many seconds of the recording pass in one."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        if not 0.01 <= rate <= 100:
            raise EpisodeError(f"the rate must be from 0.01 to 100, not {rate}")
        self._rate = rate

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._ahead is None

    def state(self) -> ReplayState:
        """For a time line; seconds from the recording's beginning."""
        return ReplayState(
            position_s=round((self.now_ns - self._bag.start_ns) / _NS, 3),
            duration_s=round((self._bag.end_ns - self._bag.start_ns) / _NS, 3),
            playing=self._playing and not self.at_end,
            rate=self._rate,
            loop=self._loop,
        )

    def request(self, do: str, value: float = 0.0) -> list[RawMessage]:
        """What a time line asks for; what is to be published at once.

        Raises EpisodeError for what is not known.
        """
        if do == "play":
            if self.at_end:
                self._go_to(self._bag.start_ns)
            self._playing = True
        elif do == "pause":
            self._playing = False
        elif do == "step":
            self._playing = False
            return self._step()
        elif do == "seek":
            seconds = min(max(value, 0.0), (self._bag.end_ns - self._bag.start_ns) / _NS)
            self._go_to(self._bag.start_ns + round(seconds * _NS))
            return [] if self._playing else self._step()
        elif do == "rate":
            self.rate = value
        elif do == "loop":
            self._loop = bool(value)
        else:
            raise EpisodeError(
                f"a replay cannot {do!r}; known are play, pause, step, seek, rate, loop"
            )
        return []

    def hold(self, steady_s: float) -> None:
        """Time passes, but not in the recording."""
        self._steady_s = steady_s

    def due(self, steady_s: float) -> Iterator[RawMessage]:
        """The messages up to now; ``now_ns`` moves along."""
        before_s, self._steady_s = self._steady_s, steady_s
        if before_s is None or not self._playing:
            return
        passed_ns = min(round((steady_s - before_s) * self._rate * _NS),
                        round(_MOST_AT_ONCE_NS * max(1.0, self._rate)))  # fmt: skip
        until_ns = self.now_ns + passed_ns
        while self._ahead is not None and self._ahead.log_ns <= until_ns:
            message = self._ahead
            self.now_ns = max(self.now_ns, message.log_ns)
            self._ahead = next(self._messages, None)
            yield message
        self.now_ns = min(until_ns, self._bag.end_ns)
        if self._ahead is None and self._loop:
            self._go_to(self._bag.start_ns)

    def _step(self) -> list[RawMessage]:
        """All messages of the next moment at which there is one."""
        found: list[RawMessage] = []
        while self._ahead is not None and (not found or self._ahead.log_ns <= found[0].log_ns):
            found.append(self._ahead)
            self.now_ns = max(self.now_ns, self._ahead.log_ns)
            self._ahead = next(self._messages, None)
        return found

    def _go_to(self, time_ns: int) -> None:
        back = self.now_ns > time_ns
        self.now_ns = time_ns
        self._messages = self._bag.messages(self._topics, time_ns)
        self._ahead = next(self._messages, None)
        if back:
            self.on_jump()
