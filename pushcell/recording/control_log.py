"""Who drove when, as ``/motion/state`` told it, and with which policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pushcell.config.types import Section

TELEOP, POLICY = "teleop", "policy"


class DrivenSpan(Section):
    """A time in which one source moved the arm; of the clock of the messages' stamps [ns]."""

    source: str
    start_ns: int
    end_ns: int


class PolicyIdentity(Section):
    """A policy that could drive: where it came from, its manifest's hash, how it is asked."""

    name: str
    sha256: str
    chunking: str
    seed: int


class ControlLog:
    """Puts the states together; ``policy`` is the one that was told of last."""

    def __init__(self) -> None:
        self._spans: list[DrivenSpan] = []
        self.policy: PolicyIdentity | None = None

    def on_state(self, stamp_ns: int, values: Mapping[str, str]) -> None:
        """The key-value pairs of one state."""
        source = values.get("source", "hold")
        last = self._spans[-1] if self._spans else None
        if last is not None and last.source == source:
            self._spans[-1] = last.model_copy(update={"end_ns": stamp_ns})
        else:
            if last is not None:
                self._spans[-1] = last.model_copy(update={"end_ns": stamp_ns})
            self._spans.append(DrivenSpan(source=source, start_ns=stamp_ns, end_ns=stamp_ns))

    @property
    def spans(self) -> tuple[DrivenSpan, ...]:
        """In their order; what only held the arm is left out."""
        return tuple(span for span in self._spans if span.source != "hold")


def takeovers(spans: Iterable[DrivenSpan]) -> list[DrivenSpan]:
    """The spans in which a person drove after the policy had driven."""
    found, policy_drove = [], False
    for span in spans:
        policy_drove = policy_drove or span.source == POLICY
        if span.source == TELEOP and policy_drove:
            found.append(span)
    return found
