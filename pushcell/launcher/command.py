"""``pushcell launch``: run a launch file, with or without an installed ROS."""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from pushcell.errors import LaunchError
from pushcell.launcher.arguments import (
    check_known,
    declared_arguments,
    describe_arguments,
    parse_arguments,
)
from pushcell.launcher.console import Console
from pushcell.launcher.domain import Domain, default_lock_folder, held_domain
from pushcell.launcher.processes import TOKEN
from pushcell.launcher.resolver import resolve
from pushcell.launcher.supervisor import Supervisor
from pushcell.ros_release import JAZZY, rclpy_version, release_name
from pushcell.shipped import LAUNCH_FILES

_EPILOG = """\
example:
  pushcell launch rollout.launch.yaml policy:=planner trials:=3

The file has the YAML format of `ros2 launch`. Each run uses its own DDS domain, unless
ROS_DOMAIN_ID is set; then namespace:=NAME separates several cells. Each run writes a folder
runs/<stamp> with the parameters and the output of every process. Ctrl-C stops the processes in
order; a second Ctrl-C shortens the wait.

exit code: the exit code of the process with `on_exit: shutdown`; 2 if that is neither 0 nor 1, if
another process ends with an error, or if the file is invalid; 128 + N after signal N."""


def main(argv: Sequence[str]) -> int:
    """Run the command; raises LaunchError and ConfigError."""
    parser = argparse.ArgumentParser(
        prog="pushcell launch",
        description="Run a launch file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help="path of a *.launch.yaml file, or the name of a shipped one, such as rollout, collect "
        "or calibrate",
    )
    parser.add_argument(
        "arguments",
        nargs="*",
        default=[],
        metavar="name:=value",
        help="arguments of the launch file",
    )
    parser.add_argument(
        "-s",
        "--show-args",
        action="store_true",
        help="print the arguments of the launch file and exit",
    )
    options = parser.parse_intermixed_args(argv)
    file = LAUNCH_FILES.find(options.file)
    given = parse_arguments(options.arguments)
    declared = declared_arguments(file, given, os.environ)
    check_known(file, given, declared)
    if options.show_args:
        _print(describe_arguments(declared))
        return 0
    namespace = given.get("namespace", "")
    with held_domain(os.environ, default_lock_folder(), namespace) as domain:
        return _run(file, given, domain)


def _print(text: str) -> None:
    """To standard output, of which a reader such as ``head`` may want the beginning alone."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(file: Path, given: dict[str, str], domain: Domain) -> int:
    console = Console()
    token = secrets.token_hex(8)
    folder = _create_run_folder(Path("runs").absolute())
    environment = {
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "RCUTILS_COLORIZED_OUTPUT": str(int(console.coloured)),
        **os.environ,
        "PUSHCELL_RUN_DIR": str(folder),
        "PUSHCELL_ROS": release_name(os.environ, rclpy_version()) or JAZZY.name,
        "PYTHONUNBUFFERED": "1",
        "ROS_DOMAIN_ID": str(domain.number),
        "ROS_LOG_DIR": str(folder / "log"),
        TOKEN: token,
    }
    try:
        launch = resolve(file, given, environment)
    except LaunchError:
        with suppress(OSError):
            folder.rmdir()
            folder.parent.rmdir()
        raise
    console.say(f"run folder {folder}, ROS_DOMAIN_ID {domain.number}")
    with _guard(token, domain):
        return Supervisor(launch.processes, folder, token, console).run()


def _create_run_folder(parent: Path) -> Path:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    name, count = stamp, 1
    while True:
        try:
            (parent / name).mkdir(parents=True)
            return parent / name
        except FileExistsError:
            count += 1
            name = f"{stamp}-{count}"
        except OSError as error:
            raise LaunchError(
                f"{parent / name}: cannot create the run folder ({error.strerror}); "
                "run the command in a folder where you have write permission"
            ) from None


@contextmanager
def _guard(token: str, domain: Domain) -> Iterator[None]:
    """A process that stops the run, holding its domain until then, should this one be killed."""
    command = [sys.executable, "-m", "pushcell.launcher.guard", token]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, start_new_session=True, pass_fds=domain.locks
    ):
        yield
