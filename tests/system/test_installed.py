"""What a user installs: the wheel by pip, the workspace by colcon, with the checkout out of reach.

Everything is built from a copy of the sources. A Python environment of its own has the wheel, and
borrows other packages from this one by a path, in which what is editable here is not seen.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
pytest.importorskip("colcon_core", reason="no colcon: pip install 'pushcell[colcon]'")

SOURCES = (
    *("LICENSE", "README.md", "bundles", "calibration", "config", "launch", "policy_server"),
    *("pushcell", "pyproject.toml", "ros2_ws/src", "teleop"),
)
SHARED = ("bundles", "config", "launch")
NODES = {
    path.stem
    for path in (ROOT / "ros2_ws/src/pushcell_ros/pushcell_ros").glob("*_node.py")
    if "def main()" in path.read_text()
}
ROLLOUT = ("trials:=1", "live_view:=false", "video:=false")

# Prints, for every launch file, each path that its defaults come to.
DEFAULTS = """
import json, os
from pushcell.launcher.arguments import declared_arguments
from pushcell.launcher.resolver import resolve
from pushcell.shipped import CELLS, LAUNCH_FILES, POLICIES

paths = {}
for name, file in LAUNCH_FILES.names().items():
    declared = declared_arguments(file, {}, os.environ)
    given = {argument.name: "given" for argument in declared if argument.default is None}
    launch = resolve(file, given, os.environ)
    defaults = {argument.name: argument.default for argument in declared}
    found = [file]
    for process in launch.processes:
        found.append(process.program[0])
        # operator.launch.yaml is for being included by those that set it.
        found.append(process.environment.get("FASTRTPS_DEFAULT_PROFILES_FILE", file))
    if defaults.get("cell") is not None:
        found.append(CELLS.find(defaults["cell"]))
    if defaults.get("policy", "none") != "none":
        found.append(POLICIES.find(defaults["policy"]))
    paths[name] = sorted(set(map(str, found)))
print(json.dumps(paths))
"""

NOT_SOURCED = "the workspace of this program is not sourced: source its install/setup.sh first"

LOOKUPS = """
import json, pushcell, pushcell_ros, teleop
from ament_index_python.packages import get_package_prefix, get_package_share_directory

package = "pushcell_ros"
modules = [module.__file__ for module in (pushcell, pushcell_ros, teleop)]
print(json.dumps([get_package_prefix(package), get_package_share_directory(package), modules]))
"""

# What `ros2 launch pushcell_ros rollout.launch.yaml ...` does.
ROS_LAUNCH = """
import sys
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource

file = get_package_share_directory("pushcell_ros") + "/launch/rollout.launch.yaml"
arguments = [tuple(word.split(":=")) for word in sys.argv[1:]]
include = IncludeLaunchDescription(AnyLaunchDescriptionSource(file), launch_arguments=arguments)
service = LaunchService()
service.include_launch_description(LaunchDescription([include]))
sys.exit(service.run())
"""


@dataclass(frozen=True)
class Installed:
    """A Python environment with the wheel, and the workspace that is sourced in it, if any."""

    environment: Path
    workspace: Path | None = None

    @property
    def prefix(self) -> Path:
        """What colcon has made."""
        assert self.workspace is not None
        return self.workspace / "install/pushcell_ros"

    @property
    def share(self) -> Path:
        """Where the things are that have names."""
        if self.workspace is not None:
            return self.prefix / "share/pushcell_ros"
        return site_packages(self.environment) / "pushcell/share"

    def start(self, folder: Path, *words: str) -> subprocess.Popen[str]:
        """A program of this environment, its two outputs in one."""
        if self.workspace is not None:
            words = ("bash", "-c", '. "$0" && exec "$@"', f"{self.prefix.parent}/setup.sh", *words)
        hidden = ("PUSHCELL_", "VIRTUAL_ENV", "PYTHONHOME")
        kept = {name: os.environ[name] for name in os.environ if not name.startswith(hidden)}
        return subprocess.Popen(
            words,
            cwd=folder,
            env={**kept, "PATH": f"{self.environment}/bin:{kept['PATH']}", "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, folder: Path, *words: str) -> tuple[int, str]:
        """The same to its end: exit code and output."""
        process = self.start(folder, *words)
        output, _ = process.communicate(timeout=250)
        return process.returncode, output


def site_packages(environment: Path) -> Path:
    """Where an environment has its packages."""
    (found,) = environment.glob("lib/python3*/site-packages")
    return found


def copy_sources(folder: Path) -> Path:
    """The sources without what earlier builds have left; links stay links."""
    folder.mkdir(exist_ok=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in SOURCES:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, target)
    return folder


def call(folder: Path, *words: str | Path) -> None:
    """Run in a folder what must succeed."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed into an environment of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    environment = folder / "venv"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir")
    offline = ("--no-deps", "--no-index")
    sources = copy_sources(folder / "sources")
    call(folder, *pip, "wheel", *offline, "--no-build-isolation", sources)
    shutil.rmtree(sources)
    (built,) = folder.glob("*.whl")
    venv.EnvBuilder(symlinks=True).create(environment)
    call(folder, *pip, "--python", environment / "bin/python", "install", *offline, built)
    # Files like this one are not looked for in the folders that it names.
    borrowed = (path for path in sys.path if path.endswith(("site-packages", "dist-packages")))
    (site_packages(environment) / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    return Installed(environment)


def build(wheel: Installed, folder: Path, *options: str) -> Installed:
    """The workspace as the README has it, from a copy of the sources."""
    workspace = copy_sources(folder) / "ros2_ws"
    call(workspace, wheel.environment / "bin/python", "-m", "colcon", "build", *options)
    return Installed(wheel.environment, workspace)


@pytest.fixture(scope="module")
def linked(wheel: Installed, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The workspace built with --symlink-install: it needs its sources."""
    return build(wheel, tmp_path_factory.mktemp("linked"), "--symlink-install")


@pytest.fixture(scope="module")
def copied(wheel: Installed, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The workspace built by copying; its sources are gone."""
    folder = tmp_path_factory.mktemp("copied")
    installed = build(wheel, folder)
    for name in SOURCES:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return installed


@pytest.fixture(params=["wheel", "linked", "copied"])
def installed(request: pytest.FixtureRequest) -> Installed:
    """Each way to have it."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["linked", "copied"])
def workspace(request: pytest.FixtureRequest) -> Installed:
    """Each way to build the workspace."""
    return request.getfixturevalue(request.param)


def files(folder: Path) -> Iterator[Path]:
    """Every file under the folders of what has names."""
    for name in SHARED:
        for path in (folder / name).rglob("*"):
            if path.is_file():
                yield path.relative_to(folder)


def test_everything_with_a_name_is_there(installed: Installed) -> None:
    assert set(files(installed.share)) == set(files(ROOT))


def test_ros_finds_the_package(workspace: Installed, tmp_path: Path) -> None:
    code, output = workspace.run(tmp_path, "python", "-c", LOOKUPS)
    assert code == 0, output
    prefix, share, modules = json.loads(output.splitlines()[-1])
    assert Path(prefix) == workspace.prefix
    assert Path(share) == workspace.share
    assert not [path for path in modules if Path(path).is_relative_to(ROOT)]
    programs = (workspace.prefix / "lib/pushcell_ros").iterdir()
    assert {path.name for path in programs if os.access(path, os.X_OK)} == NODES


def test_every_program_starts(copied: Installed, linked: Installed, tmp_path: Path) -> None:
    """--help imports all of a node, and says its parameters."""

    def ask(installed: Installed, node: str) -> tuple[int, str]:
        return installed.run(tmp_path, f"{installed.prefix}/lib/pushcell_ros/{node}", "--help")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = {node: pool.submit(ask, copied, node) for node in NODES}
        asked["null_arm_node, linked"] = pool.submit(ask, linked, "null_arm_node")
    for node, answer in asked.items():
        code, output = answer.result()
        assert code == 0, f"{node}: {output}"
        assert output.startswith(f"usage: {node.partition(',')[0]} ")
        assert "\n  cell " in output


def test_without_its_setup_sourced_a_program_says_so(workspace: Installed, tmp_path: Path) -> None:
    program = f"{workspace.prefix}/lib/pushcell_ros/arm_node"
    code, output = Installed(workspace.environment).run(tmp_path, program)
    assert (code, output) == (2, f"error: {NOT_SOURCED}\n")


def test_a_shipped_policy_loads(installed: Installed, tmp_path: Path) -> None:
    text = "from policy_server.bundle import load_policy; load_policy('target_state')"
    code, output = installed.run(tmp_path, "python", "-c", text)
    assert code == 0, output


def test_every_launch_file_resolves(installed: Installed, tmp_path: Path) -> None:
    code, output = installed.run(tmp_path, "python", "-c", DEFAULTS)
    assert code == 0, output
    resolved = json.loads(output.splitlines()[-1])
    assert {f"{name}.launch.yaml" for name in resolved} == {
        path.name for path in (ROOT / "launch").iterdir()
    }
    for paths in resolved.values():
        for path in map(Path, paths):
            assert path.exists(), path
            assert not path.is_relative_to(ROOT), path


def test_the_wheel_rolls_out_in_an_empty_folder(wheel: Installed, tmp_path: Path) -> None:
    """Up to where its own policy from images has been loaded and verified."""
    run = wheel.start(tmp_path, "pushcell", "launch", "rollout.launch.yaml", *ROLLOUT)
    assert run.stdout is not None
    output = ""
    while "[policy_node]: target_image: diffusion policy" not in output:
        line = run.stdout.readline()
        assert line, output
        output += line
    run.send_signal(signal.SIGINT)
    output += run.communicate(timeout=60)[0]
    assert run.returncode == 128 + signal.SIGINT, output
    assert "Traceback" not in output


def test_the_workspace_rolls_out(copied: Installed, tmp_path: Path) -> None:
    words = ("pushcell", "launch", "rollout.launch.yaml", "policy:=target_state", *ROLLOUT)
    code, output = copied.run(tmp_path, *words)
    (records,) = tmp_path.glob("runs/*/trials.jsonl")
    assert_one_trial(code, output, records)


def test_ros_launch_rolls_out(copied: Installed, tmp_path: Path) -> None:
    pytest.importorskip("launch_ros", reason="no ROS 2 launch system here")
    words = ("python", "-c", ROS_LAUNCH, "policy:=target_state", *ROLLOUT)
    code, output = copied.run(tmp_path, *words)
    (records,) = tmp_path.glob("runs/**/trials.jsonl")
    assert_one_trial(code, output, records)


def assert_one_trial(code: int, output: str, records: Path) -> None:
    """The trial has been run; whether it succeeds on a busy machine is not asked here."""
    assert code in (0, 1), output
    (record,) = map(json.loads, records.read_text().splitlines())
    assert record["policy"] == "target_state"
    assert record["duration_s"] > 2
    assert "Traceback" not in output
