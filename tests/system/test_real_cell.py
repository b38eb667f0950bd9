"""A rollout as in front of an arm: launch file, cameras, recorder, a person at the deadman."""

import os

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from std_msgs.msg import Bool

from pushcell.bags.bag_reader import BagReader
from pushcell.config.cell import load_cell
from pushcell.recording.control_log import POLICY
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.store import BAG_FILE, EpisodeStore
from pushcell.recording.streams import IMAGE_TOPIC
from tests.conftest import ROOT
from tests.policy_server.examples import some_manifest
from tests.policy_server.test_driver import SCHEDULE
from tests.policy_server.toy_bundle import driving_graphs, write_toy
from tests.ros.test_arm_node_ros2_control import Graph

DOMAIN = 89
CAMERA = {"driver": "gradient_camera:open_camera", "device": ""}
LAUNCH = ["-m", "pushcell.cli", "launch", "launch/rollout.launch.yaml", "simulated:=false"]


class RealCell(Graph):
    """The launch file of a rollout, on an arm that a stand-in plays."""

    held = False

    def run_nodes(self):
        values = yaml.safe_load(self.cell_path.read_text())
        for camera in values["cameras"]:
            camera |= {"width_px": 64, "height_px": 48, "rate_hz": 10.0, "source": CAMERA}
        self.cell_path.write_text(yaml.safe_dump(values))
        manifest = some_manifest(
            load_cell(self.cell_path), ("overhead", "wrist"), schedule=SCHEDULE
        )
        graphs = driving_graphs(manifest, self.home - np.array([0.0, 0.2]), 0.1)
        bundle = write_toy(self.folder / "bundle", manifest, graphs)
        words = {"cell": self.cell_path, "policy": bundle, "episodes": self.folder / "episodes"}
        self.run("launch", [*LAUNCH, *(f"{key}:={value}" for key, value in words.items())])
        self.node.destroy_publisher(self.chunks)  # the guard hears one policy only
        deadman = self.node.create_publisher(Bool, "/safety/deadman", 10)
        self.node.create_timer(0.02, lambda: deadman.publish(Bool(data=self.held)))

    def change_policy(self, transition):
        client = self.node.create_client(ChangeState, "/policy_node/change_state")
        self.wait(client.service_is_ready, "policy_node")
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        self.wait(future.done, "policy_node's answer")
        return future.result().success


def test_a_policy_drives_an_arm_while_the_deadman_is_held_and_is_recorded(tmp_path, monkeypatch):
    paths = (str(ROOT / "docs/examples"), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    with RealCell(tmp_path, "positions", 0.0, DOMAIN) as cell:
        cell.release()
        refused = cell.call("/motion/home")
        assert not refused.success
        assert "deadman" in refused.message
        cell.held = True
        cell.spin(0.1)
        cell.go_home()
        assert cell.change_policy(Transition.TRANSITION_CONFIGURE)
        assert cell.change_policy(Transition.TRANSITION_ACTIVATE)
        assert cell.call("/recorder/start").success
        assert cell.call("/motion/policy").success
        cell.wait(lambda: np.linalg.norm(cell.tip - cell.home) > 0.02, "the policy's motion")
        assert cell.motion["source"] == "policy"
        cell.held = False
        cell.wait(lambda: cell.motion["phase"] == "holding", "rest without the deadman")
        assert cell.motion["reason"] == "deadman_released"
        cell.spin(0.5)
        rest = cell.tip
        cell.spin(0.5)
        assert np.linalg.norm(cell.tip - rest) < 1e-3
        assert cell.call("/recorder/success").success
        store = EpisodeStore(tmp_path / "episodes")
        cell.wait(store.episodes, "the episode")
    (episode,) = store.episodes()
    info = EpisodeInfo.load(episode)
    assert info.verdict == "success"
    assert POLICY in {span.source for span in info.driven}
    assert info.policy is not None
    with BagReader(episode / BAG_FILE) as bag:
        assert min(bag.counts[IMAGE_TOPIC.format(name)] for name in ("overhead", "wrist")) > 10
