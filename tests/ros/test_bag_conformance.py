"""What bags hold, against the message packages of the ROS that is installed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

from geometry_msgs.msg import PoseStamped  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from pushcell.bags.messages import (  # noqa: E402
    COMPRESSED_IMAGE,
    camera_info_cdr,
    definition_of,
    image_cdr,
    image_of,
    planar_pose_of,
    tool_pose_cdr,
)
from pushcell.cameras.calibrated import active_lens  # noqa: E402
from pushcell.config.cell import load_cell  # noqa: E402
from pushcell.geometry import PlanarPose, Pose  # noqa: E402
from pushcell.recording.streams import streams_of  # noqa: E402
from pushcell_ros import conversions  # noqa: E402
from tests.conftest import SIM_CELL  # noqa: E402

STAMP_NS = 1_234_567_890


def installed(message_type: str, suffix: str) -> str:
    """The text of a message package's file, of a sourced ROS or of the wheels."""
    package, _, name = message_type.split("/")
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(":")), sys.prefix]
    paths = [Path(p) / "share" / package / "msg" / (name + suffix) for p in prefixes]
    return next(path for path in paths if path.exists()).read_text()


def declarations(text: str) -> list[str]:
    """Type and name of each field, without packages, defaults and comments."""
    lines = (line.split("#")[0].split() for line in text.splitlines())
    return [f"{words[0].split('/')[-1]} {words[1]}" for words in lines if words]


RECORDED = {stream.message_type for stream in streams_of(load_cell(SIM_CELL))}


@pytest.mark.parametrize("message_type", sorted({*RECORDED, COMPRESSED_IMAGE}))
def test_definitions_and_hashes_are_those_of_the_installed_packages(message_type):
    hashes = json.loads(installed(message_type, ".json"))["type_hashes"]
    expected = {entry["type_name"]: entry["hash_string"] for entry in hashes}
    definition = definition_of(message_type)
    assert definition.type_hash == expected[message_type]
    texts = definition.text.split("=" * 80 + "\nMSG: ")
    for text in [message_type.replace("/msg/", "/") + "\n" + texts[0], *texts[1:]]:
        name, own = text.split("\n", 1)
        theirs = installed(name.replace("/", "/msg/"), ".msg")
        assert declarations(own) == declarations(theirs)


def test_ros_reads_what_was_written(cell):
    stamp = conversions.to_stamp(STAMP_NS * 1e-9)
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert deserialize_message(image_cdr(STAMP_NS, "eye", image), Image) == (
        conversions.image_message(image, "eye", stamp)
    )
    camera = cell.cameras[0]
    frame = conversions.optical_frame(camera.name)
    info = conversions.lens_message(active_lens(cell, camera.name), camera.name)
    info.header.stamp = stamp
    assert deserialize_message(camera_info_cdr(STAMP_NS, frame, camera), CameraInfo) == info
    planar = PlanarPose(0.5, -0.1, 0.7)
    message = deserialize_message(tool_pose_cdr(STAMP_NS, planar, 0.0125), PoseStamped)
    assert message.header.stamp == stamp
    tool = Pose.from_xyz_rpy([0.5, -0.1, 0.0125], [np.pi, 0, 0.7])
    np.testing.assert_allclose(conversions.to_pose(message).matrix(), tool.matrix(), atol=1e-12)


def test_what_ros_wrote_is_read():
    stamp = conversions.to_stamp(STAMP_NS * 1e-9)
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    cdr = bytes(serialize_message(conversions.image_message(image, "eye", stamp)))
    np.testing.assert_array_equal(image_of(cdr), image)
    tool = Pose.from_xyz_rpy([0.5, -0.1, 0.0125], [np.pi, 0, 0.7])
    cdr = bytes(serialize_message(conversions.pose_message(tool, stamp)))
    assert planar_pose_of(cdr) == pytest.approx([0.5, -0.1, 0.7])
