"""The cell as the page's server sees it: what is shown, and what a button or a hand leads to."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any, Protocol

from pushcell.cameras.calibrated import active_lens, active_pose
from pushcell.cameras.table_projection import table_point
from pushcell.config.cell import CellConfig
from pushcell.geometry import PlanarPose, Pose
from pushcell.task import Task
from pushcell.timing import steady_seconds
from teleop.actions import ACTIONS
from teleop.console.cell_view import CellView
from teleop.console.episodes import list_episodes, thumbnail
from teleop.console.messages import OperatorInput, PadState, TimeLine
from teleop.console.outlines import Outline, Outlines
from teleop.console.procedures import Procedures
from teleop.console.start_poses import StartPoses
from teleop.devices.pad_map import load_map
from teleop.devices.pointer import BROWSER_TOPIC

_NEWEST_EPISODES = 60


class CellInterface(Protocol):
    """What the backend needs of ROS; all of it may be called from the server's thread."""

    simulated_time: bool

    def now(self) -> float:
        """Control time [s]."""

    async def call(self, service: str) -> str:
        """Call a Trigger service; why it was refused, else nothing."""

    async def activate_policy(self) -> str:
        """Make policy_node ready to drive; why it cannot, else nothing."""

    def say_joy(self, topic: str, axes: list[float], buttons: list[int]) -> None:
        """Publish a sensor_msgs/Joy."""

    def place_slider(self, start: PlanarPose) -> None:
        """Put a simulated slider somewhere."""

    def request_trials(self, trials: int, seed: int) -> None:
        """Ask trial_node for trials."""

    def request_replay(self, do: str, value: float) -> None:
        """Ask replay_node to be elsewhere in its recording."""


class ConsoleBackend:
    """Serves every page; a page's own state is nowhere but in the page."""

    def __init__(
        self, cell: CellConfig, cell_interface: CellInterface, policy: str, seed: int
    ) -> None:
        self._cell = cell
        self._cell_interface = cell_interface
        self._policy = policy
        self._task = Task.of(cell.task, cell.pusher.radius_m)
        self._start_poses = StartPoses(self._task, seed)
        self._outlines = Outlines(cell)
        self._camera = cell.camera(cell.teleop.camera)
        self._lens = active_lens(cell, self._camera.name)
        self._X_BaseCamera = Pose.from_matrix(active_pose(cell, self._camera.name))
        self._keyboard, self._gamepad = load_map("keyboard"), load_map("page_gamepad")
        self.view = CellView([camera.name for camera in cell.cameras])
        self.procedures = Procedures(
            self.view,
            self._start_poses,
            cell_interface.call,
            cell_interface.place_slider if cell_interface.simulated_time else None,
            cell_interface.activate_policy,
        )

    def welcome(self) -> dict[str, Any]:
        """What a page must know once."""
        return {
            "cameras": [
                {
                    "name": camera.name,
                    "width": camera.width_px,
                    "height": camera.height_px,
                    "drives": camera is self._camera,
                }
                for camera in self._cell.cameras
            ],
            "actions": {
                name: {"label": action.label, "key": action.key} for name, action in ACTIONS.items()
            },
            "keys": self._keyboard.keys,
            "deadman_key": self._keyboard.deadman_key,
            "simulated": self._cell_interface.simulated_time,
            "policy": self._policy,
        }

    def state(self) -> dict[str, Any]:
        """What a page shows."""
        return {
            **self.view.state(),
            "start": self._start_poses.index,
            "judgement": self._judgement(),
        }

    def _judgement(self) -> dict[str, Any] | None:
        """What a trial that ended now would count as; None while the slider is not seen."""
        slider, pusher = self.view.slider.value, self.view.pusher.value
        if slider is None or pusher is None:
            return None
        judgement = self._task.judge(slider, pusher.translation[:2], elapsed_s=0.0)
        return {
            "success": judgement.success,
            "reason": judgement.reason,
            "position_mm": round(1e3 * judgement.position_error_m, 1),
            "angle_deg": round(math.degrees(judgement.angle_error_rad), 1),
        }

    def picture_age_s(self, captured_s: float) -> float:
        """How old a picture of this capture stamp is now."""
        return self._cell_interface.now() - captured_s

    @property
    def joy_topics(self) -> tuple[str, ...]:
        """Where `on_input` publishes."""
        return BROWSER_TOPIC, str(self._keyboard.topic), str(self._gamepad.topic)

    def outlines(self, camera: str) -> list[Outline]:
        """What is drawn over a camera's picture."""
        start = self._start_poses.wanted if self.view.between_episodes else None
        known = self.view.pusher.value, self.view.commanded.value, start
        return self._outlines.over(self._cell.camera(camera), *known)

    def let_go(self, operator_input: OperatorInput) -> OperatorInput:
        """Input without its deadman; what else is pressed on a pad, its STOP above all, stays."""
        if operator_input.pad is None:
            return OperatorInput()
        axes, buttons = list(operator_input.pad.axes), list[int](operator_input.pad.buttons)
        self._gamepad.deadman.let_go(axes, buttons)
        return OperatorInput(pad=PadState.model_validate({"axes": axes, "buttons": buttons}))

    def on_input(self, operator_input: OperatorInput) -> None:
        """Pass on what the person holds."""
        place = None
        if operator_input.drag is not None:
            height_m = self._cell.pusher.tip_height_m
            place = table_point(self._lens, self._X_BaseCamera, operator_input.drag, height_m)
        self.view.press_latency.on_input(steady_seconds(), place is not None)
        where = [] if place is None else [float(value) for value in place]
        pointer, keyboard, gamepad = self.joy_topics
        self._cell_interface.say_joy(pointer, where, [int(operator_input.run or place is not None)])
        self._cell_interface.say_joy(
            keyboard, [], [int(key in operator_input.keys) for key in self._keyboard.keys]
        )
        if operator_input.pad is not None:
            self._cell_interface.say_joy(
                gamepad, list(operator_input.pad.axes), list(operator_input.pad.buttons)
            )

    async def act(self, action: str) -> str:
        """Do what a button says; why it could not be done, else nothing."""
        if action not in ACTIONS:
            return f"there is no action {action!r}; known are {', '.join(ACTIONS)}"
        own = self.procedures.by_service.get(ACTIONS[action].service)
        return await (self._cell_interface.call(ACTIONS[action].service) if own is None else own())

    async def run_trials(self, trials: int, seed: int) -> str:
        """Ask trial_node for trials; why that could not be done, else nothing."""
        if self.view.trials.value is None:
            return "no trial_node takes requests: launch rollout.launch.yaml with on_request:=true"
        self._cell_interface.request_trials(trials, seed)
        return ""

    def move_time_line(self, wish: TimeLine) -> str:
        """Pass on what the time line asks for; why that could not be done, else nothing."""
        if self.view.replay.value is None:
            return "nothing is being replayed: launch replay.launch.yaml"
        self._cell_interface.request_replay(wish.do, wish.value)
        return ""

    async def episodes(self) -> list[dict[str, Any]]:
        """The recorded episodes, newest first."""
        folder = self._episode_folder()
        return await asyncio.to_thread(list_episodes, folder, _NEWEST_EPISODES) if folder else []

    async def thumbnail(self, episode: str) -> bytes | None:
        """A JPEG of an episode."""
        folder = self._episode_folder()
        if folder is None:
            return None
        return await asyncio.to_thread(thumbnail, folder, episode, self._camera.name)

    def _episode_folder(self) -> Path | None:
        recorder = self.view.recorder.value
        return Path(recorder.directory) if recorder and recorder.directory else None
