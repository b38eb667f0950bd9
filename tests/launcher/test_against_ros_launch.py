"""The real ``ros2 launch`` and ours must make the same of the same files.

Needs ROS 2's launch, launch_yaml and launch_ros, which come with a ROS install and not with the
rclpy wheels: elsewhere every test here is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("launch_ros", reason="no ROS 2 launch system here to compare with")
pytest.importorskip("launch_yaml", reason="no ROS 2 launch system here to compare with")

import launch_ros.actions
from launch import LaunchContext, LaunchDescription, LaunchService
from launch.actions import ExecuteLocal, ExecuteProcess, IncludeLaunchDescription
from launch.frontend import Parser
from launch.frontend.parse_substitution import parse_substitution
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch.utilities import perform_substitutions
from launch_ros.parameter_descriptions import ParameterValue as RosParameterValue

from pushcell.launcher.arguments import declared_arguments
from pushcell.launcher.coercion import CONVERTERS
from pushcell.launcher.model import ProcessSpec
from pushcell.launcher.resolver import resolve, split_words
from pushcell.launcher.substitutions import Scope, evaluate, parse
from pushcell.launcher.supervisor import ros_command

ROOT = Path(__file__).parents[2]
REPOSITORY_FILES = sorted((ROOT / "launch").glob("*.launch.yaml"))
PACKAGE = ROOT / "ros2_ws/src/pushcell_ros"

PARAMETERS = """
launch:
  - arg: {name: trials, default: "3", choice: [{value: "3"}, {value: "4"}]}
  - arg: {name: speed, default: "1"}
  - arg: {name: empty, default: ""}
  - node:
      pkg: somewhere
      exec: some_node
      name: first
      namespace: left/arm
      output: screen
      args: "--a $(var trials) 'b c' d$(var speed)e"
      ros_args: "--log-level debug"
      param:
        - {name: trials, value: "$(var trials)"}
        - {name: text, value: "$(var trials)", type: str}
        - {name: speed, value: "$(var speed)", type: float}
        - {name: truth, value: "$(equals $(var trials) 3)"}
        - {name: "made_$(var trials)", value: "plain 5"}
        - {name: quoted, value: "5"}
        - {name: empty, value: "$(var empty)"}
        - {name: list, value: "[1, 2, $(var trials)]"}
        - {name: items, value: ["$(var trials)", "1$(var trials)"]}
        - {name: words, value: [a, b]}
        - {name: numbers, value: [0.5, 1.5]}
        - {from: "$(dirname)/more.yaml"}
        - {name: deep, param: [{name: er, param: [{name: x, value: 0.25}]}, {name: y, value: no}]}
      remap:
        - {from: a, to: "b$(var trials)"}
        - {from: /c, to: d}
  - node: {pkg: somewhere, exec: some_node, param: [{name: z, value: 1}]}
"""

FLOW = """
launch:
  - arg: {name: world, default: target, choice: [{value: source}, {value: target}]}
  - let: {name: shown, value: "$(not-equals $(var world) source)"}
  - set_env: {name: WORLD, value: "$(env WORLD none)-$(var world)"}
  - group:
      if: "$(var shown)"
      children:
        - let: {name: world, value: inner}
        - set_env: {name: WORLD, value: inner}
        - executable: {cmd: "echo $(var world) $(env WORLD)", name: inside, output: both}
  - group:
      scoped: false
      unless: "$(and $(var shown) true)"
      children:
        - let: {name: world, value: leaked}
  - group:
      - let: {name: world, value: listed}
      - executable: {cmd: "echo $(var world)", on_exit: shutdown}
  - include:
      file: "$(dirname)/included.launch.yaml"
      arg: [{name: inner, value: "from $(var world)"}]
  - executable:
      cmd: "echo $(var world) $(var inner) $(var default_of_included)"
      env: [{name: EXTRA, value: "$(or 0 $(var shown))"}]
  - executable: {cmd: "echo never", if: "$(not true)"}
  - node: {pkg: somewhere, exec: some_node, name: last, on_exit: shutdown, if: " TRUE "}
"""

INCLUDED = """
launch:
  - arg: {name: inner, default: unused}
  - arg: {name: default_of_included, default: "$(var world) too"}
  - executable: {cmd: "echo $(var inner)"}
"""

SAMPLES = {"parameters": PARAMETERS, "flow": FLOW}


@pytest.fixture
def _ros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An ament prefix with the nodes that the files name, and no trace in the environment."""
    before = dict(os.environ)
    executables = {"somewhere": ["some_node"]}
    if PACKAGE.is_dir():
        executables["pushcell_ros"] = [path.stem for path in PACKAGE.glob("pushcell_ros/*_node.py")]
    prefix = tmp_path / "prefix"
    for package, names in executables.items():
        index = prefix / "share/ament_index/resource_index/packages"
        index.mkdir(parents=True, exist_ok=True)
        (index / package).touch()
        (prefix / "lib" / package).mkdir(parents=True)
        for name in names:
            (prefix / "lib" / package / name).touch(mode=0o755)
    if PACKAGE.is_dir():
        (prefix / "share/pushcell_ros").symlink_to(PACKAGE)
    paths = [str(prefix), *filter(None, [os.environ.get("AMENT_PREFIX_PATH")])]
    monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(paths))
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    yield
    os.environ.clear()
    os.environ.update(before)


def real_processes(
    file: Path, arguments: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """The actions that the real launch system would have executed, prepared to be."""
    prepared: list[Any] = []

    def prepare(self: ExecuteLocal, context: LaunchContext) -> None:
        self.prepare(context)
        prepared.append(self)

    monkeypatch.setattr(ExecuteLocal, "execute", prepare)
    service = LaunchService(noninteractive=True)
    source = AnyLaunchDescriptionSource(str(file))
    include = IncludeLaunchDescription(source, launch_arguments=list(arguments.items()))
    service.include_launch_description(LaunchDescription([include]))
    assert service.run() == 0
    return prepared


def real_summary(action: Any) -> dict[str, Any]:
    """What is to be the same, of an action of the real launch system."""
    description = action.process_description
    is_node = isinstance(action, launch_ros.actions.Node)
    summary = _summary(is_node, list(description.final_cmd))
    summary["environment"] = description.final_env
    summary["output"] = "".join(piece.text for piece in action.output)
    summary["ends_run"] = bool(action.get_sub_entities())
    if not is_node:
        summary["label"] = description.final_name.rpartition("-")[0]
    return summary


def our_summary(spec: ProcessSpec, folder: Path) -> dict[str, Any]:
    """The same of one of our processes."""
    is_node = spec.ros is not None
    summary = _summary(is_node, ros_command(spec, folder))
    summary["environment"] = dict(spec.environment)
    summary["output"] = spec.output
    summary["ends_run"] = spec.ends_run
    if not is_node:
        summary["label"] = spec.label.partition("-")[0]
    return summary


def _summary(is_node: bool, command: list[str]) -> dict[str, Any]:
    if not is_node:
        return {"command": command}
    if command[1:2] == ["-m"]:
        package, _, executable = command.pop(2).rpartition(".")
        command.pop(1)
    else:
        package, executable = Path(command[0]).parts[-2:]
    parameters: list[Any] = []
    plain = []
    rest = iter(command[1:])
    for word in rest:
        if word != "--params-file":
            plain.append(word)
            continue
        path = Path(next(rest))
        content = yaml.safe_load(path.read_text())
        if path.name == "more.yaml":
            parameters.append(path)
            continue
        ((target, values),) = content.items()
        if parameters and isinstance(parameters[-1], tuple):
            parameters[-1][1].update(values["ros__parameters"])
        else:
            parameters.append((target, values["ros__parameters"]))
    return {"node": (package, executable), "words": plain, "parameters": parameters}


def assert_same(
    file: Path, arguments: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = resolve(file, arguments, dict(os.environ)).processes
    real = real_processes(file, arguments, monkeypatch)
    assert [our_summary(spec, folder) for spec in ours] == [real_summary(a) for a in real]


@pytest.mark.usefixtures("_ros")
@pytest.mark.parametrize(
    ("sample", "arguments"),
    [
        ("parameters", {}),
        ("parameters", {"trials": "4", "speed": "0.5", "empty": "[a, b]"}),
        ("flow", {}),
        ("flow", {"world": "source"}),
        ("flow", {"inner": "given", "default_of_included": "given"}),
    ],
)
def test_samples(
    sample: str, arguments: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "more.yaml").write_text("/**: {ros__parameters: {file: 1}}")
    (tmp_path / "included.launch.yaml").write_text(INCLUDED)
    file = tmp_path / "sample.launch.yaml"
    file.write_text(SAMPLES[sample])
    assert_same(file, arguments, tmp_path / "ours", monkeypatch)


@pytest.mark.usefixtures("_ros")
@pytest.mark.parametrize("file", REPOSITORY_FILES, ids=lambda file: file.name)
def test_files_of_the_repository(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the defaults, and with each choice of each argument."""
    arguments = declared_arguments(file, {}, os.environ)
    needed = {argument.name: "given" for argument in arguments if argument.default is None}
    assert_same(file, needed, tmp_path / "ours", monkeypatch)
    for argument in arguments:
        for choice in argument.choices:
            assert_same(file, {**needed, argument.name: choice}, tmp_path / "ours", monkeypatch)


@pytest.mark.usefixtures("_ros")
@pytest.mark.parametrize("file", REPOSITORY_FILES, ids=lambda file: file.name)
def test_arguments_of_the_repository_are_all_known_to_both(file: Path) -> None:
    """The real one does not look into includes by $(dirname), so it may know fewer."""
    source = AnyLaunchDescriptionSource(str(file))
    real = source.get_launch_description(LaunchContext()).get_launch_arguments()
    ours = {argument.name: argument for argument in declared_arguments(file, {}, os.environ)}
    for argument in real:
        assert tuple(argument.choices or ()) == ours[argument.name].choices


PIECES = st.sampled_from(
    [
        *("a", "b ", " ", "\\", "'", '"', "$", "(", ")", "1", '"a', "'$(var x) b'"),
        *("$(var x)", "$(var y)", "$(equals ", "$(not ", "$(env ", "$(or "),
    ]
)


def _outcome(function: Any, *arguments: Any) -> Any:
    """The value, or that there is none: which exception says so differs."""
    try:
        return function(*arguments)
    except Exception:  # noqa: BLE001 - the real parser raises a dozen kinds
        return "refused"


def _context() -> tuple[LaunchContext, Scope]:
    variables = {"x": "true", "y": "a b"}
    context = LaunchContext()
    context.launch_configurations.update(variables)
    return context, Scope(variables, dict(os.environ), Path())


@given(st.lists(PIECES, max_size=7).map("".join))
@settings(max_examples=400, deadline=None)
@example("$(equals $(var $(equals a b) c) '$(var x)')")
@example("$(equals a\\ b c)")
@example('$(equals "" "")')
def test_substitutions(text: str) -> None:
    Parser.load_launch_extensions()
    context, scope = _context()
    real = _outcome(lambda: perform_substitutions(context, parse_substitution(text)))
    assert _outcome(lambda: evaluate(parse(text), scope)) == real


@given(st.lists(st.sampled_from(["a", " ", "  ", "'b c'", "$(var x)", "$(var y)", "-d"])))
@settings(max_examples=200, deadline=None)
def test_words_of_a_command(pieces: list[str]) -> None:
    Parser.load_launch_extensions()
    context, scope = _context()
    text = "".join(pieces)
    real = [
        perform_substitutions(context, word)
        for word in ExecuteProcess._parse_cmdline(text, Parser())
    ]
    assert [evaluate(word, scope) for word in split_words(parse(text))] == [w for w in real if w]


@given(
    st.one_of(
        st.integers().map(str),
        st.floats().map(str),
        st.booleans().map(str),
        st.text(alphabet="ab01,:[]{}.-+e~ '\"\n", max_size=8),
        st.sampled_from(
            ["[1, 2]", "[1, 2.0]", "[true]", "[a]", "on", "1e3", "null", "[]", "[[1]]"]
        ),
    ),
    st.sampled_from([*CONVERTERS]),
)
@settings(max_examples=400, deadline=None)
def test_types_of_parameters(text: str, kind: str) -> None:
    from launch.frontend.type_utils import get_data_type_from_identifier
    from launch.substitutions import TextSubstitution

    value = RosParameterValue(
        [TextSubstitution(text=text)], value_type=get_data_type_from_identifier(kind)
    )
    real = _outcome(value.evaluate, LaunchContext())
    # There a list of integers may hold booleans, which ROS has no type for.
    assume(not (isinstance(real, list) and bool in map(type, real) and kind != "list_of_bool"))
    ours = _outcome(CONVERTERS[kind], text)
    assert repr(ours) == repr(real)
