"""A camera's latency from an episode whose camera's stamps are late by a known time."""

import json

import cv2
import numpy as np
import pytest

from calibration.camera_latency import find_colour
from calibration.command import main
from pushcell.bags.bag_writer import BagWriter, Topic
from pushcell.bags.messages import IMAGE, POSE, image_cdr, tool_pose_cdr
from pushcell.cameras.calibrated import active_latency_s
from pushcell.cameras.overlay import project
from pushcell.config.cell import load_cell
from pushcell.errors import CalibrationError
from pushcell.geometry import PlanarPose
from pushcell.recording.store import BAG_FILE
from pushcell.recording.streams import IMAGE_TOPIC, PUSHER_TOPIC
from tests.conftest import SIM_CELL

NS, SECONDS = 10**9, 20.0


def tip_at(t):
    return np.array(
        [0.6 + 0.08 * np.sin(1.7 * t), 0.15 * np.sin(2.3 * t + 1) + 0.03 * np.sin(7 * t)]
    )


def picture(cell, camera, t):
    """An orange disc where the tip is, and the arm that carries it has orange parts, too."""
    place = [[*tip_at(t), cell.pusher.tip_height_m]]
    u, v = project(camera, camera.pose_in_link, place)[0]
    image = np.full((camera.height_px, camera.width_px, 3), 120, np.uint8)
    colour = [255 * c for c in cell.pusher.colour]
    cv2.circle(image, (round(16 * u), round(16 * v)), 16 * 9, colour, -1, cv2.LINE_AA, 4)
    height = round(20 + 15 * np.sin(1.1 * t))
    cv2.rectangle(image, (round(160 + 0.2 * (u - 160)) - 40, 0), (260, height), colour, -1)
    return image


def episode(folder, cell, late_s):
    folder.mkdir()
    camera = cell.camera("overhead")
    topic = IMAGE_TOPIC.format("overhead")
    messages = [
        (t, PUSHER_TOPIC, tool_pose_cdr(round((1 + t) * NS), PlanarPose(*tip_at(t), 0.5), 0.0125))
        for t in np.arange(0, SECONDS, 0.02)
    ]
    messages += [
        (t, topic, image_cdr(round((1 + t + late_s) * NS), "c", picture(cell, camera, t)))
        for t in np.arange(0.033, SECONDS, 0.1)
    ]
    with (folder / BAG_FILE).open("wb") as file:
        bag = BagWriter(file, [Topic(PUSHER_TOPIC, POSE), Topic(topic, IMAGE)])
        for t, name, cdr in sorted(messages, key=lambda message: message[0]):
            bag.add(name, round((1 + t) * NS), cdr)
        bag.close(BAG_FILE)
    return folder


@pytest.mark.parametrize("late_s", [0.0, 0.062, -0.02])
def test_late_stamps_are_found_and_reach_the_policys_observer(tmp_path, cell, late_s):
    path = episode(tmp_path / "episode", cell, late_s)
    words = ["latency", "--episode", str(path), "--camera", "overhead", "--cell", str(SIM_CELL)]
    assert main([*words, "--out", str(tmp_path)]) == 0
    saved = next(tmp_path.glob("latency_*.json"))
    result = json.loads(saved.read_text())
    assert result["latency_s"] == pytest.approx(late_s, abs=0.004)
    assert result["spread_s"] < 0.005
    text = SIM_CELL.read_text()
    named = f"calibration:\n  - {{camera: overhead, latency: {saved.name}}}\n"
    (tmp_path / "cell.yaml").write_text(text + named)
    calibrated = load_cell(tmp_path / "cell.yaml")
    assert active_latency_s(calibrated, "overhead") == result["latency_s"]
    assert active_latency_s(calibrated, "wrist") == 0.0


def test_a_camera_on_the_arm_is_refused(tmp_path, cell):
    path = episode(tmp_path / "episode", cell, 0.0)
    words = ["latency", "--episode", str(path), "--camera", "wrist", "--cell", str(SIM_CELL)]
    with pytest.raises(CalibrationError, match="moves with the pusher"):
        main([*words, "--out", str(tmp_path)])


def test_a_colour_is_found_in_shadow_and_not_where_it_is_not():
    image = np.full((60, 80, 3), 120, np.uint8)
    assert find_colour(image, np.array([1.0, 0.345, 0.1])).shape == (0, 2)
    image[20:40, 30:50] = [100, 35, 10]
    image[50:55, 60:70] = [255, 88, 26]
    found = find_colour(image, np.array([1.0, 0.345, 0.1]))
    np.testing.assert_allclose(found, [[39.5, 29.5], [64.5, 52]])
