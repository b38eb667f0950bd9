"""What the page shows of the cell: the newest of each topic, and what has fallen silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from pushcell.geometry import Array, PlanarPose, Pose
from pushcell.node_states import (
    DevicesState,
    MotionNodeState,
    NodeState,
    ProcedureState,
    RecorderState,
    ReplayState,
    TrialsState,
)
from pushcell.timing import PeriodMonitor, steady_seconds
from teleop.console.press_latency import PressLatency

Value = TypeVar("Value")
State = TypeVar("State", bound=NodeState)

_SILENT_S = 1.5
_WINDOW = 100
_MILLISECONDS = " [ms]"


class Latest(Generic[Value]):
    """The newest value of a topic that is to come again and again."""

    def __init__(self) -> None:
        self._monitor = PeriodMonitor(_WINDOW)
        self._value: Value | None = None

    def put(self, value: Value) -> None:
        """It came now."""
        self._value = value
        self._monitor.tick(steady_seconds())

    @property
    def value(self) -> Value | None:
        """None before the first, and when it has fallen silent."""
        return self._value if self._monitor.age(steady_seconds()) < _SILENT_S else None

    @property
    def rate_hz(self) -> float:
        """0 when it has fallen silent."""
        return 0.0 if self.value is None else self._monitor.rate_hz()


class CellView:
    """Filled by the topics' callbacks, read ten times a second for each page."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self.motion = Latest[MotionNodeState]()
        self.devices = Latest[DevicesState]()
        self.recorder = Latest[RecorderState]()
        self.trials = Latest[TrialsState]()
        self.replay = Latest[ReplayState]()
        self.calibration = Latest[ProcedureState]()
        self.budget = Latest[dict[str, str]]()
        self.commanded, self.pusher = Latest[Array](), Latest[Pose]()
        self.slider = Latest[PlanarPose]()
        self.pictures = {name: Latest[float]() for name in cameras}
        self.press_latency = PressLatency()
        self._nodes: dict[str, tuple[Latest[str], int, str]] = {}
        self._recording = False

    def put_recorder(self, state: RecorderState) -> bool:
        """The recorder said what it does; whether an episode is over by that."""
        self.recorder.put(state)
        before, phase = self._recording, state.state
        # What is verified without having been recorded is left of a run before.
        self._recording = phase == "recording" or (before and phase == "verifying")
        return before and not self._recording

    def put_node(self, name: str, level: int, message: str, values: Mapping[str, str]) -> None:
        """A node said how it is, as it does once a second."""
        if name == "policy_node":
            stages = {key: value for key, value in values.items() if key.endswith(_MILLISECONDS)}
            self.budget.put({k.removesuffix(_MILLISECONDS): v for k, v in stages.items()})
        latest = self._nodes[name][0] if name in self._nodes else Latest[str]()
        latest.put(name)
        self._nodes[name] = latest, level, message

    @property
    def trials_run(self) -> bool:
        """Whether trial_node drives, and puts the slider to starts of its own."""
        trials = self.trials.value
        return trials is not None and trials.state == "running"

    @property
    def between_episodes(self) -> bool:
        """Whether the slider is to be put to its start."""
        return not (self._recording or self.trials_run)

    def state(self) -> dict[str, Any]:
        """For the page; None for what is silent."""
        press = self.press_latency.distribution()
        rates = {
            **{name: latest.rate_hz for name, latest in self.pictures.items()},
            "arm": self.pusher.rate_hz,
            "motion": self.commanded.rate_hz,
        }
        motion = self.motion.value
        return {
            "motion": motion and {**motion.texts(), "message": motion.message},
            "devices": _values(self.devices),
            "recorder": _values(self.recorder),
            "trials": _values(self.trials),
            "replay": _values(self.replay),
            "calibration": _values(self.calibration),
            "rates_hz": {name: round(rate, 1) for name, rate in rates.items()},
            "budget_ms": self.budget.value,
            "press_ms": [round(1e3 * s, 1) for s in (press.p50, press.p95)]
            if press.count
            else None,
            "troubles": [
                [name, level, message if latest.value else "silent"]
                for name, (latest, level, message) in sorted(self._nodes.items())
                if level > 0 or latest.value is None
            ],
        }


def _values(latest: Latest[State]) -> dict[str, Any] | None:
    state = latest.value
    return None if state is None else state.values()
