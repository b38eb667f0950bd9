"""Parameters of the nodes, as ``ros2 param describe`` and ``ros2 param set`` see them."""

import dataclasses
import importlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from pushcell_ros.base_node import CellNode
from pushcell_ros.trial_node import TrialNode
from tests.conftest import ROOT

DOMAIN = 90
NODES = sorted((ROOT / "ros2_ws/src/pushcell_ros/pushcell_ros").glob("*_node.py"))


class Pair:
    """A node that is served, and one that asks it."""

    def __init__(self) -> None:
        rclpy.init(args=["--ros-args", "-p", "cell:=sim", "-p", "video:=false"], domain_id=DOMAIN)
        self.node, self.other = TrialNode(), Node("other")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.other)

    def ask(self, kind: type, service: str, request: object) -> object:
        client = self.other.create_client(kind, f"trial_node/{service}")
        assert client.wait_for_service(10)
        answer = client.call_async(request)
        self.executor.spin_until_future_complete(answer, 10)
        return answer.result()


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.node.destroy_node()
    pair.other.destroy_node()
    rclpy.shutdown()


def test_described(pair: Pair) -> None:
    names = ["min_success", "trials", "slider_topic"]
    answer = pair.ask(
        DescribeParameters, "describe_parameters", DescribeParameters.Request(names=names)
    )
    share, trials, topic = answer.descriptors
    assert "exit code 1" in share.description
    assert (share.floating_point_range[0].from_value, share.floating_point_range[0].to_value) == (
        0,
        1,
    )
    assert trials.integer_range[0].from_value == 1
    assert not topic.integer_range
    assert all(descriptor.read_only for descriptor in (share, trials, topic))


def test_read_only(pair: Pair) -> None:
    value = Parameter("trials", value=5).to_parameter_msg()
    request = SetParameters.Request(parameters=[value])
    (result,) = pair.ask(SetParameters, "set_parameters", request).results
    assert not result.successful
    assert "read-only" in result.reason
    assert pair.node.get_parameter("trials").value == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("min_success:=1.5", "trial_node: min_success = 1.5, allowed: 0 to 1"),
        ("trials:=0", "trial_node: trials = 0, allowed: 1 or more"),
        ("trials:=many", "trial_node: Trying to set parameter 'trials' to 'many' of type 'STRING'"),
        ("trails:=3", "trial_node has no parameter trails; it has cell, trials"),
    ],
)
def test_refused(words: str, told: str) -> None:
    command = [sys.executable, "-m", "pushcell_ros.trial_node", "--ros-args", "-p", "cell:=sim"]
    done = subprocess.run([*command, "-p", words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def subclasses(kind: type) -> Iterator[type]:
    yield kind
    for under in kind.__subclasses__():
        yield from subclasses(under)


def test_every_parameter_is_described_and_every_number_has_bounds() -> None:
    for path in NODES:
        importlib.import_module(f"pushcell_ros.{path.stem}")
    schemas = {node.Params for node in subclasses(CellNode) if hasattr(node, "Params")}
    assert len(schemas) > 15
    for schema in schemas:
        for field in dataclasses.fields(schema):
            said, default = field.metadata, field.default
            assert len(said["description"]) > 5, (schema, field.name)
            if isinstance(default, int | float) and not isinstance(default, bool):
                assert said["least"] is not None, (schema, field.name)
                assert said["least"] <= default, (schema, field.name)
                assert said["most"] is None or default <= said["most"], (schema, field.name)
