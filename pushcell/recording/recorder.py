"""Records episodes: from a start to an operator's verdict, one folder each.

::

    idle --start--> recording --stop--> verifying --> idle
                        |                   |
                        +-- disk full ------+--> failed --start--> recording

Messages come in the caller's thread and are written in another; neither ``on_message`` nor
``stop`` waits for the disk.
Times are of the clock that messages are stamped with [ns].
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pushcell.bags.bag_writer import BagSummary, Topic
from pushcell.cameras.calibrated import active_sha256
from pushcell.config.cell import CellConfig
from pushcell.errors import EpisodeError
from pushcell.node_states import GateVerdict, LastEpisode, RecorderPhase, RecorderState
from pushcell.processes.priority import ProcessPriority
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo, Verdict, configuration_sha256
from pushcell.recording.episode_writer import EpisodeWriter
from pushcell.recording.finalize import finish_episode
from pushcell.recording.folder_lock import alone_in
from pushcell.recording.onward_clock import UNORDERED_NS, OnwardClock
from pushcell.recording.quality import QualityGate
from pushcell.recording.quality_report import QualityFinding, QualityReport
from pushcell.recording.recovery import recover_all
from pushcell.recording.store import DISCARDED, EpisodeStore, write_durably
from pushcell.recording.streams import streams_of

IDLE: Final = "idle"
RECORDING: Final = "recording"
VERIFYING: Final = "verifying"
FAILED: Final = "failed"
_MB = 10**6


@dataclass
class _Episode:
    name: str
    partial: Path
    start_ns: int
    writer: EpisodeWriter
    gate: QualityGate
    topics: tuple[Topic, ...]
    clock: OnwardClock
    alone: ExitStack = field(default_factory=ExitStack)  # holds the folder's lock
    verdict: Verdict = "unjudged"
    reason: str = "the recording ended without a verdict"
    discarded: bool = False
    end_ns: int | None = None


class Recorder:
    """One folder's; ``on_failure`` is called in another thread when a recording broke off."""

    def __init__(
        self,
        cell: CellConfig,
        directory: Path,
        clock_ns: Callable[[], int],
        on_failure: Callable[[str], None],
    ) -> None:
        self._cell, self._clock_ns, self._on_failure = cell, clock_ns, on_failure
        self._clock = OnwardClock(clock_ns)
        self.streams = {stream.topic: stream for stream in streams_of(cell)}
        self.store = EpisodeStore(directory)
        self._lock = threading.Lock()
        self._phase: RecorderPhase = IDLE
        self._problem = ""
        self._episode: _Episode | None = None
        self._thread: threading.Thread | None = None
        self._heard_ns: dict[str, int] = {}
        self._latched: dict[str, bytes] = {}
        self._last = LastEpisode(episode="", verdict="", reasons=(), operator="")

    # What comes in

    def on_message(
        self, topic: str, log_ns: int, cdr: bytes, lost: int = 0, latched: bool = False
    ) -> None:
        """A message; a latched one is also the first of its topic in every later episode."""
        log_ns = self._clock.at(log_ns)
        last_ns = self._heard_ns.get(topic, 0)
        if 0 < last_ns - log_ns < UNORDERED_NS:
            log_ns = last_ns  # the order in which they came is the truth
        self._heard_ns[topic] = log_ns
        if latched:
            self._latched[topic] = cdr
        episode = self._episode
        if episode is not None:
            episode.writer.put(topic, log_ns, cdr, lost)

    def recover(self) -> None:
        """Bring back, in another thread, what a crash has left; nothing is recorded meanwhile."""
        self._phase = VERIFYING
        self._begin_thread(self._recover)

    def start(self, topics: Mapping[str, Topic] | None = None) -> str | None:
        """Begin an episode; returns why not, where that may not be.

        ``topics`` are what the bag says of streams whose quality of service is known.
        """
        with self._lock:
            if self._phase in (RECORDING, VERIFYING):
                return f"an episode cannot begin while the recorder is {self._phase}"
            if not self.store.folder.is_dir():
                return f"{self.store.folder} is gone: bring it back, or launch again"
            free_mb = self._free_bytes() / _MB
            if free_mb < self._cell.recording.min_free_mb:
                return (
                    f"the disk has {free_mb:.0f} MB left, less than recording.min_free_mb "
                    f"({self._cell.recording.min_free_mb:.0f}): make room in {self.store.folder}"
                )
            with ExitStack() as alone:
                try:
                    alone.enter_context(alone_in(self.store.folder))
                    episode = self._new_episode(topics or {})
                except (OSError, EpisodeError) as error:
                    return f"no episode can be written: {error}"
                episode.alone.push(alone.pop_all())
            for topic, cdr in self._latched.items():
                episode.writer.put(topic, episode.start_ns, cdr, 0)
            self._phase, self._problem, self._episode = RECORDING, "", episode
            self._begin_thread(lambda: self._record_alone(episode))
        return None

    def stop(self, verdict: Verdict, reason: str, discard: bool = False) -> str | None:
        """End the episode with the operator's word; returns why not, where there is none."""
        with self._lock:
            episode = self._episode
            if episode is None:
                return "nothing is being recorded"
            episode.verdict, episode.reason, episode.discarded = verdict, reason, discard
            episode.end_ns = self._clock.now()
            self._phase, self._episode = VERIFYING, None
        episode.writer.end()
        return None

    def close(self) -> None:
        """End what is being recorded without a verdict, and wait until it is on the disk."""
        self.stop("unjudged", "the recorder was stopped")
        if self._thread is not None:
            self._thread.join()

    # What can be seen

    @property
    def phase(self) -> RecorderPhase:
        """What it does: idle, recording, verifying or failed."""
        return self._phase

    def state(self) -> RecorderState:
        """What ``/recorder/state`` says."""
        with self._lock:
            episode, phase, problem, last = self._episode, self._phase, self._problem, self._last
        now_ns = self._clock.now()
        name, seconds, messages = "", 0.0, dict[str, int]()
        quality = GateVerdict(verdict="accept", reasons=())
        if episode is not None:
            report = _with_faults(episode.gate.report(now_ns, dict(self._heard_ns)), episode)
            name, seconds, messages = episode.name, report.duration_s, episode.gate.counts
            quality = GateVerdict(verdict=report.verdict, reasons=report.reasons)
        return RecorderState(
            state=phase,
            episode=name,
            seconds=seconds,
            messages=messages,
            quality=quality,
            directory=str(self.store.folder),
            free_bytes=self._free_bytes(),
            last=last,
            problem=problem,
        )

    # What is done in the other thread

    def _record_alone(self, episode: _Episode) -> None:
        with episode.alone:
            failure = self._record(episode)
        with self._lock:
            self._phase = FAILED if failure else IDLE

    def _record(self, episode: _Episode) -> str:
        """Write to the end; why that broke off, if it did."""
        failure = ""
        try:
            summary = episode.writer.run(episode.partial, episode.topics)
        except (EpisodeError, OSError) as error:
            failure = str(error)
            self._broke_off(failure)
            summary = None
        try:
            self._finish(episode, summary, failure)
        except (EpisodeError, OSError) as error:
            failure = f"{failure}; {error}" if failure else str(error)
            self._broke_off(failure)
        return failure

    def _broke_off(self, problem: str) -> None:
        """Told at once; what was written is still to be kept."""
        with self._lock:
            self._phase, self._problem, self._episode = VERIFYING, problem, None
        self._on_failure(problem)

    def _finish(self, episode: _Episode, summary: BagSummary | None, failure: str) -> None:
        def judge(found: BagSummary) -> QualityReport:
            ended_ns = found.end_ns if failure else episode.end_ns or found.end_ns
            report = _with_faults(episode.gate.final_report(ended_ns), episode)
            return report.with_finding(QualityFinding("reject", failure)) if failure else report

        changes = {"verdict": episode.verdict, "reason": episode.reason}
        info = finish_episode(episode.partial, summary, judge, episode.gate.control_log, changes)
        folder = self.store.folder / DISCARDED if episode.discarded else self.store.folder
        entry = {
            "event": "discarded" if episode.discarded else "complete",
            "verdict": info.verdict,
            "quality": info.quality.verdict if info.quality else "",
        }
        self.store.commit(episode.partial, entry, folder / episode.name, verify=summary is None)
        self._note(info, "discard" if episode.discarded else info.verdict)

    def _recover(self) -> None:
        try:
            found = recover_all(self.store, self._cell)
        except (EpisodeError, OSError) as error:
            with self._lock:
                self._phase, self._problem = IDLE, f"nothing was recovered: {error}"
            return
        with self._lock:
            self._phase = IDLE
            self._problem = "; ".join(one.sentence() for one in found)
        for one in found:
            if one.info is not None:
                self._note(one.info, one.info.verdict)

    def _note(self, info: EpisodeInfo, operator: Verdict | Literal["discard"]) -> None:
        quality = info.quality
        with self._lock:
            self._last = LastEpisode(
                episode=info.name,
                verdict=quality.verdict if quality else "",
                reasons=quality.reasons if quality else (),
                operator=operator,
            )

    # Small parts

    def _new_episode(self, topics: Mapping[str, Topic]) -> _Episode:
        recording = self._cell.recording
        name = self._free_name()
        partial = self.store.begin(name)
        info = EpisodeInfo(
            name=name,
            origin="recorded",
            task=self._cell.task,
            verdict="unjudged",
            reason="the recording was cut off",
            rate_hz=recording.step_rate_hz,
            steps=0,
            cameras=self._cell.cameras,
            configuration_sha256=configuration_sha256(self._cell),
            calibration_sha256=active_sha256(self._cell),
            allow_unsafe=self._cell.allow_unsafe,
        )
        write_durably(partial / INFO_FILE, info.to_yaml().encode())
        self.store.journal.append({"event": "begun", "episode": name})
        self._clock = OnwardClock(self._clock_ns)
        start_ns = self._clock.now()
        self._heard_ns = {t: ns for t, ns in self._heard_ns.items() if ns <= start_ns}
        gate = QualityGate(self._cell, tuple(self.streams.values()), start_ns)
        writer = EpisodeWriter(self.streams, gate, recording.sync_s, int(recording.buffer_mb * _MB))
        stored = tuple(topics.get(s.topic, s.stored()) for s in self.streams.values())
        return _Episode(name, partial, start_ns, writer, gate, stored, self._clock)

    def _free_name(self) -> str:
        stem = time.strftime("%Y-%m-%d_%H-%M-%S")
        names = [stem, *(f"{stem}_{number}" for number in range(2, 100))]
        return next(name for name in names if not list(self.store.folder.glob(f"**/{name}*")))

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self.store.folder).free
        except OSError:
            return 0  # what is gone has no room

    def _begin_thread(self, work: Callable[[], None]) -> None:
        def run() -> None:
            ProcessPriority.NORMAL.apply()
            try:
                work()
            except Exception as error:
                self._broke_off(f"the recorder has a fault of its own: {error!r}")
                with self._lock:
                    self._phase = FAILED
                raise

        self._thread = threading.Thread(target=run, name="recorder", daemon=False)
        self._thread.start()


def _with_faults(report: QualityReport, episode: _Episode) -> QualityReport:
    """What the gate cannot see counts against the episode too."""
    if episode.writer.overflowed:
        text = f"{episode.writer.overflowed} messages were left out: the disk is too slow"
        report = report.with_finding(QualityFinding("reject", text))
    if episode.clock.set_back_ns:
        back_s = 1e-9 * episode.clock.set_back_ns
        text = f"the clock was set back by {back_s:.1f} s meanwhile: set clocks before recording"
        report = report.with_finding(QualityFinding("reject", text))
    return report
