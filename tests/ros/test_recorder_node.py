"""The recorder as a real process beside a played cell: its services, its state, its faults."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

from rosbags.highlevel import AnyReader
from std_srvs.srv import Trigger

from benchmarks.recording_rig import RecordingRig, recorded_stamps
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.store import find_episodes
from pushcell.recording.streams import IMAGE_TOPIC, JOINTS_TOPIC
from tests.conftest import SIM_CELL
from tests.small_disk import mounted

DOMAIN = 94
WRIST = IMAGE_TOPIC.format("wrist")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small", megabytes=20) as folder:
        yield folder


def rig_in(tmp_path: Path, size: tuple[int, int], episodes: Path | None = None) -> RecordingRig:
    """Two cameras of noise of that size beside the simulated cell's other streams."""
    frames, rng = tmp_path / "frames.npz", np.random.default_rng(0)
    pictures = {
        name: rng.integers(0, 256, (10, *size, 3), np.uint8) for name in ("overhead", "wrist")
    }
    np.savez(frames, **pictures)
    cell = yaml.safe_load(SIM_CELL.read_text())
    cell["recording"]["min_free_mb"] = 1.0
    path = tmp_path / "cell.yaml"
    path.write_text(yaml.safe_dump(cell))
    return RecordingRig(tmp_path, frames, path, episodes, DOMAIN)


def test_a_lost_camera_is_seen_and_the_episode_rejected(tmp_path: Path) -> None:
    with rig_in(tmp_path, (48, 64)) as rig:
        rig.start_recorder()
        rig.listen(2.0)
        rig.call("start")
        rig.wait(lambda: rig.state["messages"].get(WRIST, 0) > 10, 30.0)
        assert rig.state["state"] == "recording"
        assert rig.state["free_bytes"] > 0
        rig.player.send_signal(signal.SIGUSR1)
        rig.wait(lambda: rig.state["quality"]["verdict"] == "reject", 30.0)
        assert any(WRIST in reason for reason in rig.state["quality"]["reasons"])
        rig.call("failure")
        rig.wait(lambda: rig.state["last"]["episode"] != "", 30.0)
        published = rig.published()
    assert rig.state["last"]["verdict"] == "reject"
    assert rig.state["last"]["operator"] == "failure"
    (episode,) = find_episodes(rig.episodes)
    assert EpisodeInfo.load(episode).verdict == "failure"
    recorded = recorded_stamps(episode)
    for topic in published.keys() & recorded.keys():
        assert set(recorded[topic]) <= set(published[topic]), topic
    with AnyReader([episode]) as reader:
        connection = next(c for c in reader.connections if c.topic == JOINTS_TOPIC)
        assert connection.ext.offered_qos_profiles[0].reliability.name == "RELIABLE"
        _, _, raw = next(reader.messages([connection]))
        assert len(reader.deserialize(raw, connection.msgtype).position) == 7


def test_a_killed_recorder_finds_its_episode_again(tmp_path: Path) -> None:
    with rig_in(tmp_path, (48, 64)) as rig:
        recorder = rig.start_recorder()
        rig.listen(2.0)
        rig.call("start")
        rig.wait(lambda: rig.state["messages"].get(JOINTS_TOPIC, 0) > 400, 30.0)
        name, counted = rig.state["episode"], rig.state["messages"][JOINTS_TOPIC]
        recorder.kill()
        recorder.wait()
        assert find_episodes(rig.episodes) == []
        rig.start_recorder()
        assert rig.state["last"]["episode"] == name
        assert "was cut off and is recovered" in rig.state["problem"]
    info = EpisodeInfo.load(rig.episodes / name)
    assert info.recovered
    kept = len(recorded_stamps(rig.episodes / name)[JOINTS_TOPIC])
    assert kept >= counted - 200, "at most a second"


def test_a_full_disk_stops_the_arm(tmp_path: Path, small_disk: Path) -> None:
    held = []

    def hold(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        held.append(True)
        response.success = True
        return response

    with rig_in(tmp_path, (240, 320), small_disk / "episodes") as rig:
        rig.node.create_service(Trigger, "/motion/hold", hold)
        rig.start_recorder()
        rig.listen(2.0)
        rig.call("start")
        rig.wait(lambda: rig.state["state"] == "failed" and bool(held), 60.0)
        assert "the disk is full" in rig.state["problem"]
        rig.wait(lambda: rig.state["last"]["episode"] != "", 30.0)
        assert rig.state["last"]["verdict"] == "reject"
        (episode,) = find_episodes(rig.episodes)
        assert len(recorded_stamps(episode)[JOINTS_TOPIC]) > 20
