"""Bags of other systems, written by `rosbags`, are read through a mapping."""

import cv2
import numpy as np
import pytest

from policy_server.bundle import load_policy
from pushcell.errors import ConfigError, EpisodeError
from pushcell.replay.policy_run import PolicyRun, ReplayOptions
from pushcell.replay.recording import Recording
from pushcell.replay.samples import SampleReader
from tests.replay.examples import TOUCH, ForeignBag, steady_bundle

START_NS = 1_600_000_000 * 10**9
MAPPING = """
pusher: {topic: /tool, fields: [spot.east, spot.north, spot.turn]}
slider: {topic: /block}
cameras:
  overhead: {topic: /cam/a}
  wrist: {topic: /cam/b/compressed}
frames:
  world: {xyz_m: [0.1, 0.2, 0.0], rpy_rad: [0.0, 0.0, 1.5707963267948966]}
"""
COLOURS = np.array([[[250, 10, 20], [30, 240, 40]], [[50, 60, 230], [128, 128, 128]]], np.uint8)


def picture(height: int = 24, width: int = 32) -> np.ndarray:
    """(H, W, 3) RGB: four fields of one colour each."""
    return np.repeat(np.repeat(COLOURS, height // 2, axis=0), width // 2, axis=1)


def raw(encoding: str) -> tuple[np.ndarray, int]:
    """The bytes of the picture in an encoding, and of a row; with two bytes of padding."""
    image = picture()
    if encoding == "bgr8":
        image = image[:, :, ::-1]
    elif encoding == "mono8":
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    elif encoding == "16UC1":
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype("<u2") * 257
    rows = np.ascontiguousarray(image).view(np.uint8).reshape(24, -1)
    return np.pad(rows, ((0, 0), (0, 2))).ravel(), rows.shape[1] + 2


def foreign(path, storage: str, encoding: str = "rgb8", packed: str = ".jpg", frame: str = "world"):
    """Three seconds of a touch, a block and two cameras."""
    bag = ForeignBag(path, storage)
    types = bag.store.types
    data, step = raw(encoding)
    jpeg = cv2.imencode(packed, picture()[:, :, ::-1])[1].ravel()
    for k in range(60):
        stamp_ns = START_NS + k * 50_000_000
        log_ns = stamp_ns + 8_000_000
        spot = types["cell_msgs/msg/Spot"](0.55 + 0.0005 * k, 0.12, 0.5)
        bag.add("/tool", TOUCH, log_ns, bag.header(stamp_ns, "flange"), spot)
        point = types["geometry_msgs/msg/Point"](0.1, -0.4, 0.0)
        turn = types["geometry_msgs/msg/Quaternion"](0.0, 0.0, np.sin(0.1), np.cos(0.1))
        pose = types["geometry_msgs/msg/Pose"](point, turn)
        kind = "geometry_msgs/msg/PoseStamped"
        bag.add("/block", kind, log_ns, bag.header(stamp_ns, frame), pose)
        header = bag.header(stamp_ns, "cam")
        kind = "sensor_msgs/msg/Image"
        bag.add("/cam/a", kind, log_ns, header, 24, 32, encoding, 0, step, data)
        kind = "sensor_msgs/msg/CompressedImage"
        bag.add("/cam/b/compressed", kind, log_ns, header, packed.strip("."), jpeg)
    bag.close()
    return path


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "mapping.yaml"
    path.write_text(MAPPING)
    return path


def read(path, cell, mapping):
    with Recording(path, cell, mapping) as recording:
        reader = SampleReader(recording)
        samples = list(reader.samples(recording.map.named))
    found = {}
    for sample in samples:
        found.setdefault(sample.what, []).append(sample.value)
    return found, reader


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_unknown_types_and_other_frames(cell, tmp_path, mapping, storage):
    found, reader = read(foreign(tmp_path / "bag", storage), cell, mapping)
    assert reader.left_out == {}
    assert np.array(found["pusher"])[:, 0] == pytest.approx(0.55 + 0.0005 * np.arange(60))
    assert found["pusher"][0][1:] == pytest.approx([0.12, 0.5])
    # A quarter turn and a shift: (0.1, -0.4) goes to (0.4, 0.1) and then to (0.5, 0.3).
    assert found["slider"][7] == pytest.approx([0.5, 0.3, 0.2 + np.pi / 2])


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8", "16UC1"])
@pytest.mark.parametrize("packed", [".jpg", ".png"])
def test_encodings(cell, tmp_path, mapping, encoding, packed):
    found, reader = read(foreign(tmp_path / "bag", "mcap", encoding, packed), cell, mapping)
    assert reader.left_out == {}
    shown, expected = found["camera overhead"][5], picture()
    if encoding in ("mono8", "16UC1"):
        expected = cv2.cvtColor(cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    np.testing.assert_array_equal(shown, expected)
    unpacked = found["camera wrist"][5].astype(int)
    centres = unpacked[[6, 6, 18, 18], [8, 24, 8, 24]].reshape(2, 2, 3)
    assert np.abs(centres - COLOURS).max() <= (0 if packed == ".png" else 12)


def test_an_encoding_may_be_said_in_the_mapping(cell, tmp_path, mapping):
    mapping.write_text(MAPPING.replace("/cam/a}", "/cam/a, encoding: bgr8}"))
    found, _ = read(foreign(tmp_path / "bag", "mcap", "rgb8"), cell, mapping)
    np.testing.assert_array_equal(found["camera overhead"][0], picture()[:, :, ::-1])


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_policy_runs_over_it(cell, tmp_path, mapping, storage):
    path = foreign(tmp_path / "bag", storage)
    policy = load_policy(steady_bundle(tmp_path / "bundle", cell, ("overhead",)))
    with Recording(path, cell, mapping) as recording:
        outcome = PolicyRun(recording, policy, "it", ReplayOptions()).run()
    assert len(outcome.chunks) >= 3
    assert outcome.messages["camera overhead"] == 60


def test_a_frame_that_is_not_known_is_refused(cell, tmp_path, mapping):
    path = foreign(tmp_path / "bag", "mcap", frame="map")
    with pytest.raises(EpisodeError, match="/block is in frame 'map'; known are base, world"):
        read(path, cell, mapping)


def test_what_is_missing_is_listed(cell, tmp_path, mapping):
    mapping.write_text(MAPPING + "target: {topic: /nowhere}\n")
    with Recording(foreign(tmp_path / "bag", "mcap"), cell, mapping) as recording:
        assert recording.missing == {"target": "no topic /nowhere"}
        with pytest.raises(EpisodeError, match=r"lacks camera side \(not in the mapping\)"):
            recording.require({"camera side"})


def test_a_mapping_is_checked(cell, tmp_path, mapping):
    path = foreign(tmp_path / "bag", "mcap")
    mapping.write_text("pusher: {topic: tool}")
    with pytest.raises(ConfigError, match=r"mapping.yaml(.|\n)*pusher.topic"):
        Recording(path, cell, mapping)
    mapping.write_text(MAPPING.replace("spot.turn", "spot.angle"))
    _, reader = read(path, cell, mapping)
    ((why, count),) = reader.left_out.items()
    assert count == 60
    assert "angle" in why
