"""Writes docs/interfaces.md and config/security/policy.xml from the nodes themselves.

python docs/make_interfaces.py

The page has topics, services, types, QoS and parameters; the policy is SROS2's, version 0.2.0.

Every node is made as a launch file makes it, and asked what it has. Nothing is driven.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rclpy
from rclpy.lifecycle import LifecycleNodeMixin
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.bags.messages import POSE, tool_pose_cdr
from pushcell.config.cell import load_cell
from pushcell.geometry import PlanarPose
from pushcell.labelling.appearance import SliderAppearance
from pushcell.labelling.colours import COLOURS, ColourModel
from pushcell.recording.streams import PUSHER_TOPIC, streams_of
from pushcell.shipped import CELLS
from pushcell_ros.base_node import CellNode
from pushcell_ros.params import allowed

PAGE = Path(__file__).parent / "interfaces.md"
POLICY = PAGE.parent.parent / "config" / "security" / "policy.xml"
BEGIN = "<!-- docs/make_interfaces.py writes what is below -->"
DOMAIN = 90
BOARD = "charuco:7x5:0.036:0.028:DICT_5X5_50"
# Every node has these; the page's text says so once.
COMMON = {"/rosout", "/parameter_events", "/diagnostics", "/clock", "/cell/done"}
_RULES = {
    "publishes": ("topic", "publish"),
    "subscribes": ("topic", "subscribe"),
    "serves": ("service", "reply"),
    "calls": ("service", "request"),
}
_TWO = ("policy:=target_image", "against:=target_state")
_CAMERA = re.compile("^camera/[^/]+/")
_PARAMETER_SERVICES = "rcl_interfaces/srv/"
_LIFE_CYCLE = "lifecycle_msgs/srv/"


@dataclass(frozen=True)
class NodeSample:
    """A node, and parameters with which it can be made anywhere."""

    module: str
    parameters: tuple[str, ...] = ()
    simulated: bool = True
    cell: str = "sim"


@dataclass(frozen=True)
class End:
    """A topic or service of a node."""

    heading: str
    name: str
    kind: str
    quality: str = ""


@dataclass(frozen=True)
class Described:
    """What a node said when it was asked."""

    sample: NodeSample
    purpose: str
    lifecycle: bool
    ends: list[End]
    parameters: list[tuple[str, ...]]


# What rcl makes for every node, and what a node has in simulated time alone.
EVERYBODYS = (
    *(End("publishes", name, "") for name in ("/rosout", "/parameter_events", "/cell/done")),
    End("subscribes", "/clock", ""),
)
# recorder_node takes what it records in a node of its own, which has the same enclave.
OF_ITS_TAPS = {
    "recorder_node": [
        End("subscribes", stream.topic, "") for stream in streams_of(load_cell(CELLS.find("sim")))
    ]
}
BEHIND_ROS2_CONTROL = (
    NodeSample("arm_node", cell="ur5e_sim"),
    NodeSample("cell_node", simulated=False, cell="ur5e_sim"),
)


def samples(folder: Path) -> list[NodeSample]:
    """Every node; ``folder`` takes the files that some of them read."""
    recording, appearance = folder / "recording.mcap", folder / "appearance.npz"
    _write_recording(recording)
    unknown = ColourModel(np.full(COLOURS, 0.5, np.float32))
    SliderAppearance("t", 0.03, {"overhead": unknown}).save(appearance)
    return [
        NodeSample("arm_node"),
        NodeSample("calibrate_node"),
        NodeSample("calibration_render_node", ("live_view:=false",)),
        NodeSample("camera_node", ("camera:=overhead", "compressed:=true"), simulated=False),
        NodeSample("cell_node", simulated=False),
        NodeSample("console_node"),
        NodeSample("drift_node"),
        NodeSample("frames_node"),
        NodeSample("intrinsics_node", ("camera:=overhead", f"board:={BOARD}"), simulated=False),
        NodeSample("motion_node"),
        NodeSample("null_arm_node"),
        NodeSample("planner_node"),
        NodeSample("policy_node", ("drift_check:=true", *_TWO)),
        NodeSample("recorder_node", (f"directory:={folder / 'episodes'}",)),
        NodeSample("render_node", ("live_view:=false",)),
        NodeSample("replay_node", (f"recording:={recording}",), simulated=False),
        NodeSample("slider_node", (f"appearance:={appearance}",), simulated=False),
        NodeSample("teleop_node"),
        NodeSample("touch_check_node", (f"board:={BOARD}",)),
        NodeSample("trajectory_replay_node", (f"recording:={recording}",)),
        NodeSample("trial_node", ("on_request:=true", "drift_check:=true", *_TWO)),
    ]


@cache
def described() -> list[Described]:
    """Every node, made and asked; arm and cell also behind ros2_control."""
    before = dict(os.environ)
    try:
        with tempfile.TemporaryDirectory() as name:
            os.environ.update({"PUSHCELL_RUN_DIR": name, "ROS_DOMAIN_ID": str(DOMAIN)})
            return [_described(sample) for sample in (*samples(Path(name)), *BEHIND_ROS2_CONTROL)]
    finally:
        os.environ.clear()
        os.environ.update(before)


def page() -> str:
    """What stands below the mark."""
    return "\n".join(
        section(node) for node in described() if node.sample not in BEHIND_ROS2_CONTROL
    )


def section(node: Described) -> str:
    """One node's part of the page."""
    life = "\n\nA lifecycle node.\n" if node.lifecycle else "\n"
    rows = {(e.heading, _name(e.name), e.kind, e.quality) for e in node.ends if not _common(e)}
    return (
        f"## {node.sample.module}\n\n{node.purpose}{life}\n"
        + _table(("", "name", "type", "QoS"), sorted(rows))
        + "\n"
        + _table(("parameter", "default", "allowed", "what"), node.parameters)
    )


def _described(sample: NodeSample) -> Described:
    module = importlib.import_module(f"pushcell_ros.{sample.module}")
    kind = _node_class(module)
    parameters = (f"cell:={sample.cell}", *sample.parameters)
    words = ["--ros-args", *(word for text in parameters for word in ("-p", text))]
    words += ["-p", f"use_sim_time:={str(sample.simulated).lower()}"]
    rclpy.init(args=words, domain_id=DOMAIN)
    try:
        node = kind()
        try:
            lifecycle = isinstance(node, LifecycleNodeMixin)
            if lifecycle and sample.module == "policy_node":
                node.trigger_configure()  # it subscribes to what its policy uses
            ends = list(_ends(node))
        finally:
            node.close()
            node.destroy_node()
    finally:
        rclpy.try_shutdown()
    purpose = " ".join((module.__doc__ or "").partition("\n\n")[0].split())
    return Described(sample, purpose, lifecycle, ends, _parameters(kind))


def _node_class(module: Any) -> type[CellNode]:
    (kind,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, CellNode)
        and value.__module__ == module.__name__
    )
    return kind


def _ends(node: CellNode) -> Iterator[End]:
    for heading, ends in (("publishes", node.publishers), ("subscribes", node.subscriptions)):
        for end in ends:
            yield End(heading, end.topic_name, _type(end.msg_type), quality(end.qos_profile))
    for heading, ends in (("serves", node.services), ("calls", node.clients)):
        for end in ends:
            name = node.resolve_service_name(end.srv_name)
            yield End(heading, name, _type(end.srv_type))


def _common(end: End) -> bool:
    """Whether every node, or every lifecycle node, has it."""
    own = end.heading == "serves" and end.kind.startswith((_PARAMETER_SERVICES, _LIFE_CYCLE))
    return end.name in COMMON or own or "type_description" in end.kind


def quality(profile: QoSProfile) -> str:
    """A profile in words."""
    if profile.history == HistoryPolicy.SYSTEM_DEFAULT:
        return "the middleware's default"
    reliable = profile.reliability == ReliabilityPolicy.RELIABLE
    words = ["reliable" if reliable else "best effort"]
    if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        words.append("latched")
    return f"{', '.join(words)}, depth {profile.depth}"


def policy() -> str:
    """SROS2's policy: an enclave for each node, with what the node has and nothing else."""
    root = ElementTree.Element("policy", version="0.2.0")
    enclaves = ElementTree.SubElement(root, "enclaves")
    rights: dict[str, dict[str, set[str]]] = {}
    for node in described():
        of_node = rights.setdefault(node.sample.module, {heading: set() for heading in _RULES})
        for end in (*node.ends, *EVERYBODYS, *OF_ITS_TAPS.get(node.sample.module, ())):
            of_node[end.heading].add(_expression(end.name, node.sample.module))
    for module, of_node in sorted(rights.items()):
        enclave = ElementTree.SubElement(enclaves, "enclave", path=f"/pushcell/{module}")
        profiles = ElementTree.SubElement(enclave, "profiles")
        profile = ElementTree.SubElement(profiles, "profile", ns="/", node=module)
        for heading, (kind, rule) in _RULES.items():
            if of_node[heading]:
                group = ElementTree.SubElement(profile, f"{kind}s", {rule: "ALLOW"})
                for name in sorted(of_node[heading]):
                    ElementTree.SubElement(group, kind).text = name
    ElementTree.indent(root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<!-- python docs/make_interfaces.py writes it; a test compares. See docs/security.md -->\n"
        + ElementTree.tostring(root, encoding="unicode")
        + "\n"
    )


def _expression(name: str, module: str) -> str:
    """A name as a policy has it: without the namespace, and of any camera."""
    own = f"/{module}/"
    if name.startswith(own):
        return f"~/{name.removeprefix(own)}"
    return _CAMERA.sub("camera/*/", name.removeprefix("/"))


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
    """Write both."""
    head = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
    PAGE.write_text(f"{head}{BEGIN}\n\n{page()}", encoding="utf-8")
    POLICY.parent.mkdir(exist_ok=True)
    POLICY.write_text(policy(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
