"""Every key of the default cell is read by code outside the schema when the cell runs."""

import threading
import time
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy
from rclpy.experimental.events_executor import EventsExecutor
from sensor_msgs.msg import Image

from policy_server.bundle import load_policy
from policy_server.driver import PolicyDriver
from pushcell.action_chunk import ActionChunk
from pushcell.arm.kinematics import ArmKinematics
from pushcell.cameras.calibrated import active_sha256
from pushcell.config import cell as config
from pushcell.drivers.joint_stream import JointStream
from pushcell.motion.guard import Source
from pushcell.simulation.rendering import SceneRenderer
from pushcell.simulation.source_world import SourceWorld
from pushcell.task import Task
from pushcell_ros import base_node
from pushcell_ros.arm_node import ArmNode
from pushcell_ros.camera_node import CameraNode
from pushcell_ros.cell_node import SimulatedCellNode
from pushcell_ros.motion_node import MotionNode
from pushcell_ros.recorder_node import RecorderNode
from pushcell_ros.render_node import RenderNode
from pushcell_ros.teleop_node import TeleopNode
from tests.conftest import SIM_CELL
from tests.key_reads import keys_of, record
from tests.motion.rig import Rig
from tests.policy_server.examples import some_manifest
from tests.policy_server.toy_bundle import random_graphs, write_toy

DOMAIN = 91


@pytest.fixture
def read_keys(monkeypatch):
    """(section, key) of everything that is read while the test runs, but by pushcell.config."""
    return record(monkeypatch, ("pushcell.config",))


def end_when_seen(images):
    """End the nodes after a while, and not before the cameras were seen several times."""
    time.sleep(2.0)
    deadline = time.monotonic() + 60.0
    while len(images) < 2 or min(images.values()) < 10:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    base_node._Ending.request()


def run_the_nodes():
    parameters = ["-p", f"cell:={SIM_CELL}", "-p", "camera_node:camera:=overhead"]
    rclpy.init(args=["--ros-args", *parameters], domain_id=DOMAIN)
    nodes = []
    try:
        nodes += [SimulatedCellNode(), RenderNode(), ArmNode(), MotionNode(), TeleopNode()]
        nodes += [CameraNode(), RecorderNode()]
        while nodes[-1].recorder.start():  # it looks for what a crash has left first
            time.sleep(0.05)
        watcher, images = rclpy.create_node("watcher"), Counter()
        for name in ("overhead", "wrist"):
            topic = f"/camera/{name}/color/image_raw"
            watcher.create_subscription(
                Image, topic, lambda _, name=name: images.update([name]), 10
            )
        executor = EventsExecutor()
        for node in (*nodes, watcher):
            executor.add_node(node)
        threading.Thread(target=end_when_seen, args=[images], daemon=True).start()
        nodes[0].spin(executor)
        for node in nodes:
            node.diagnose()
    finally:
        for node in nodes:  # a thread that goes on would keep the test run from ending
            node.close()
            node.destroy_node()
        base_node._Ending.requested = False
        rclpy.shutdown()


def push_in_the_library(cell, folder):
    kinematics = ArmKinematics(cell)
    rig = Rig(cell, kinematics, require_deadman=True)
    rig.deadman = True
    rig.released().drive_policy()
    rig.run(0.1, lambda: rig.guard.on_teleop(rig.now, rig.now, rig.guard.tip))
    rig.guard.select(Source.POLICY)
    rig.guard.on_chunk(rig.now, ActionChunk.at_rate(rig.now, rig.now, 10, [[0.5, 0], [0.5, 0.1]]))
    stream = JointStream(cell.arm, 0.01, rig.q)
    stream.push(0.0, 0.0, rig.q, np.zeros(7), "motion_node")
    stream.position_at(1.0)
    task = Task.of(cell.task, cell.pusher.radius_m)
    start = task.sample_start(np.random.default_rng(0))
    task.judge(start, task.pusher_home, 0.0)
    SourceWorld(cell).reset(start, task.pusher_home)
    SceneRenderer(cell, "source")
    manifest = some_manifest(cell, ("overhead",))
    policy = load_policy(write_toy(folder, manifest, random_graphs(manifest)))
    PolicyDriver(policy, cell, lambda: 0.0).close()
    assert active_sha256(cell) is None


def test_every_key_is_used(read_keys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where episodes go
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN))  # the arm's link follows it
    run_the_nodes()
    cell = config.load_cell(SIM_CELL)
    push_in_the_library(cell, tmp_path / "bundle")
    read = set(read_keys)  # before this test reads them all itself
    unread = keys_of(cell) - read
    assert not unread, sorted(unread)
