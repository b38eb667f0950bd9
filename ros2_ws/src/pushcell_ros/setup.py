from pathlib import Path

from setuptools import setup
from setuptools.command.develop import develop
from setuptools.command.install_scripts import install_scripts

NODES = [
    "arm_node",
    "calibrate_node",
    "calibration_render_node",
    "camera_node",
    "cell_node",
    "console_node",
    "drift_node",
    "frames_node",
    "intrinsics_node",
    "motion_node",
    "null_arm_node",
    "planner_node",
    "policy_node",
    "recorder_node",
    "render_node",
    "replay_node",
    "slider_node",
    "teleop_node",
    "touch_check_node",
    "trajectory_replay_node",
    "trial_node",
]
SHARE = Path("share/pushcell_ros")
# What has a name, see pushcell/shipped.py.
FOLDERS = ("bundles", "config", "launch")
SHARED = [path for folder in FOLDERS for path in sorted(Path(folder).rglob("*")) if path.is_file()]
CHECK = """
import sys
from importlib.metadata import PackageNotFoundError, distribution

try:
    distribution("pushcell_ros")
except PackageNotFoundError:
    problem = "the workspace of this program is not sourced: source its install/setup.sh first"
    print("error:", problem, file=sys.stderr)
    sys.exit(2)
"""


class CheckedScripts:
    """A program without its sourced workspace says so; setuptools' own ends in a traceback."""

    def write_script(self, script_name: str, contents: str, *mode: str) -> None:
        """Write one program, the check behind its first line, which names the interpreter."""
        interpreter, rest = contents.split("\n", 1)
        super().write_script(script_name, interpreter + CHECK + rest, *mode)


class InstallScripts(CheckedScripts, install_scripts):
    """Of ``colcon build``."""


class Develop(CheckedScripts, develop):
    """Of ``colcon build --symlink-install``."""


setup(
    name="pushcell_ros",
    version="0.1.0",
    description="Thin ROS 2 nodes around the pushcell library, a work cell that learns to push.",
    maintainer="pushcell maintainers",
    maintainer_email="maintainers@pushcell.invalid",
    license="Apache-2.0",
    packages=["pushcell_ros"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/pushcell_ros"]),
        (str(SHARE), ["package.xml"]),
        *((str(SHARE / path.parent), [str(path)]) for path in SHARED),
    ],
    cmdclass={"install_scripts": InstallScripts, "develop": Develop},
    install_requires=["setuptools"],
    zip_safe=True,
    entry_points={"console_scripts": [f"{node} = pushcell_ros.start:main" for node in NODES]},
)
