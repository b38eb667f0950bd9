"""What the policy sees: the samples of all streams at one moment, or a named reason why not.

Streams are buffered by capture stamp. The moment is the newest one that every stream has reached,
so that a fast stream is read where the slowest one was captured, not at its own newest sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policy_server.bundle_sections import ObservationSpec
from pushcell.cameras.image_transform import stored_image
from pushcell.errors import PushcellError
from pushcell.timing import StampedBuffer, is_older

_BUFFERED = 64


class ObservationFault(str, Enum):
    """Why there is no observation."""

    NEVER_SEEN = "never seen"
    OLD = "too old"
    SKEWED = "too far from the others in time"
    FUTURE = "captured in the future: clocks differ or have jumped"
    MALFORMED = "malformed"


class ObservationError(PushcellError):
    """No inference may be made; ``reason`` says why."""

    def __init__(self, reason: ObservationFault, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Observation:
    """Raw values of one moment, the oldest step first.

    ``pusher`` and ``slider`` are (To, 3) [m, m, rad], ``goal`` is (3,), ``<camera>_image`` is
    (To, H, W, 3) uint8 RGB as stored.
    """

    capture_s: float
    values: Mapping[str, NDArray[Any]]


class Observer:
    """Buffers the streams of one policy; times are capture stamps of one clock [s]."""

    def __init__(
        self,
        spec: ObservationSpec,
        rate_hz: float,
        goal: ArrayLike,
        max_age_s: float,
        max_skew_s: float,
        periods_s: Mapping[str, float] | None = None,
        latencies_s: Mapping[str, float] | None = None,
    ) -> None:
        """``periods_s``: how much older than ``max_age_s`` a stream's newest sample may get before
        the next one is due; ``latencies_s``: how long before its stamp it was really captured."""
        self._spec = spec
        self._period_s = 1.0 / rate_hz
        self._goal = np.asarray(goal, dtype=float)
        self._max_age_s = max_age_s
        self._max_skew_s = max_skew_s
        self._periods_s = dict(periods_s or {})
        self._latencies_s = dict(latencies_s or {})
        self._cameras = {camera.name: camera for camera in spec.cameras}
        self.reset()

    def reset(self) -> None:
        """Drop all buffered samples."""
        names = [key for key in self._spec.keys if key != "goal"]
        self._streams: dict[str, StampedBuffer[NDArray[Any]]] = {
            name: StampedBuffer(_BUFFERED) for name in [*names, *self._cameras]
        }
        self._malformed: dict[str, str] = {}

    @property
    def refused(self) -> int:
        """How many samples came out of order and were dropped."""
        return sum(stream.refused for stream in self._streams.values())

    def push_pose(self, name: str, stamp_s: float, pose: ArrayLike) -> None:
        """A planar pose (3,) of ``pusher`` or ``slider``; ignored if the policy does not use it."""
        values = np.asarray(pose, dtype=float)
        if values.shape != (3,) or not np.isfinite(values).all():
            self._malformed[name] = f"the pose {values} is not three finite numbers"
        else:
            self._push(name, stamp_s, values)

    def push_image(self, name: str, stamp_s: float, image: NDArray[np.uint8]) -> None:
        """An RGB image (H, W, 3) uint8 of a camera; ignored if the policy does not use it."""
        if name not in self._cameras:
            return
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            self._malformed[name] = f"an image must be (H, W, 3) uint8: {image.shape} {image.dtype}"
        else:
            self._push(name, stamp_s, stored_image(image, self._cameras[name].size_px))

    def pusher(self) -> tuple[float, NDArray[Any]] | None:
        """When [s] the pusher was last seen, and at which pose (3,); None where it is not used."""
        stream = self._streams.get("pusher")
        return None if stream is None else stream.newest()

    def assemble(self, now_s: float) -> Observation:
        """The observation of the newest common moment; raises ObservationError."""
        moment = self.moment(now_s)
        times = moment - self._period_s * np.arange(self._spec.steps - 1, -1, -1)
        values: dict[str, NDArray[Any]] = {}
        for name, stream in self._streams.items():
            key = self._cameras[name].key if name in self._cameras else name
            values[key] = np.stack([self._sample(name, stream, t, moment) for t in times])
        if "goal" in self._spec.keys:
            values["goal"] = self._goal
        return Observation(moment, values)

    def moment(self, now_s: float) -> float:
        """The newest common moment [s]; raises ObservationError where there is none."""
        newest = {}
        for name, stream in self._streams.items():
            if name in self._malformed:
                raise ObservationError(
                    ObservationFault.MALFORMED, f"{name}: {self._malformed[name]}"
                )
            last = stream.newest()
            if last is None:
                raise ObservationError(ObservationFault.NEVER_SEEN, f"{name} was never seen")
            newest[name] = last[0]
            age_s, allowed_s = now_s - last[0], self._max_age_s + self._periods_s.get(name, 0.0)
            if age_s < -self._max_skew_s:
                raise ObservationError(
                    ObservationFault.FUTURE, f"{name} is stamped {-age_s:.3f} s in the future"
                )
            if is_older(now_s, last[0], allowed_s):
                raise ObservationError(
                    ObservationFault.OLD, f"{name} is {age_s:.3f} s old, allowed: {allowed_s:.3f} s"
                )
        return min(newest.values())

    def _push(self, name: str, stamp_s: float, sample: NDArray[Any]) -> None:
        if name in self._streams:
            self._malformed.pop(name, None)
            self._streams[name].push(stamp_s - self._latencies_s.get(name, 0.0), sample)

    def _sample(
        self, name: str, stream: StampedBuffer[NDArray[Any]], time_s: float, moment: float
    ) -> NDArray[Any]:
        found = stream.last_before(time_s, self._max_skew_s)
        if found is None:  # periods vary: the sample for a step may come a little after it
            found = stream.last_before(time_s + self._max_skew_s, self._max_skew_s)
        # At its beginning a stream is continued backwards, as in training.
        found = found or stream.oldest_after(time_s)
        if found is None:
            raise ObservationError(
                ObservationFault.SKEWED,
                f"{name} has no sample within {self._max_skew_s:.3f} s of the time "
                f"{moment - time_s:.3f} s ago: it skips samples, or is out of step",
            )
        return found[1]
