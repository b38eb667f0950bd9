"""Which extra of the package brings a module that may be missing."""

from __future__ import annotations

EXTRAS = {
    "aiohttp": "teleop",
    "av": "sim",
    "gym_pusht": "pusht",
    "gymnasium": "pusht",
    "matplotlib": "sim",
    "diffusers": "train",
    "lightning_fabric": "train",
    "mcap": "data",
    "msgpack": "policy",
    "numcodecs": "data",
    "onnx": "policy",
    "onnxruntime": "policy",
    "onnxscript": "train",
    "pyarrow": "data",
    "pydrake": "sim",
    "ray": "ray",
    "rclpy": "ros",
    "rosbags": "data",
    "ruckig": "sim",
    "selenium": "dev",
    "scipy": "calibration",
    "sklearn": "analysis",
    "torch": "train",
    "umap": "analysis",
    "websockets": "policy",
    "zarr": "data",
}
"""Module -> extra."""


def advice(module: str) -> str:
    """The command that installs a missing module of `EXTRAS`."""
    return f"pip install 'pushcell[{EXTRAS[module]}]'"
