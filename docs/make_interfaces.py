"""Writes docs/interfaces.md from the running nodes: topics, services, types, QoS, parameters.

python docs/make_interfaces.py

Every node is made as a launch file makes it, and asked what it has. Nothing is driven.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.lifecycle import LifecycleNodeMixin
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.bags.messages import POSE, tool_pose_cdr
from pushcell.geometry import PlanarPose
from pushcell.recording.streams import PUSHER_TOPIC
from pushcell_ros.base_node import CellNode
from pushcell_ros.params import allowed

PAGE = Path(__file__).parent / "interfaces.md"
BEGIN = "<!-- docs/make_interfaces.py writes what is below -->"
DOMAIN = 90
BOARD = "charuco:7x5:0.036:0.028:DICT_5X5_50"
# Every node has these; the page's text says so once.
COMMON = {"/rosout", "/parameter_events", "/diagnostics", "/clock", "/cell/done"}
_PARAMETER_SERVICES = "rcl_interfaces/srv/"
_LIFE_CYCLE = "lifecycle_msgs/srv/"


@dataclass(frozen=True)
class Sample:
    """A node, and parameters with which it can be made anywhere."""

    module: str
    parameters: tuple[str, ...] = ()
    simulated: bool = True


def samples(folder: Path) -> list[Sample]:
    """Every node; ``folder`` takes the files that some of them read."""
    recording, fiducials = folder / "recording.mcap", folder / "fiducials.json"
    _write_recording(recording)
    markers = {"dictionary": "DICT_APRILTAG_36h11", "side_m": 0.03, "height_m": 0.03}
    fiducials.write_text(json.dumps({**markers, "markers": {"0": [0.0, 0.0, 0.0]}}))
    return [
        Sample("arm_node"),
        Sample("calibrate_node"),
        Sample("camera_node", ("camera:=overhead", "compressed:=true"), simulated=False),
        Sample("cell_node", simulated=False),
        Sample("console_node"),
        Sample("drift_node"),
        Sample("frames_node"),
        Sample("intrinsics_node", ("camera:=overhead", f"board:={BOARD}"), simulated=False),
        Sample("listener_node"),
        Sample("motion_node"),
        Sample("planner_node"),
        Sample("policy_node", ("policy:=target_image", "drift_check:=true")),
        Sample("recorder_node", (f"directory:={folder / 'episodes'}",)),
        Sample("render_node", ("live_view:=false",)),
        Sample("replay_node", (f"recording:={recording}",), simulated=False),
        Sample("retrace_node", (f"recording:={recording}",)),
        Sample("slider_node", (f"fiducials:={fiducials}",), simulated=False),
        Sample("stills_node", ("live_view:=false",)),
        Sample("teleop_node"),
        Sample("touch_node", (f"board:={BOARD}",)),
        Sample("trial_node", ("on_request:=true", "drift_check:=true")),
    ]


def page() -> str:
    """What stands below the mark."""
    before = dict(os.environ)
    try:
        with tempfile.TemporaryDirectory() as name:
            os.environ.update({"PUSHCELL_RUN_DIR": name, "ROS_DOMAIN_ID": str(DOMAIN)})
            return "\n".join(section(sample) for sample in samples(Path(name)))
    finally:
        os.environ.clear()
        os.environ.update(before)


def section(sample: Sample) -> str:
    """One node's part of the page."""
    module = importlib.import_module(f"pushcell_ros.{sample.module}")
    kind = _node_class(module)
    parameters = ("cell:=sim", *sample.parameters)
    words = ["--ros-args", *(word for text in parameters for word in ("-p", text))]
    words += ["-p", f"use_sim_time:={str(sample.simulated).lower()}"]
    rclpy.init(args=words, domain_id=DOMAIN)
    try:
        node = kind()
        try:
            lifecycle = isinstance(node, LifecycleNodeMixin)
            if lifecycle and sample.module == "policy_node":
                node.trigger_configure()  # it subscribes to what its policy uses
            rows = list(_rows(node))
        finally:
            node.close()
            node.destroy_node()
    finally:
        rclpy.try_shutdown()
    purpose = " ".join((module.__doc__ or "").partition("\n\n")[0].split())
    life = "\n\nA lifecycle node.\n" if lifecycle else "\n"
    return (
        f"## {sample.module}\n\n{purpose}{life}\n"
        + _table(("", "name", "type", "QoS"), sorted(set(rows)))
        + "\n"
        + _table(("parameter", "default", "allowed", "what"), _parameters(kind))
    )


def _node_class(module: Any) -> type[CellNode]:
    (kind,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, CellNode)
        and value.__module__ == module.__name__
    )
    return kind


def _rows(node: CellNode) -> Iterator[tuple[str, str, str, str]]:
    for heading, ends in (("publishes", node.publishers), ("subscribes", node.subscriptions)):
        for end in ends:
            if end.topic_name not in COMMON:
                kind = _type(end.msg_type)
                yield heading, _name(end.topic_name), kind, quality(end.qos_profile)
    for heading, ends in (("serves", node.services), ("calls", node.clients)):
        for end in ends:
            kind = _type(end.srv_type)
            own = heading == "serves" and kind.startswith((_PARAMETER_SERVICES, _LIFE_CYCLE))
            if not own and "type_description" not in kind:
                yield heading, _name(node.resolve_service_name(end.srv_name)), kind, ""


def quality(profile: QoSProfile) -> str:
    """A profile in words."""
    if profile.history == HistoryPolicy.SYSTEM_DEFAULT:
        return "the middleware's default"
    reliable = profile.reliability == ReliabilityPolicy.RELIABLE
    words = ["reliable" if reliable else "best effort"]
    if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        words.append("latched")
    return f"{', '.join(words)}, depth {profile.depth}"


def _parameters(kind: type[CellNode]) -> list[tuple[str, ...]]:
    return [
        (
            f"`{field.name}`",
            f"`{field.default!r}`",
            allowed(field),
            field.metadata["description"],
        )
        for field in dataclasses.fields(kind.Params)
    ]


def _type(kind: Any) -> str:
    """As ``ros2 interface show`` takes it."""
    package, _, where = kind.__module__.partition(".")
    return f"{package}/{where.partition('.')[0]}/{kind.__name__}"


def _name(resolved: str) -> str:
    return f"`{resolved.lstrip('/')}`"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _write_recording(path: Path) -> None:
    """A pusher that moves, in one file."""
    with path.open("wb") as file:
        bag = BagWriter(file, [Topic(PUSHER_TOPIC, POSE)])
        for step in range(20):
            stamp_ns = (1_700_000_000 * 10 + step) * 10**8
            pose = PlanarPose(0.58 + 0.001 * step, 0.1, 0.0)
            bag.add(PUSHER_TOPIC, stamp_ns, tool_pose_cdr(stamp_ns, pose, 0.0125))
        bag.close(path.name)


def main() -> None:
    """Write the page."""
    head = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
    PAGE.write_text(f"{head}{BEGIN}\n\n{page()}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
