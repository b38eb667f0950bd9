"""One topic of an episode: how regularly it came, and whether its stamps make sense."""

from __future__ import annotations

from pushcell.bags.messages import capture_stamp_ns, has_header
from pushcell.config.recording import QualityConfig
from pushcell.recording.quality_report import QualityFinding, StreamFigures, judged
from pushcell.recording.streams import Stream

_S = 1e-9
_SETTLED_NS = 10**9  # sooner a message more or less would count for much


class StreamCheck:
    """Counts and extremes only: it does not grow with the episode."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._stamped = has_header(stream.message_type)
        self._newest_ns: int | None = None
        self._heard_ns: int | None = None
        self._gap_ns = 0
        self._delay_ns = 0
        self.messages = self.lost = self.duplicates = self.backward = 0

    def on_message(self, log_ns: int, cdr: bytes, lost: int) -> None:
        """A message, and how many of the same publisher were lost before it.

        Raises ValueError for one that should have a stamp and has none; it counts all the same.
        """
        self.messages += 1
        self.lost += lost
        self._heard_ns = log_ns
        stamp_ns = capture_stamp_ns(cdr) if self._stamped else log_ns
        if self._newest_ns is not None:
            step_ns = stamp_ns - self._newest_ns
            self._gap_ns = max(self._gap_ns, step_ns)
            if self._stamped:
                self.duplicates += step_ns == 0
                self.backward += step_ns < 0
        self._newest_ns = stamp_ns
        self._delay_ns += log_ns - stamp_ns

    @property
    def delay_s(self) -> float | None:
        """Mean time from stamp to arrival; None where that is not known or says nothing."""
        if not self._stamped or not self.messages or self._stream.rate_hz is None:
            return None
        return self._delay_ns / self.messages * _S

    def figures(self, duration_s: float) -> StreamFigures:
        """Of the episode so far."""
        return StreamFigures(
            messages=self.messages,
            rate_hz=self.messages / duration_s if duration_s > 0 else 0.0,
            longest_gap_s=self._gap_ns * _S,
            lost=self.lost,
            duplicates=self.duplicates,
            backward=self.backward,
            delay_s=self.delay_s or 0.0,
        )

    def silent_ns(self, start_ns: int, now_ns: int, heard_ns: int | None) -> int:
        """Since the newest message, which may be on its way here; ``heard_ns`` is when it came."""
        return max(now_ns - max(start_ns, heard_ns or 0, self._heard_ns or 0), 0)

    def findings(
        self, lasted_ns: int, silent_ns: int, limits: QualityConfig
    ) -> list[QualityFinding]:
        """What is wrong with what came in so long, and with the silence after it."""
        topic, rate_hz = self._stream.topic, self._stream.rate_hz
        found: list[QualityFinding] = []
        if rate_hz is not None and self.backward:
            found.append(
                QualityFinding("reject", f"{topic}: {self.backward} stamps go back in time")
            )
        if self.messages:
            if rate_hz is not None:
                share = self.duplicates / self.messages
                text = f"{topic}: {self.duplicates} messages have the stamp of the one before"
                found += judged(limits.duplicates, share, text)
            share = self.lost / (self.messages + self.lost)
            text = f"{topic}: {self.lost} messages were published and did not arrive"
            found += judged(limits.lost, share, text)
        if rate_hz is None:
            return found
        silence_s = silent_ns * _S
        text = f"{topic}: silent for {silence_s:.1f} s"
        silent = judged(limits.gap_s, silence_s - 1 / rate_hz, text)
        gap_s = self._gap_ns * _S
        text = f"{topic}: nothing for {gap_s:.2f} s"
        found += silent or judged(limits.gap_s, gap_s - 1 / rate_hz, text)
        expected = rate_hz * lasted_ns * _S
        if lasted_ns > _SETTLED_NS and not silent:
            share = 1 - (self.messages + 1) / expected
            text = f"{topic}: {self.messages} messages where {expected:.0f} were expected"
            found += judged(limits.missing, share, text)
        return found
