from glob import glob

from setuptools import setup

NODES = [
    "arm_node",
    "calibrate_node",
    "camera_node",
    "cell_node",
    "console_node",
    "drift_node",
    "intrinsics_node",
    "listener_node",
    "motion_node",
    "planner_node",
    "policy_node",
    "recorder_node",
    "render_node",
    "replay_node",
    "retrace_node",
    "slider_node",
    "stills_node",
    "teleop_node",
    "touch_node",
    "trial_node",
]

setup(
    name="pushcell_ros",
    version="0.1.0",
    packages=["pushcell_ros"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/pushcell_ros"]),
        ("share/pushcell_ros", ["package.xml"]),
        ("share/pushcell_ros/launch", glob("launch/*.launch.yaml")),
        ("share/pushcell_ros/config", glob("config/*")),
    ],
    entry_points={"console_scripts": [f"{node} = pushcell_ros.{node}:main" for node in NODES]},
    license="Apache-2.0",
)
