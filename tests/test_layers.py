"""Imports run downwards: which room may import which, and no circles between modules.

A room is a package of the library, or one of its modules that lie loose in ``pushcell/``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.conftest import ROOT

PLACES = {
    "benchmarks": ROOT / "benchmarks",
    "calibration": ROOT / "calibration",
    "policy_server": ROOT / "policy_server",
    "pushcell": ROOT / "pushcell",
    "pushcell_ros": ROOT / "ros2_ws/src/pushcell_ros/pushcell_ros",
    "teleop": ROOT / "teleop",
}
"""Package -> its folder."""

BASE = (
    "ament_index", "closing", "command_output", "errors", "extras", "geometry", "node_states",
    "old_names", "ros_release", "shipped", "timing", "units",
)  # fmt: skip
"""Modules of ``pushcell/`` that everything may import; together they are the room ``base``."""

EVERYTHING_BELOW = "*"

ALLOWED = {
    "benchmarks": EVERYTHING_BELOW,
    "pushcell_ros": EVERYTHING_BELOW,
    "demonstrations": "evaluation simulation formats policy_server recording demonstrators"
    " arm bags processes task config",
    "studies": "evaluation training formats policy_server recording processes cli config",
    "analysis": "evaluation training task config",
    "labelling": "recording cameras arm bags se3 task config",
    "evaluation": "simulation policy_server motion cameras demonstrators arm cli processes"
    " action_chunk task config",
    "training": "formats policy_server recording cameras task config",
    "simulation": "calibration demonstrators drivers arm limit_surface task config",
    "replay": "policy_server recording motion cameras arm bags action_chunk config",
    "teleop": "recording cameras bags task config",
    "calibration": "recording motion cameras arm bags se3 config",
    "formats": "policy_server recording cameras task config",
    "policy_server": "cameras bags processes action_chunk config",
    "recording": "cameras bags processes config",
    "motion": "arm action_chunk config",
    "demonstrators": "limit_surface task config",
    "cameras": "se3 task config processes",
    "doctor": "drivers config",
    "drivers": "arm config",
    "launcher": "config",
    "arm": "config",
    "bags": "config",
    "action_chunk": "",
    "limit_surface": "",
    "se3": "",
    "task": "config",
    "cli": "",
    "config": "",
    "processes": "",
    "base": "",
}
"""Room -> the rooms that it may import besides itself and ``base``, from top to bottom."""

Imports = Mapping[str, set[str]]
"""Module -> the modules that it imports."""


def modules_of(package: str, folder: Path) -> dict[str, Path]:
    """Dotted name -> file, of a package's modules; a package's name is its ``__init__``'s."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = [package, *path.relative_to(folder).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_in(source: str, modules: Mapping[str, object]) -> set[str]:
    """Which of the modules a source imports anywhere, in functions and for types too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in names}
    return found & modules.keys()


def all_imports() -> Imports:
    """Of every module of the project."""
    modules: dict[str, Path] = {}
    for package, folder in PLACES.items():
        modules |= modules_of(package, folder)
    return {
        module: imports_in(path.read_text(encoding="utf-8"), modules)
        for module, path in modules.items()
    }


def room_of(module: str) -> str:
    """The room that a module is in."""
    package, _, rest = module.partition(".")
    if package != "pushcell":
        return package
    first = rest.partition(".")[0]
    return "base" if first in (*BASE, "") else first


def allowed_for(room: str) -> set[str]:
    """The rooms that a room may import."""
    rooms = list(ALLOWED)
    below = set(rooms[rooms.index(room) :])
    return below if ALLOWED[room] == EVERYTHING_BELOW else {room, "base", *ALLOWED[room].split()}


def forbidden(imports: Imports) -> Iterator[str]:
    """Imports that the table does not allow, a line each."""
    for module, imported in imports.items():
        for other in sorted(imported):
            if room_of(other) not in allowed_for(room_of(module)):
                yield f"{module} imports {other}"


def circle(imports: Imports) -> list[str]:
    """Some modules that import each other in a circle; empty where there are none."""
    done: set[str] = set()

    def search(module: str, way: list[str]) -> list[str]:
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return []
        for other in sorted(imports.get(module, ())):
            found = search(other, [*way, module])
            if found:
                return found
        done.add(module)
        return []

    return next(filter(None, (search(module, []) for module in imports)), [])


def test_every_room_has_its_line() -> None:
    assert {room_of(module) for module in all_imports()} == set(ALLOWED)


def test_the_table_runs_downwards() -> None:
    rooms = list(ALLOWED)
    for room in rooms:
        assert allowed_for(room) <= set(rooms[rooms.index(room) :]), room


def test_imports_are_those_of_the_table() -> None:
    assert list(forbidden(all_imports())) == []


def test_there_are_no_circles() -> None:
    assert circle(all_imports()) == []


def test_what_is_against_the_rules_is_found() -> None:
    modules = {"pushcell": 0, "pushcell.errors": 0, "pushcell.config.cell": 0, "pushcell.task": 0}
    source = """
from typing import TYPE_CHECKING
from pushcell import errors
if TYPE_CHECKING:
    import pushcell.config.cell
def late():
    from pushcell.task import Task
"""
    found = imports_in(source, modules)
    assert found == modules.keys() - {"pushcell"}
    upwards = {"pushcell.config.arm": found, "pushcell.motion.guard": {"policy_server.policy"}}
    assert list(forbidden(upwards)) == [
        "pushcell.config.arm imports pushcell.task",
        "pushcell.motion.guard imports policy_server.policy",
    ]
    assert circle({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
