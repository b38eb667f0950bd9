"""The cell as the page's server sees it: what is shown, and what a button or a hand leads to."""

from __future__ import annotations

import asyncio
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
from teleop.console.messages import Hands, PadState, TimeLine
from teleop.console.outlines import Outline, Outlines
from teleop.console.procedures import Procedures
from teleop.console.start_poses import Starts
from teleop.devices.pad_map import load_map
from teleop.devices.pointer import BROWSER_TOPIC

_NEWEST_EPISODES = 60


class Wire(Protocol):
    """What the desk needs of ROS; all of it may be called from the server's thread."""

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


class ConsoleDesk:
    """Serves every page; a page's own state is nowhere but in the page."""

    def __init__(self, cell: CellConfig, wire: Wire, policy: str, seed: int) -> None:
        self._cell = cell
        self._wire = wire
        self._policy = policy
        self._starts = Starts(Task.of(cell.task, cell.pusher.radius_m), seed)
        self._outlines = Outlines(cell)
        self._camera = cell.camera(cell.teleop.camera)
        self._lens = active_lens(cell, self._camera.name)
        self._X_BaseCamera = Pose.from_matrix(active_pose(cell, self._camera.name))
        self._keyboard, self._gamepad = load_map("keyboard"), load_map("page_gamepad")
        self.view = CellView([camera.name for camera in cell.cameras])
        self.procedures = Procedures(
            self.view,
            self._starts,
            wire.call,
            wire.place_slider if wire.simulated_time else None,
            wire.activate_policy,
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
            "simulated": self._wire.simulated_time,
            "policy": self._policy,
        }

    def state(self) -> dict[str, Any]:
        """What a page shows."""
        return {**self.view.state(), "start": self._starts.index}

    def picture_age_s(self, captured_s: float) -> float:
        """How old a picture of this capture stamp is now."""
        return self._wire.now() - captured_s

    @property
    def joy_topics(self) -> tuple[str, ...]:
        """Where `hands` speaks."""
        return BROWSER_TOPIC, str(self._keyboard.topic), str(self._gamepad.topic)

    def outlines(self, camera: str) -> list[Outline]:
        """What is drawn over a camera's picture."""
        start = self._starts.wanted if self.view.between_episodes else None
        known = self.view.pusher.value, self.view.commanded.value, start
        return self._outlines.over(self._cell.camera(camera), *known)

    def let_go(self, hands: Hands) -> Hands:
        """Hands without their deadman; what else is pressed on a pad, its STOP above all, stays."""
        if hands.pad is None:
            return Hands()
        axes, buttons = list(hands.pad.axes), list[int](hands.pad.buttons)
        self._gamepad.deadman.let_go(axes, buttons)
        return Hands(pad=PadState.model_validate({"axes": axes, "buttons": buttons}))

    def hands(self, hands: Hands) -> None:
        """Pass on what the person holds."""
        place = None
        if hands.drag is not None:
            height_m = self._cell.pusher.tip_height_m
            place = table_point(self._lens, self._X_BaseCamera, hands.drag, height_m)
        self.view.press_latency.on_hands(steady_seconds(), place is not None)
        where = [] if place is None else [float(value) for value in place]
        pointer, keyboard, gamepad = self.joy_topics
        self._wire.say_joy(pointer, where, [int(hands.run or place is not None)])
        self._wire.say_joy(keyboard, [], [int(key in hands.keys) for key in self._keyboard.keys])
        if hands.pad is not None:
            self._wire.say_joy(gamepad, list(hands.pad.axes), list(hands.pad.buttons))

    async def act(self, action: str) -> str:
        """Do what a button says; why it could not be done, else nothing."""
        if action not in ACTIONS:
            return f"there is no action {action!r}; known are {', '.join(ACTIONS)}"
        own = self.procedures.by_service.get(ACTIONS[action].service)
        return await (self._wire.call(ACTIONS[action].service) if own is None else own())

    async def run_trials(self, trials: int, seed: int) -> str:
        """Ask trial_node for trials; why that could not be done, else nothing."""
        if self.view.trials.value is None:
            return "no trial_node takes requests: launch rollout.launch.yaml with on_request:=true"
        self._wire.request_trials(trials, seed)
        return ""

    def move_time_line(self, wish: TimeLine) -> str:
        """Pass on what the time line asks for; why that could not be done, else nothing."""
        if self.view.replay.value is None:
            return "nothing is being replayed: launch replay.launch.yaml"
        self._wire.request_replay(wish.do, wish.value)
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
        return Path(recorder["directory"]) if recorder and recorder.get("directory") else None
