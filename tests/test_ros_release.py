"""Which ROS 2 the nodes run on, and what is the same in all of them."""

import pytest

from pushcell.config.cell import CellConfig
from pushcell.ros_release import JAZZY, KILTED, refusal, release_name


@pytest.mark.parametrize(
    ("environment", "version", "name", "refused"),
    [
        ({}, "7.1.5", "jazzy", False),
        ({}, "9.1.2", "kilted", False),
        ({}, "3.3.16", "humble", True),
        ({}, "4.1.6", "iron", True),
        ({"ROS_DISTRO": "humble"}, None, "humble", True),
        ({"ROS_DISTRO": "kilted"}, "9.1.2", "kilted", False),
        ({"ROS_DISTRO": "lyrical"}, "10.2.0", "lyrical", False),
        ({}, "12.0.0", None, False),
        ({}, None, None, False),
        ({}, "unknown", None, False),
    ],
)
def test_release(environment: dict[str, str], version: str, name: str, refused: bool) -> None:
    assert release_name(environment, version) == name
    problem = refusal(environment, version)
    assert (problem is not None) == refused
    if problem:
        assert f"this is ROS 2 {name}, the nodes run on jazzy and kilted" in problem


def test_messages_are_the_same_in_all_releases(cell: CellConfig) -> None:
    """So episodes of one are read by the other, and nodes of both hear each other."""
    typesys = pytest.importorskip("rosbags.typesys")
    stores = [
        typesys.get_typestore(typesys.Stores[f"ROS2_{release.name.upper()}"])
        for release in (JAZZY, KILTED)
    ]
    from pushcell.recording.streams import streams_of

    types = {stream.message_type for stream in streams_of(cell)}
    types |= {"sensor_msgs/msg/CompressedImage", "trajectory_msgs/msg/MultiDOFJointTrajectory"}
    assert len(types) > 5
    for kind in types:
        assert len({store.hash_rihs01(kind) for store in stores}) == 1, kind
        assert len({store.generate_msgdef(kind)[0] for store in stores}) == 1, kind
