"""What a look at a data set finds: ranges, odd episodes, idle frames, delays, bad images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pushcell.errors import EpisodeError
from pushcell.formats.data_set import Demonstration
from pushcell.geometry import Array
from pushcell.recording.steps import Steps

Verdict = Literal["good", "warn", "bad"]
_VECTORS = ("pusher", "slider", "action")

# A frame is idle where nothing moves by more than this share of the set's range.
_IDLE_SHARE = 2e-3
_MOST_IDLE = 0.2
_MOST_FROZEN = 0.5
_FEWEST_EPISODES = 5
_ODD_SPREADS = 8.0
_ODD_LENGTH = 4.0  # times the median, or a part of it
_JUMP_RATIO = 20.0  # times what 99 % of the steps move
_LONGEST_LAG = 10
_DARK = 8.0  # of 255, the brightest of an image


@dataclass(frozen=True)
class DataFinding:
    """One thing that was looked at, and what is to be thought of it."""

    verdict: Verdict
    text: str


@dataclass
class Inspection:
    """Of all episodes; filled by `inspect`, one episode after the other."""

    rate_hz: float = 0.0
    names: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    idle: list[tuple[int, int]] = field(default_factory=list)  # frames, those at the ends
    low: dict[str, Array] = field(default_factory=dict)
    high: dict[str, Array] = field(default_factory=dict)
    means: dict[str, list[Array]] = field(default_factory=dict)
    largest: dict[str, list[float]] = field(default_factory=dict)  # step of each episode
    usual: dict[str, list[float]] = field(default_factory=dict)  # 99 % of its steps
    lags: list[int] = field(default_factory=list)
    frozen: dict[str, int] = field(default_factory=dict)  # images like the one before
    dark: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    has_slider: bool = True

    @property
    def vectors(self) -> tuple[str, ...]:
        """Those that every episode has."""
        return tuple(self.low)

    @property
    def frames(self) -> int:
        """Number of frames in all episodes."""
        return sum(self.lengths)

    @property
    def lag(self) -> float | None:
        """The median of how many steps the pusher follows its action; None where nothing moves."""
        return float(np.median(self.lags)) if self.lags else None

    def findings(self) -> list[DataFinding]:
        """All findings, ordered from the worst to the best."""
        found = [
            *self._slider(),
            *self._lengths(),
            self._idle_frames(),
            *self._ways(),
            *self._lag(),
            *self._images(),
        ]
        order = ("bad", "warn", "good")
        return sorted(found, key=lambda finding: order.index(finding.verdict))

    def _slider(self) -> list[DataFinding]:
        if self.has_slider:
            return []
        text = (
            "the set has no pose of the slider, or no goal of it: the rest is looked at, but "
            "policies cannot be trained of it, nor can it be converted"
        )
        return [DataFinding("warn", text)]

    def _lengths(self) -> list[DataFinding]:
        median = float(np.median(self.lengths))
        odd = [
            f"{name} ({length})"
            for name, length in zip(self.names, self.lengths, strict=True)
            if not median / _ODD_LENGTH <= length <= median * _ODD_LENGTH
        ]
        return [_judged(odd, f"of a length far from the median {median:g}", "lengths are alike")]

    def _idle_frames(self) -> DataFinding:
        idle, ends = (sum(counts) for counts in zip(*self.idle, strict=True))
        share = idle / self.frames
        verdict: Verdict = "warn" if share > _MOST_IDLE else "good"
        return DataFinding(
            verdict, f"{share:.0%} of the frames are idle, {ends} of them at an episode's ends"
        )

    def _ways(self) -> list[DataFinding]:
        found = []
        for key in self.vectors:
            usual = float(np.median(self.usual[key]))
            jumps = [
                f"{name} ({step:.3g})"
                for name, step in zip(self.names, self.largest[key], strict=True)
                if step > _JUMP_RATIO * usual > 0
            ]
            found.append(_judged(jumps, f"in which {key} jumps", f"{key} does not jump", "bad"))
            if np.array_equal(self.low[key], self.high[key]):
                found.append(DataFinding("bad", f"{key} is the same in all frames"))
            elif len(self.names) >= _FEWEST_EPISODES:
                what = f"whose {key} is far from the others'"
                found.append(_judged(self._odd(key), what, f"{key} is alike"))
        return found

    def _odd(self, key: str) -> list[str]:
        """Episodes whose mean is far from the median of all, by the spread of all."""
        means = np.array(self.means[key])
        off = np.abs(means - np.median(means, axis=0))
        spread = np.maximum(np.median(off, axis=0), 1e-3 * (self.high[key] - self.low[key]))
        far = (off > _ODD_SPREADS * np.maximum(spread, 1e-12)).any(axis=1)
        return [self.names[k] for k in np.flatnonzero(far)]

    def _lag(self) -> list[DataFinding]:
        if self.lag is None:
            return []
        told = (
            f"the pusher follows its action by {self.lag:g} steps ({self.lag / self.rate_hz:.2f} s)"
        )
        if self.lag < 1:
            return [DataFinding("warn", f"{told}: the action is no command for what comes next")]
        return [DataFinding("good", told)]

    def _images(self) -> list[DataFinding]:
        found = []
        for camera in self.shapes:
            dark, frozen = self.dark[camera] / self.frames, self.frozen[camera] / self.frames
            if dark:
                found.append(DataFinding("bad", f"{dark:.0%} of the images of {camera} are black"))
            text = f"{frozen:.0%} of the images of {camera} are the same as the one before"
            found.append(DataFinding("warn" if frozen > _MOST_FROZEN else "good", text))
        return found


def inspect(demonstrations: Iterable[Demonstration]) -> Inspection:
    """Look at every episode; raises EpisodeError where there is none."""
    found = Inspection()
    for one in demonstrations:
        _add(found, one.name, one.steps)
    if not found.lengths:
        raise EpisodeError("there is no episode to look at: name a set that has one")
    return found


def moving(steps: Steps) -> slice:
    """The frames from the first to the last in which something moves."""
    rows = np.flatnonzero(~_idle(steps))
    return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)


def trimmed(steps: Steps) -> Steps:
    """An episode without its idle ends; empty where nothing moves."""
    rows = moving(steps)
    images = {name: seen[rows] for name, seen in steps.images.items()}
    parts = (steps.pusher[rows], steps.slider[rows], steps.action[rows])
    return Steps(steps.rate_hz, *parts, steps.goal, images)


def _add(found: Inspection, name: str, steps: Steps) -> None:
    found.rate_hz = steps.rate_hz
    found.names.append(name)
    found.lengths.append(len(steps))
    rows, idle = moving(steps), _idle(steps)
    found.idle.append((int(idle.sum()), len(steps) - (rows.stop - rows.start)))
    found.has_slider = steps.has_slider
    for key in _vectors_of(steps):
        values = getattr(steps, key)
        found.low[key] = np.minimum(found.low.get(key, values[0]), values.min(axis=0))
        found.high[key] = np.maximum(found.high.get(key, values[0]), values.max(axis=0))
        found.means.setdefault(key, []).append(values.mean(axis=0))
        moved = np.linalg.norm(np.diff(values[:, :2], axis=0), axis=1)
        found.largest.setdefault(key, []).append(float(moved.max(initial=0.0)))
        usual = float(np.percentile(moved, 99)) if len(moved) else 0.0
        found.usual.setdefault(key, []).append(usual)
    lag = _lag_of(steps)
    found.lags += [] if lag is None else [lag]
    _add_images(found, steps.images)


def _add_images(found: Inspection, images: Mapping[str, np.ndarray]) -> None:
    for camera, seen in images.items():
        flat = seen.reshape(len(seen), -1)
        found.shapes[camera] = seen.shape[1:]
        same = int((flat[1:] == flat[:-1]).all(axis=1).sum())
        found.frozen[camera] = found.frozen.get(camera, 0) + same
        dark = int((flat.max(axis=1, initial=0) < _DARK).sum())
        found.dark[camera] = found.dark.get(camera, 0) + dark


def _vectors_of(steps: Steps) -> tuple[str, ...]:
    return tuple(key for key in _VECTORS if steps.has_slider or key != "slider")


def _idle(steps: Steps) -> np.ndarray:
    """(T,) whether neither pusher nor slider nor action moves from a frame to the next."""
    moved = np.zeros(len(steps), dtype=bool)
    for key in _vectors_of(steps):
        values = getattr(steps, key)[:, :2]
        smallest = _IDLE_SHARE * float(np.ptp(values, axis=0).max(initial=0.0))
        if smallest > 0:
            moved[:-1] |= np.linalg.norm(np.diff(values, axis=0), axis=1) > smallest
    return ~moved


def _lag_of(steps: Steps) -> int | None:
    """By how many steps the pusher's way matches that of its actions best."""
    told, seen = steps.action, steps.pusher[:, :2]
    if len(told) < 3 * _LONGEST_LAG or not np.ptp(told, axis=0).any():
        return None
    offs = []
    for lag in range(_LONGEST_LAG + 1):
        off = seen[lag:] - told[: len(told) - lag]
        offs.append(float(np.linalg.norm(off - off.mean(axis=0), axis=1).mean()))
    return int(np.argmin(offs))


def _judged(names: list[str], what: str, otherwise: str, verdict: Verdict = "warn") -> DataFinding:
    """Of some episodes, or that there is none."""
    if not names:
        return DataFinding("good", otherwise)
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return DataFinding(verdict, f"{len(names)} episodes {what}: {shown}")
