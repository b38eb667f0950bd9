"""A person touches marks on the table: the real page in a real Chromium, the simulated cell."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")
pytest.importorskip("selenium", reason="no selenium: install pushcell[dev]")

from benchmarks.browser import found_browser, open_page
from benchmarks.collection import Collection
from calibration.command import main
from calibration.mounted_board import MountedBoard
from pushcell.config.cell import load_cell
from tests.calibration.calibrated_cell import write_calibrated_cell, write_hand_eye
from tests.conftest import SIM_CELL

DOMAIN = 97
THICKNESS_M = 0.005
BOARD = MountedBoard.parse(
    "charuco:7x5:0.036:0.028:DICT_5X5_50", "base", f"0.61 -0.07 {THICKNESS_M} 3.14159265 0 1.5708"
)

pytestmark = [
    pytest.mark.skipif(
        found_browser() is None, reason="no browser: install chromium, chromedriver"
    ),
    # The deadman's 200 ms run in real time here, and the machine may be shared.
    pytest.mark.flaky(reruns=1),
    pytest.mark.timeout(600),
]


def test_marks_touched_from_the_page_check_the_map(tmp_path):
    cell = write_calibrated_cell(tmp_path)
    launch = (
        "launch/touch_check.launch.yaml",
        "simulated:=true",
        f"cell:={cell}",
        f"height:={THICKNESS_M}",
    )
    with Collection(DOMAIN, tmp_path / "episodes", launch) as run:
        with open_page(run.address) as page:
            run.arm(page)
            for count in range(1, 7):
                touch_next(run, page, count)
        code = run.ended()
    assert code == 0, run.output
    folder = Path(run.output.split("run folder ")[1].split(",")[0]) / "calibration" / "overhead"
    (result,) = (json.loads(path.read_text()) for path in folder.glob("table_*.json"))
    assert result["points"] == 6
    assert result["map_mm"] < 3
    # The same touches tell of a camera that is elsewhere than its calibration says.
    off = load_cell(SIM_CELL).camera("overhead").pose_in_link.matrix()
    off[0, 3] += 0.008
    write_hand_eye(tmp_path / "off.json", off)
    words = ["table", str(folder / "touched.json"), "--out", str(tmp_path / "off")]
    words += ["--intrinsics", str(tmp_path / "overhead.yaml")]
    words += ["--hand-eye", str(tmp_path / "off.json"), "--marks-height", str(THICKNESS_M)]
    assert main(words) == 1


def touch_next(run, page, count):
    """Do what the page asks for: drive the tip there, then press the button."""
    found = []

    def asked():
        found[:] = re.findall(rf"touch mark {count} of 6: corner (\d+)", progress(page))
        return bool(found)

    run.until(asked, f"mark {count} to be asked for")
    pose = BOARD.pose_in_link
    mark = pose.rotation @ BOARD.board.corners_m[int(found[0])] + pose.translation
    place = mark[:2]
    pixel = run.pixel_of(place)
    run.drag_until(page, pixel, lambda: np.linalg.norm(run.pusher - place) < 0.0015, "the mark")
    page.mouse("mouseReleased", pixel)
    page.press("touch")


def progress(page):
    return page.text("calibration-progress")
