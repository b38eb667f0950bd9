"""The contract of simulated time: it goes on when everybody who takes part has done their work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# A participant that says nothing for so long, while time waits for it, hangs [s].
PATIENCE_S = 20.0


@dataclass
class _Participant:
    pid: int
    until_ns: int  # time may be told up to here without another word from it
    heard_s: float  # its last word, on the steady clock


class TimeBarrier:
    """Who takes part in simulated time, and how far each of them lets it go.

    A participant says: my work is done, tell me when it is ``until_ns``. Time is never told beyond
    the earliest of these. However long that takes, nobody who lives is left behind; whose process
    has ended, or who hangs, is `lost` until it is heard again.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._participants: dict[str, _Participant] = {}
        self.lost: dict[str, str] = {}  # name: what happened to it

    def heard(self, name: str, pid: int, until_ns: int, steady_s: float) -> None:
        """A participant's word, heard at a steady time."""
        self._participants[name] = _Participant(pid, until_ns, steady_s)
        self.lost.pop(name, None)

    @property
    def names(self) -> list[str]:
        """Of all who take part."""
        return list(self._participants)

    @property
    def horizon_ns(self) -> int | None:
        """Up to when time may be told; None where nobody takes part."""
        return min((p.until_ns for p in self._participants.values()), default=None)

    def waits_for(self, now_ns: int) -> list[str]:
        """Who has been told this time and has not yet done with it."""
        return [name for name, p in self._participants.items() if p.until_ns <= now_ns]

    def give_up(self, now_ns: int, since_s: float, steady_s: float) -> None:
        """Lose whom time waits for, told at ``since_s`` of steady time, if it ended or hangs."""
        for name in self.waits_for(now_ns):
            participant = self._participants[name]
            waited_s = steady_s - max(since_s, participant.heard_s)
            if not _lives(participant.pid):
                self._lose(name, "has ended")
            elif waited_s > self._patience_s:
                self._lose(name, f"has not answered for {self._patience_s:.0f} s")

    def _lose(self, name: str, why: str) -> None:
        del self._participants[name]
        self.lost[name] = why


def _lives(pid: int) -> bool:
    """Whether a process of this machine runs, or is stopped and may go on."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
