"""ROS's robot_state_publisher, where ROS has it, as a process of a node's own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pushcell.ament_index import prefixes_with
from pushcell.closing import Closing

PACKAGE = "robot_state_publisher"
_GRACE_S = 5.0


def find_state_publisher(environment: Mapping[str, str]) -> Path | None:
    """The program in the sourced workspaces; None where it is not installed."""
    for prefix in prefixes_with(PACKAGE, environment):
        program = prefix / "lib" / PACKAGE / PACKAGE
        if os.access(program, os.X_OK):
            return program
    return None


class StatePublisher(Closing):
    """A running robot_state_publisher of one URDF in one namespace."""

    def __init__(self, program: Path, urdf: str, namespace: str, simulated_time: bool) -> None:
        parameters = {"robot_description": urdf, "use_sim_time": simulated_time}
        self._folder = tempfile.TemporaryDirectory(prefix="pushcell-description-")
        file = Path(self._folder.name) / "parameters.yaml"
        # JSON is YAML.
        file.write_text(json.dumps({"/**": {"ros__parameters": parameters}}), encoding="utf-8")
        names = ["/tf:=tf", "/tf_static:=tf_static", "/clock:=clock", f"__ns:={namespace}"]
        words = [word for name in (*names, f"__node:={PACKAGE}") for word in ("-r", name)]
        self._process = subprocess.Popen(
            [str(program), "--ros-args", *words, "--params-file", str(file)]
        )

    @property
    def running(self) -> bool:
        """False once it has ended by itself."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
