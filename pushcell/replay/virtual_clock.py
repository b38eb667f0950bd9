"""Virtual time: it stands still but where the replay moves it, and while a policy thinks."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class VirtualClock:
    """Control time [s]; an inference beside the loop reads ``inference_ends_s`` at its end."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.inference_ends_s: float | None = None

    def __call__(self) -> float:
        """What a clock would show."""
        return self.now_s if self.inference_ends_s is None else self.inference_ends_s


class VirtualThread(Executor):
    """Works at once; what comes of it is there when its virtual time has passed."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Like any executor's."""
        future = _Due(self._clock)
        try:
            future.set_result(work(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)
        future.due_s, self._clock.inference_ends_s = self._clock(), None
        return future


class _Due(Future[Any]):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self.due_s = float("inf")

    def done(self) -> bool:
        """Whether its time has come."""
        return super().done() and self._clock.now_s >= self.due_s
