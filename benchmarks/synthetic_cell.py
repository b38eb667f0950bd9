"""A cell's messages, made up: what a recorder would hear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pushcell.bags.messages import (
    IMAGE,
    JOINT_STATE,
    POSE,
    STATUS,
    camera_info_cdr,
    image_cdr,
    message_class,
    to_cdr,
    tool_pose_cdr,
)
from pushcell.config.cell import CellConfig, cell_from_dict
from pushcell.config.urdf import joint_limits
from pushcell.geometry import PlanarPose
from pushcell.recording.streams import (
    IMAGE_TOPIC,
    INFO_TOPIC,
    JOINTS_TOPIC,
    MOTION_TOPIC,
    PUSHER_TOPIC,
    SLIDER_TOPIC,
    TARGET_TOPIC,
)

START_NS = 1_700_000_000 * 10**9
CAMERAS = ("overhead", "wrist")
TYPES = {
    JOINTS_TOPIC: JOINT_STATE,
    PUSHER_TOPIC: POSE,
    TARGET_TOPIC: POSE,
    MOTION_TOPIC: STATUS,
    SLIDER_TOPIC: POSE,
    **{IMAGE_TOPIC.format(name): IMAGE for name in CAMERAS},
}
_RATES = {
    JOINTS_TOPIC: 100.0,
    PUSHER_TOPIC: 50.0,
    TARGET_TOPIC: 100.0,
    MOTION_TOPIC: 20.0,
    SLIDER_TOPIC: 50.0,
    **{IMAGE_TOPIC.format(name): 10.0 for name in CAMERAS},
}


class Heard(NamedTuple):
    """A message as the recorder gets it."""

    topic: str
    log_ns: int
    cdr: bytes


def live(
    cell: CellConfig,
    seconds: float,
    sources: tuple[tuple[float, str], ...] = ((0.0, "teleop"),),
    picture: tuple[int, int] = (24, 32),
) -> Iterator[Heard]:
    """What a good cell publishes, in the order of arrival: the pusher goes to and fro at 4 cm/s.

    Each message arrives 5 ms after its stamp, images 40 ms; ``sources`` are who drives from when.
    """
    times = [
        (k / rate, topic) for topic, rate in _RATES.items() for k in range(round(seconds * rate))
    ]
    heard = [_heard(cell, topic, time, sources, picture) for time, topic in times]
    for name in CAMERAS:
        cdr = camera_info_cdr(START_NS, name, cell.camera(name))
        heard.append(Heard(INFO_TOPIC.format(name), START_NS, cdr))
    yield from sorted(heard, key=lambda message: message.log_ns)


def tip_at(cell: CellConfig, time_s: float) -> PlanarPose:
    """Where the pusher is."""
    x, y = cell.task.pusher_home_m
    return PlanarPose(x - 0.05 + 0.04 * abs((time_s + 2.5) % 5 - 2.5), y, 0.5)


def _heard(
    cell: CellConfig,
    topic: str,
    time_s: float,
    sources: tuple[tuple[float, str], ...],
    picture: tuple[int, int],
) -> Heard:
    stamp_ns = START_NS + round(time_s * 1e9)
    if topic == JOINTS_TOPIC:
        names = list(joint_limits(cell.arm.model).names)
        q = np.array(cell.arm.nominal_joints_rad)
        stamp = message_class("builtin_interfaces/msg/Time")(*divmod(stamp_ns, 10**9))
        header = message_class("std_msgs/msg/Header")(stamp, "")
        message = message_class(JOINT_STATE)(header, names, q, np.zeros(len(q)), np.zeros(0))
        cdr = to_cdr(message, JOINT_STATE)
    elif topic == MOTION_TOPIC:
        source = [name for since_s, name in sources if since_s <= time_s][-1]
        pair = message_class("diagnostic_msgs/msg/KeyValue")("source", source)
        cdr = to_cdr(message_class(STATUS)(0, "motion", "", "", [pair]), STATUS)
    elif topic in (PUSHER_TOPIC, TARGET_TOPIC):
        cdr = tool_pose_cdr(stamp_ns, tip_at(cell, time_s), 0.0125)
    elif topic == SLIDER_TOPIC:
        cdr = tool_pose_cdr(stamp_ns, PlanarPose(0.5, 0, 0), 0.016)
    else:
        image = np.full((*picture, 3), 60, np.uint8)
        image[:, : 1 + round(time_s * 100) % picture[1]] = 200
        return Heard(topic, stamp_ns + 40_000_000, image_cdr(stamp_ns, topic, image))
    return Heard(topic, stamp_ns + 5_000_000, cdr)


def recording_cell(cell: CellConfig, **changes: object) -> CellConfig:
    """The cell with other values in its section ``recording``, and with no room asked for."""
    values = cell.model_dump()
    values["recording"] |= {"min_free_mb": 0.001, **changes}
    return cell_from_dict(values, "the test's cell")
