"""What a launch file comes to, and which files are refused."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from pushcell.errors import LaunchError, PushcellError
from pushcell.launcher.arguments import check_known, declared_arguments, parse_arguments
from pushcell.launcher.model import Launch, RosArguments
from pushcell.launcher.parameters import parameter_files
from pushcell.launcher.resolver import resolve

ENVIRONMENT = {"PATH": "/bin:/usr/bin", "OUTER": "outer"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy")
    (tmp_path / "site/arms").mkdir(parents=True)
    (tmp_path / "site/arms/__init__.py").touch()
    (tmp_path / "site/arms/arm_node.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")


def settle(folder: Path, text: str, **arguments: str) -> Launch:
    file = folder / "it.launch.yaml"
    file.write_text(textwrap.dedent(text))
    return resolve(file, arguments, ENVIRONMENT)


def echoes(launch: Launch) -> list[str]:
    return [" ".join(process.program[1:]) for process in launch.processes]


def test_group_keeps_its_changes_unless_not_scoped(tmp_path: Path) -> None:
    launch = settle(
        tmp_path,
        """
        launch:
          - let: {name: a, value: "1"}
          - group:
              - let: {name: a, value: "2"}
              - set_env: {name: E, value: inner}
              - executable: {cmd: echo $(var a) $(env E) $(env OUTER)}
          - executable: {cmd: echo $(var a) $(env E none) $(env OUTER)}
          - group: {scoped: false, children: [{let: {name: a, value: "3"}}]}
          - executable: {cmd: echo $(var a)}
        """,
    )
    assert echoes(launch) == ["2 inner outer", "1 none outer", "3"]
    assert launch.processes[1].environment == ENVIRONMENT


def test_include_passes_arguments_and_its_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/inner.launch.yaml").write_text(
        "launch: [{arg: {name: who, default: nobody}},"
        " {executable: {cmd: echo $(var who) $(dirname)}}]"
    )
    launch = settle(
        tmp_path,
        """
        launch:
          - include: {file: $(dirname)/sub/inner.launch.yaml, if: "0"}
          - include:
              file: $(dirname)/sub/inner.launch.yaml
              arg: [{name: who, value: me}]
          - executable: {cmd: echo $(dirname)}
        """,
    )
    assert echoes(launch) == [f"me {tmp_path}/sub", f"{tmp_path}"]


def test_labels_are_each_process_own(tmp_path: Path) -> None:
    launch = settle(tmp_path, "launch: [" + 3 * "{executable: {cmd: echo a}}," + "]")
    assert [process.label for process in launch.processes] == ["echo", "echo-2", "echo-3"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ('value: "$(var number)"', 5),
        ('value: "$(var number)", type: str', "5"),
        ('value: "$(var number)", type: float', 5.0),
        ('value: "5"', "5"),
        ("value: 5", 5),
        ("value: true", True),
        ('value: "$(equals a a)"', True),
        ('value: "[$(var number), 6]"', [5, 6]),
        ('value: ["$(var number)", "6$(var number)"]', [5, 65]),
        ("value: [0.5, 1.0]", [0.5, 1.0]),
        ('value: "$(var number)m"', "5m"),
        ('value: ""', ""),
    ],
)
@pytest.mark.usefixtures("package")
def test_types_of_parameters(tmp_path: Path, parameter: str, value: Any) -> None:
    launch = settle(
        tmp_path,
        f"""
        launch:
          - let: {{name: number, value: "5"}}
          - node: {{pkg: arms, exec: arm_node, param: [{{name: p, {parameter}}}]}}
        """,
    )
    ros = launch.processes[0].ros
    assert ros is not None
    ((name, found),) = ros.parameters[0].items()  # type: ignore[union-attr]
    assert (name, found, type(found)) == ("p", value, type(value))


def test_parameters_reach_files_in_order(tmp_path: Path) -> None:
    given = tmp_path / "given.yaml"
    ros = RosArguments(
        name="arm",
        namespace="/left",
        parameters=({"a": 2, "b": "5"}, given, {"c.d": [0.5]}),
    )
    first, second, third = parameter_files(ros, tmp_path / "out", "arm")
    assert second == given
    assert yaml.safe_load(first.read_text()) == {
        "/left/arm": {"ros__parameters": {"a": 2, "b": "5"}}
    }
    assert yaml.safe_load(third.read_text()) == {"/left/arm": {"ros__parameters": {"c.d": [0.5]}}}


REFUSED = [
    ("timer: {period: 1}", "top level: tag 'timer' is not supported; known are: arg, let, set_env"),
    ("node: {pkg: arms, exec: arm_node, respawn: true}", "node 'arm_node': attribute 'respawn' is"),
    ("node: {exec: arm_node}", "node 'arm_node': attribute 'pkg' is missing"),
    ("node: {pkg: arms, exec: leg_node}", "package 'arms' has no 'leg_node'; it has arm_node"),
    ("node: {pkg: legs, exec: a}", "package 'legs' is neither a Python package nor"),
    ("node: {pkg: arms, exec: arm_node, name: a-b}", "name 'a-b' must be letters"),
    ("node: {pkg: arms, exec: arm_node, param: {a: 1}}", "param: must be a list"),
    ("node: {pkg: arms, exec: arm_node, param: [{name: a}]}", "one of `value` and `param`"),
    ("node: {pkg: arms, exec: arm_node, param: [{name: a, value: [1, a]}]}", "list of one type"),
    ('node: {pkg: arms, exec: arm_node, param: [{name: a, value: "1", type: int}]}', "not int"),
    ("node: {pkg: arms, exec: arm_node, param: [{from: no.yaml}]}", "no parameter file no.yaml"),
    ("executable: {cmd: echo, name: a/b}", "name 'a/b' must not have a slash"),
    ("executable: {cmd: echo, on_exit: restart}", "on_exit: 'restart' is not supported"),
    ("executable: {cmd: echo, output: loud}", "'loud' is not supported; known are: screen, log"),
    ("executable: {cmd: echo 'a}", "No closing quotation"),
    ("executable: {cmd: no_such_program}", "there is no program 'no_such_program'"),
    ("executable: {cmd: echo, if: true}", "if: True must be a string: write it in quotes"),
    ("executable: {cmd: echo, if: maybe}", "if: 'maybe' must be true, false, 1 or 0"),
    ('executable: {cmd: echo, if: "1", unless: "1"}', "exclude each other"),
    ("executable: {cmd: echo, name: a, name: b}", "is not YAML: key 'name' is given twice"),
    ("group: {if: '0', children: [{timr: {}}]}", "tag 'timr' is not supported"),
    ("executable: {cmd: $(eval 1)}", r"cmd: substitution \$\(eval\) is not supported"),
    ("log: {message: hello}", "tag 'log' is not supported; known are: arg, let, set_env, group"),
    ("let: {name: a, value: $(var b)}", r"let 'a': \$\(var b\) is not set here"),
    ("arg: {name: a}", "arg 'a': the argument has no default: give it as a:=VALUE"),
    ("arg: {name: a, default: c, choice: [{value: b}]}", "'c' is not one of the choices: b"),
    ("arg: {name: a, default: 1}", "default: 1 must be a string: write it in quotes"),
    ("include: {file: $(dirname)/no.yaml}", "no such launch file; its folder holds it.launch.yaml"),
    ("include: {file: $(dirname)/it.launch.yaml}", "the launch file includes itself"),
]


@pytest.mark.parametrize(("tag", "message"), REFUSED)
@pytest.mark.usefixtures("package")
def test_refused(tmp_path: Path, tag: str, message: str) -> None:
    with pytest.raises(PushcellError, match=message) as caught:
        settle(tmp_path, f"launch:\n  - {tag}\n")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "a: 1", "launch: 1", "launch: [1]", "launch: [{a: 1, b: 2}]"])
def test_refused_as_a_whole(tmp_path: Path, text: str) -> None:
    with pytest.raises(LaunchError, match=r"it\.launch\.yaml: top level: "):
        settle(tmp_path, text)


def test_arguments_of_included_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "inner.launch.yaml").write_text(
        "launch: [{arg: {name: fixed, default: a}}, {arg: {name: free, default: b}}]"
    )
    file = tmp_path / "it.launch.yaml"
    file.write_text(
        textwrap.dedent(
            """
            launch:
              - arg: {name: world, default: inner}
              - group:
                  if: "false"
                  children:
                    - include:
                        file: $(dirname)/$(var world).launch.yaml
                        arg: [{name: fixed, value: c}]
            """
        )
    )
    declared = declared_arguments(file, {}, {})
    assert [(a.name, a.default, a.conditional) for a in declared] == [
        ("world", "inner", False),
        ("free", "b", True),
    ]
    check_known(file, {"free": "x"}, declared)
    with pytest.raises(LaunchError, match="no argument 'fixed'; known are: world, free"):
        check_known(file, {"fixed": "x"}, declared)


def test_arguments_on_the_command_line() -> None:
    assert parse_arguments(["a:=1", "b:=c:=d", "a:=2"]) == {"a": "2", "b": "c:=d"}
    for word in ("a", "a=1", ":=1", "a:="):
        with pytest.raises(LaunchError, match=f"argument '{word}' must be of the form name:=value"):
            parse_arguments([word])


def test_pushed_namespace(tmp_path: Path, package: None) -> None:
    text = """
        launch:
          - arg: {name: namespace, default: ""}
          - node: {pkg: arms, exec: arm_node}
          - group:
              - push-ros-namespace: {namespace: "/$(var namespace)"}
              - push-ros-namespace: {namespace: "/$(var namespace)"}
              - node: {pkg: arms, exec: arm_node}
              - node: {pkg: arms, exec: arm_node, namespace: deep}
              - node: {pkg: arms, exec: arm_node, namespace: /else}
          - node: {pkg: arms, exec: arm_node}
    """

    def namespaces(launch: Launch) -> list[str | None]:
        return [process.ros.namespace for process in launch.processes if process.ros]

    left = settle(tmp_path, text, namespace="left")
    assert namespaces(left) == [None, "/left", "/left/deep", "/else", None]
    assert namespaces(settle(tmp_path, text)) == [None, "/", "/deep", "/else", None]
    with pytest.raises(LaunchError, match="namespace '/le ft' is not allowed"):
        settle(tmp_path, text, namespace="le ft")


def test_every_node_of_every_shipped_launch_file_is_in_the_namespace() -> None:
    pytest.importorskip("rclpy")
    given = {"namespace": "left", "recording": "none", "camera": "overhead", "cell": "iiwa"}
    for file in sorted((Path(__file__).parents[2] / "launch").glob("*.launch.yaml")):
        declared = [argument.name for argument in declared_arguments(file, given, ENVIRONMENT)]
        assert "namespace" in declared or file.name == "operator.launch.yaml"
        for simulated in ("true", "false"):
            said = {k: v for k, v in given.items() if k in declared}
            launch = resolve(file, {**said, "simulated": simulated}, ENVIRONMENT)
            if file.name != "operator.launch.yaml":
                assert {p.ros.namespace for p in launch.processes if p.ros} <= {"/left"}, file


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, False),
        ({"simulated": "false"}, True),
        ({"simulated": "false", "require_deadman": "false"}, False),
        ({"require_deadman": "true"}, True),
    ],
)
def test_a_real_arm_is_calibrated_under_the_deadman_by_default(
    given: dict[str, str], expected: bool
) -> None:
    pytest.importorskip("rclpy")
    file = Path(__file__).parents[2] / "launch/calibrate.launch.yaml"
    launch = resolve(file, {"cell": "iiwa", **given}, ENVIRONMENT)
    (node,) = (p.ros for p in launch.processes if p.ros and p.ros.name == "calibrate_node")
    told: dict[str, Any] = {}
    for group in node.parameters:
        assert isinstance(group, dict)
        told.update(group)
    assert told["require_deadman"] is expected
    shown = "console_node" in {p.ros.name for p in launch.processes if p.ros}
    assert shown is (given.get("simulated") == "false"), "the page has the deadman"


def test_a_touch_check_is_simulated_by_default() -> None:
    pytest.importorskip("rclpy")
    file = Path(__file__).parents[2] / "launch/touch_check.launch.yaml"
    names = {p.ros.name for p in resolve(file, {}, ENVIRONMENT).processes if p.ros}
    assert "cell_node" in names
    assert "overhead_camera_node" not in names
