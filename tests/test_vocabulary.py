"""One name for one thing: no identifier or file goes back to a name that has been given up.

`docs/architecture.md` has the glossary. A name that users still have in files or type is accepted
by `pushcell/old_names.py`, which has them as texts and not as identifiers.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = (
    "benchmarks", "calibration", "docs", "policy_server", "pushcell", "ros2_ws/src", "teleop",
    "tests",
)  # fmt: skip

WORDS = {
    "answerer": "request handler",
    "astray": "off plan",
    "crew": "workers",
    "desk": "backend",
    "draft": "partial",
    "drafts": "partial samples",
    "eye": "pose estimator",
    "eyes": "simulated cameras",
    "factory": "generation",
    "greeting": "metadata",
    "guided": "recorded, or follows_record",
    "inquire": "conditions_for",
    "inquiry": "chunk conditions",
    "lesson": "rollout",
    "lessons": "DAgger",
    "lived": "simulation-time barrier",
    "lockstep": "stepped policy",
    "maker": "generator, or builder",
    "photographer": "episode renderer, or synthetic camera",
    "rearranging": "merge, or split",
    "recipe": "generation configuration",
    "retrace": "trajectory replay",
    "roughen": "perturb",
    "seat": "arbiter",
    "stills": "calibration render",
    "student": "policy",
    "teacher": "expert",
    "teaching": "noise injection",
    "urgency": "process priority",
    "whims": "human noise",
    "wire": "link, or protocol",
}
"""A word that no identifier has as a part -> what to write."""

NAMES = {
    "Blind": "ObservationFault",
    "DrivingLog": "ControlLog",
    "DriverSeat": "DeviceArbiter",
    "ExactLinear": "Float32Linear",
    "Guide": "InpaintingGuide, or RecordedSchedule",
    "Hands": "OperatorInput",
    "Job": "PendingChunk",
    "Listener": "NullArm, or what it listens to",
    "Looks": "VisualRandomization",
    "Made": "GeneratedEpisode",
    "Making": "SamplingSteps",
    "Material": "DataModule",
    "Noted": "ChunkRecord",
    "NothingServedError": "NoChunkError",
    "OpenPages": "PageArbiter",
    "Operator": "ScriptedOperator",
    "Outcome": "its own name: TrainingResult, ReplayResult, ...",
    "PATIENT": "LOW",
    "PlanarConfig": "ObjectFrameConfig",
    "PlanarDenoiser": "ObjectFrameDenoiser",
    "Ranges": "LinearNormalizer",
    "RoughSourceWorld": "PerturbedSourceWorld",
    "Starts": "StartPoses",
    "SteadyOperator": "MemorylessExpert",
    "Terms": "SamplingSettings",
    "Told": "OnProgress",
    "X_BC": "X_BaseCamera",
    "_Thought": "PendingInference",
    "camera_in_base": "X_BaseCamera",
    "drafts": "partial samples",
    "even_actions": "per_step_loss_weights",
    "finishing": "finalize",
    "greeting": "metadata_message",
    "lights": "status",
    "listener_node": "null_arm_node",
    "made_together": "sample_together",
    "noisy": "is_generative",
    "opening": "open_policy, open_data_set, open_recording",
    "pose_camera_in_base": "X_BaseCamera",
    "sees": "has_cameras",
    "slider_from": "pose_from",
    "thought": "inference",
    "touch_node": "touch_check_node",
    "warm": "warm_start_fraction",
}
"""A whole identifier or file name -> what to write."""

ALLOWED = re.compile(
    r"(_|^)hand_eye(_|$)|HandEye|CALIB_HAND_EYE|HAND_EYE"  # the calibration's own term
    r"|^default_factory$|^tmp_path_factory$|^TempPathFactory$"  # of dataclasses and pytest
)
OF_LIBRARIES = {("np", "eye"), ("torch", "eye"), ("parameters", "lights")}
"""Attributes that numpy, torch and Drake have named."""


def sources() -> Iterator[Path]:
    """Every Python file of the project but this one."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            built = {"build", "install"} & set(path.relative_to(ROOT).parts)
            if path != Path(__file__) and not built:
                yield path


def identifiers_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, name) of all that a source names itself or uses, but for names of libraries."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield line, node.name
        elif isinstance(node, ast.arg):
            yield line, node.arg
        elif isinstance(node, ast.Name):
            yield line, node.id
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.value.lineno, node.arg
        elif isinstance(node, ast.alias):
            for part in node.name.split("."):
                yield line, part
            if node.asname:
                yield line, node.asname
        elif isinstance(node, ast.ImportFrom) and node.module:
            for part in node.module.split("."):
                yield line, part
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if (owner, node.attr) not in OF_LIBRARIES:
                yield line, node.attr


def advice(name: str) -> str | None:
    """What to write in the place of a name; None where it is a good one."""
    if ALLOWED.search(name):
        return None
    if name in NAMES:
        return NAMES[name]
    if name.startswith("test_"):
        return None  # a sentence
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return next((WORDS[part.lower()] for part in parts if part.lower() in WORDS), None)


def test_no_identifier_has_an_old_name() -> None:
    problems = []
    for path in sources():
        where = path.relative_to(ROOT)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, name in [(1, path.stem), *identifiers_in(tree)]:
            if found := advice(name):
                problems.append(f"{where}:{line}: {name}: write {found}")
    assert not problems, "\n".join(sorted(set(problems)))


@pytest.mark.parametrize("folder", ["config", "launch", "teleop/console/page"])
def test_no_other_file_has_an_old_name(folder: str) -> None:
    names = {path.name.split(".")[0] for path in (ROOT / folder).rglob("*")}
    problems = {name: found for name in names if (found := advice(name))}
    assert not problems, problems


def test_a_class_name_stands_for_one_class() -> None:
    places = defaultdict(set)
    for path in sources():
        where = path.relative_to(ROOT)
        if where.parts[0] == "tests":
            continue  # each test has a rig of its own
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].add(str(where))
    twice = {name: sorted(paths) for name, paths in places.items() if len(paths) > 1}
    assert not twice, twice


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SliderEye", "pose estimator"),
        ("eye_path", "pose estimator"),
        ("_whims", "human noise"),
        ("Outcome", NAMES["Outcome"]),
        ("slider_from", "pose_from"),
        ("calibrate_hand_eye", None),
        ("HandEyeData", None),
        ("PlanarPose", None),
        ("default_factory", None),
        ("touch_check", None),
        ("warm_up", None),
    ],
)
def test_advice(name: str, expected: str | None) -> None:
    assert advice(name) == expected
