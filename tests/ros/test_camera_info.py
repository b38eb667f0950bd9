"""CameraInfo of the simulated cameras is the calibration in force."""

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

import rclpy

from pushcell.cameras.camera_info import camera_info_text
from pushcell.cameras.camera_model import Lens
from pushcell_ros.drift_node import DriftNode
from pushcell_ros.render_node import RenderedCamera
from tests.conftest import SIM_CELL

DOMAIN = 90
DISTORTIONS = {
    "plumb_bob": [-0.15, 0.02, 0.001, 0.0, 0.0],
    "rational_polynomial": [1.2, 0.3, 0.0005, -0.0003, 0.01, 1.5, 0.6, 0.05],
    "equidistant": [0.02, -0.01, 0.004, -0.001],
}


@pytest.mark.parametrize("model", DISTORTIONS)
@pytest.mark.parametrize("scale", [1, 2])
def test_lens_that_was_calibrated(model, scale, cell, tmp_path):
    said = cell.camera("overhead")
    size = said.width_px, said.height_px
    lens = Lens(said.matrix * [[1.03], [0.98], [1.0]], np.array(DISTORTIONS[model]), size, model)
    (tmp_path / "lens.yaml").write_text(camera_info_text(lens, "overhead"))
    values = yaml.safe_load(SIM_CELL.read_text())
    values["calibration"] = [{"camera": "overhead", "intrinsics": "lens.yaml"}]
    path = tmp_path / "cell.yaml"
    path.write_text(yaml.safe_dump(values))
    rclpy.init(args=["--ros-args", "-p", f"cell:={path}"], domain_id=DOMAIN)
    try:
        node = DriftNode()
        shown = said.resized(scale * size[0], scale * size[1])
        camera = RenderedCamera(node, shown)
        info = camera.lens
        topics = camera.image.topic_name, camera.info.topic_name
        node.destroy_node()
    finally:
        rclpy.shutdown()
    assert (info.width, info.height) == (scale * size[0], scale * size[1])
    assert info.distortion_model == model
    assert info.header.frame_id == "overhead_color_optical_frame"
    np.testing.assert_allclose(info.d, DISTORTIONS[model])
    np.testing.assert_allclose(
        np.reshape(info.k, (3, 3)), lens.resized((info.width, info.height)).matrix
    )
    base = "/camera/overhead/color"
    assert topics == (f"{base}/image_raw", f"{base}/camera_info")
