"""A person's board before a camera: real processes, the real page, images with known truth."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")
pytest.importorskip("selenium", reason="no selenium: install pushcell[dev]")

from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.browser import found_browser, open_page
from calibration.boards import parse_board
from calibration.synthetic_images import SyntheticCamera
from tests.calibration import rig
from tests.calibration.conftest import CHARUCO
from tests.conftest import ROOT, SIM_CELL

DOMAIN = 98
PATIENCE_S = 240.0
FRAMES_HELD = 8

pytestmark = [
    pytest.mark.skipif(
        found_browser() is None, reason="no browser: install chromium, chromedriver"
    ),
    pytest.mark.timeout(600),
]


@pytest.fixture
def film(tmp_path):
    """A folder of images as of a person who holds the board still at place after place."""
    folder, board = tmp_path / "film", parse_board(CHARUCO)
    folder.mkdir()
    camera = SyntheticCamera(board, rig.LENS, seed=0)
    for index, pose in enumerate(rig.looks(board, np.random.default_rng(3), 20)):
        first = folder / f"{index:02}_0.png"
        cv2.imwrite(str(first), camera.take(pose))
        for frame in range(1, FRAMES_HELD):
            (folder / f"{index:02}_{frame}.png").symlink_to(first)
    return folder


@pytest.fixture
def cell_file(tmp_path):
    values = yaml.safe_load(SIM_CELL.read_text())
    values["cameras"][0] |= {"width_px": 640, "height_px": 480}
    path = tmp_path / "cell.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_page_guides_until_nothing_is_missing(film, cell_file):
    arguments = {"cell": cell_file, "camera": "overhead", "driver": "file", "device": film}
    words = [f"{key}:={value}" for key, value in arguments.items()]
    words += [f"board:={CHARUCO}", "views:=18"]
    run = subprocess.Popen(
        [sys.executable, "-m", "pushcell.cli", "launch", "launch/intrinsics.launch.yaml", *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "ROS_DOMAIN_ID": str(DOMAIN)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, served = [], threading.Event()

    def read():
        for line in run.stdout:
            output.append(line)
            if "console: http" in line:
                served.set()

    reading = threading.Thread(target=read)
    reading.start()
    try:
        assert served.wait(PATIENCE_S), "".join(output)
        address = next(x for x in "".join(output).split() if x.startswith("http"))
        with open_page(address) as page:
            asked = set()

            def guides(_):
                asked.update(page.text("missing").splitlines())
                return run.poll() is not None or len(asked) > 3

            WebDriverWait(page.driver, PATIENCE_S).until(guides)
        run.wait(PATIENCE_S)
    finally:
        run.terminate()
        reading.join()
        print("".join(output))
    assert run.returncode == 0
    assert any("show the board at the" in words for words in asked), asked
    assert any("tilt the board" in words for words in asked), asked
    told = "".join(output)
    folder = Path(told.split("run folder ")[1].split(",")[0]) / "calibration" / "overhead"
    (result,) = (json.loads(path.read_text()) for path in folder.glob("intrinsics_*.json"))
    assert result["missing"] == []
    for index in (0, 1):
        true = rig.LENS.matrix[index, index]
        assert result["camera_matrix"][index][index] == pytest.approx(true, rel=0.003)
    assert len(list(folder.glob("intrinsics_*.yaml"))) == 1
    assert len(list((folder / "images").glob("*.png"))) >= 18
