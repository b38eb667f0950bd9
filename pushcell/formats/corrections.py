"""What an operator did when taking over from a policy: a data set of corrections (DAgger)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration
from pushcell.recording.control_log import DrivenSpan, takeovers
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.episode_steps import read_steps
from pushcell.recording.store import find_episodes

_NS = 10**9
_LEAST_STEPS = 3


class CorrectionSet:
    """A `DataSet` of one folder: every takeover of its usable episodes, with a lead-in [s].

    The lead-in shows what the operator saw before taking over; what the policy did in it comes
    along, so it is to be short.
    """

    def __init__(self, folder: Path, image_px: tuple[int, int], lead_in_s: float) -> None:
        self._image_px = image_px
        self._lead_in_ns = round(lead_in_s * _NS)
        self._found = [
            (path, info, number, span)
            for path in find_episodes(folder)
            if (info := EpisodeInfo.load(path)).usable
            for number, span in enumerate(takeovers(info.driven), start=1)
            if _lasts(span, info)
        ]
        if not self._found:
            raise EpisodeError(f"{folder} holds no usable episode in which a person took over")

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Demonstration]:
        for path, info, number, span in self._found:
            span_ns = span.start_ns - self._lead_in_ns, span.end_ns
            steps = read_steps(path, info, self._image_px, span_ns)
            yield Demonstration(f"{path.name}_takeover{number}", steps)


def _lasts(span: DrivenSpan, info: EpisodeInfo) -> bool:
    return (span.end_ns - span.start_ns) / _NS * info.rate_hz >= _LEAST_STEPS
