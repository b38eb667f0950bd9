"""``pushcell teleop map``: hears an unknown pad, asks for each control, and writes the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import rclpy
import tyro
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Joy

from pushcell.errors import ConfigError, PushcellError
from pushcell.timing import steady_seconds
from pushcell_ros.qos import RELIABLE
from teleop.devices.pad_map import told_name, write_map
from teleop.devices.pad_mapping import ACTIONS, PadMapper

_DRIVER = "teleop_node"


@dataclass(frozen=True)
class MapPad:
    """Write a button map for a gamepad: it asks you for each control in turn.

    Only for a gamepad that pushcell does not know: it has no effect until it has a map. Start
    joy_node (ROS package joy) in the same ROS_DOMAIN_ID, run this command, press the controls that
    it asks for, and give the file to the launch argument devices.

    examples:
      pushcell teleop map --out pad.yaml
      pushcell launch collect.launch.yaml 'devices:=browser keyboard pad.yaml'
    """

    out: Path
    """Map file to write; it must not exist yet."""
    topic: str = "/joy"
    """Topic of the gamepad, of type sensor_msgs/Joy."""
    title: str = ""
    """Name of the gamepad on the operator's page; by default its own, or its number of controls."""
    actions: tuple[str, ...] = ("stop", "start", "success", "failure", "discard", "prepare")
    """Buttons of the operator's page to map besides driving; start is Record, prepare is Next
    start. arm, policy (Policy drives) and hold (Hold) are possible too."""
    dead_zone: float = 0.12
    """Share of the stick's travel that counts as rest, 0 to 1."""
    expo: float = 0.4
    """How much finer the stick responds near its centre, 0 to 1."""
    patience_s: float = 10.0
    """Time to wait for the gamepad's first message (s)."""


class PadMapNode(Node):
    """Passes what the pad says to a `PadMapper`."""

    def __init__(self, mapper: PadMapper, topic: str) -> None:
        super().__init__("pad_map_node")
        self.heard = False
        self._mapper = mapper
        self.create_subscription(Joy, topic, self._on_joy, RELIABLE)

    def _on_joy(self, message: Joy) -> None:
        self.heard = True
        name = told_name(message.header.frame_id)
        self._mapper.hear(steady_seconds(), message.axes, message.buttons, name)


def teleop(words: Sequence[str]) -> int:
    """Run ``pushcell teleop``; raises ConfigError for anything but its one command."""
    if words[:1] in (["-h"], ["--help"]):
        print("usage: pushcell teleop map --out FILE ... (details: pushcell teleop map --help)")
        return 0
    if words[:1] != ["map"]:
        raise ConfigError("pushcell teleop has one command: map")
    return map_pad(words[1:])


def map_pad(words: Sequence[str]) -> int:
    """Ask, write the map, and say how it is used; raises PushcellError."""
    options = tyro.cli(MapPad, prog="pushcell teleop map", args=list(words))
    unknown = [name for name in options.actions if name not in ACTIONS]
    if unknown:
        raise ConfigError(
            f"--actions {unknown[0]}: unknown action; choose from {', '.join(ACTIONS)}"
        )
    if options.out.exists():
        raise ConfigError(f"{options.out} is there already: choose another --out, or delete it")
    mapper = PadMapper(options.actions)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = PadMapNode(mapper, options.topic)
    try:
        _hear_first(node, options)
        _ask(node, mapper, options.topic)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    pad = mapper.pad_map(options.title, options.topic, options.dead_zone, options.expo)
    write_map(pad, options.out)
    print(f"written: {options.out}; use it with devices:='browser keyboard {options.out}'")
    return 0


def _hear_first(node: PadMapNode, options: MapPad) -> None:
    """Wait for the pad; raises PushcellError without one."""
    deadline_s = steady_seconds() + options.patience_s
    while not node.heard:
        if steady_seconds() > deadline_s:
            raise PushcellError(
                f"no message arrived on {options.topic}: plug the gamepad in, start joy_node in "
                "this ROS domain, and move a stick"
            )
        rclpy.spin_once(node, timeout_sec=0.05)


def _refuse_driver(node: PadMapNode, topic: str) -> None:
    listeners = node.get_subscriptions_info_by_topic(topic)
    if any(listener.node_name == _DRIVER for listener in listeners):
        raise PushcellError(
            f"{_DRIVER} listens to {topic} too: end its launch first, or what is pressed here may "
            "drive the arm"
        )


def _ask(node: PadMapNode, mapper: PadMapper, topic: str) -> None:
    """Ask for each control; raises PushcellError as soon as pressing could move an arm."""
    shown = ("", "")
    while mapper.prompt:
        _refuse_driver(node, topic)
        if (mapper.prompt, mapper.remark) != shown:
            shown = (mapper.prompt, mapper.remark)
            print(f"({mapper.remark})" if mapper.remark else "", mapper.prompt, flush=True)
        rclpy.spin_once(node, timeout_sec=0.05)
        mapper.look(steady_seconds())
