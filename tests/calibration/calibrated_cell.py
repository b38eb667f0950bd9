"""The simulated cell with a calibration of its camera on the base in use: the true one."""

import json

import numpy as np
import yaml

from pushcell.cameras.camera_info import camera_info_text
from pushcell.cameras.camera_model import Lens
from pushcell.config.cell import load_cell
from tests.conftest import SIM_CELL


def write_calibrated_cell(folder):
    """Path of the cell's file; its calibration is beside it as overhead.yaml and overhead.json."""
    overhead = load_cell(SIM_CELL).camera("overhead")
    lens = Lens(overhead.matrix, np.zeros(5), (overhead.width_px, overhead.height_px))
    (folder / "overhead.yaml").write_text(camera_info_text(lens, "overhead"))
    write_hand_eye(folder / "overhead.json", overhead.pose_in_link.matrix())
    values = yaml.safe_load(SIM_CELL.read_text())
    values["calibration"] = [
        {"camera": "overhead", "intrinsics": "overhead.yaml", "hand_eye": "overhead.json"}
    ]
    path = folder / "cell.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def write_hand_eye(path, transform):
    """As `pushcell calibrate hand-eye` saves it, as far as it is read again."""
    path.write_text(json.dumps({"setup": "eye-to-hand", "transform": transform.tolist()}))
