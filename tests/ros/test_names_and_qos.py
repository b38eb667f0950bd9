"""Names and quality of service of the nodes: under a namespace, and as REP-2003 says."""

import ast
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSCompatibility, ReliabilityPolicy, qos_check_compatible
from sensor_msgs.msg import Image

from pushcell_ros import names, qos
from pushcell_ros.drift_node import DriftNode
from pushcell_ros.trial_node import TrialNode
from tests.conftest import ROOT

DOMAIN = 90
PACKAGE = ROOT / "ros2_ws/src/pushcell_ros/pushcell_ros"
PROFILES = {name for name in dir(qos) if name.isupper()}
# Of rclpy's own making, or shared by all cells.
OUTSIDE = {"/diagnostics", "/rosout", "/parameter_events"}
QOS_AT = {"create_publisher": 2, "create_subscription": 3, "StampedStream": 3}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call in the package that makes a publisher or a subscription: file, kind, call."""
    for path in sorted(PACKAGE.glob("*.py")):
        for found in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(found, ast.Call):
                kind = getattr(found.func, "attr", getattr(found.func, "id", ""))
                if kind in QOS_AT:
                    yield path.name, kind, found


def test_profiles_come_from_one_place() -> None:
    seen = list(calls())
    assert len(seen) > 60
    for file, kind, call in seen:
        profile = call.args[QOS_AT[kind]]
        if isinstance(profile, ast.Call):
            assert getattr(profile.func, "id", "") == "recorded", f"{file}:{call.lineno}"
        else:
            assert isinstance(profile, ast.Name), f"{file}:{call.lineno}"
            assert profile.id in PROFILES | {"qos"}, f"{file}:{call.lineno}"


def test_no_name_is_absolute() -> None:
    for file, _, call in calls():
        name = call.args[1]
        if isinstance(name, ast.Constant):
            absolute = name.value.startswith("/")
            assert absolute == (name.value in names.SHARED_TOPICS), f"{file}:{call.lineno}"


@pytest.mark.parametrize("namespace", ["/left", "/hall/right"])
def test_a_node_stays_in_its_namespace(namespace: str) -> None:
    words = ["-r", f"__ns:={namespace}", "-p", "cell:=sim", "-p", "use_sim_time:=true"]
    rclpy.init(args=["--ros-args", *words, "-p", "on_request:=true"], domain_id=DOMAIN)
    try:
        node = TrialNode()
        topics = [end.topic_name for end in (*node.publishers, *node.subscriptions)]
        ends = (*node.services, *node.clients)
        services = [node.resolve_service_name(end.srv_name) for end in ends]
        assert f"{namespace}/clock" in topics
        assert f"{namespace}/policy_node/get_state" in services
        strays = [n for n in (*topics, *services) if not n.startswith(namespace + "/")]
        assert set(strays) <= OUTSIDE
        assert names.in_recordings(f"{namespace}/pusher/pose", namespace) == "/pusher/pose"
        assert node.full_name == f"{namespace[1:]}/trial_node"
        node.destroy_node()
    finally:
        rclpy.shutdown()


def test_without_a_namespace_names_are_those_of_recordings() -> None:
    rclpy.init(args=["--ros-args", "-p", "cell:=sim"], domain_id=DOMAIN)
    try:
        node = DriftNode()
        assert "/drift/unmoved" in [end.topic_name for end in node.publishers]
        assert node.resolve_topic_name(names.live("/pusher/pose")) == "/pusher/pose"
        assert names.in_recordings("/pusher/pose", node.get_namespace()) == "/pusher/pose"
        assert names.live("/diagnostics") == "/diagnostics"
        node.destroy_node()
    finally:
        rclpy.shutdown()


def test_sensor_streams_follow_rep_2003() -> None:
    """A source is heard by everybody, a subscriber hears every source."""
    rclpy.init(domain_id=DOMAIN)
    try:
        node = Node("rep_2003")
        node.create_publisher(Image, "image", qos.SENSOR_SOURCE)
        (info,) = node.get_publishers_info_by_topic("/image")
        offered = info.qos_profile
        assert offered.reliability == ReliabilityPolicy.RELIABLE
        for asked in (qos.SENSOR_DATA, qos.RELIABLE):
            assert qos_check_compatible(offered, asked)[0] != QoSCompatibility.ERROR
        assert qos.SENSOR_DATA.reliability == ReliabilityPolicy.BEST_EFFORT
        assert qos.SENSOR_DATA.durability == DurabilityPolicy.VOLATILE
        node.destroy_node()
    finally:
        rclpy.shutdown()


def test_latched_topics_are_reliable_and_kept() -> None:
    for profile in (qos.LATCHED, qos.EVERYBODY_LATCHED):
        assert profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert profile.reliability == ReliabilityPolicy.RELIABLE
        assert qos_check_compatible(profile, qos.LATCHED)[0] != QoSCompatibility.ERROR
    assert qos.LATCHED.depth == 1
