"""Real processes and real signals: how a run ends, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pushcell.errors import LaunchError
from pushcell.launcher.domain import held_domain
from tests.launcher.conftest import ROOT, Run, processes_in, wait_until_empty

Start = Callable[..., Run]

# Says when it is ready, and to which signals it has ended or not.
SLOW_TO_END = """
import signal, sys, time
def note(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    if signal.Signals(number).name == sys.argv[1]:
        sys.exit(0)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, note)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""

# Starts a process in a session of its own, and ends.
DAEMON = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], start_new_session=True)
print("daemon is there")
"""

ENDING = """
launch:
  - executable: {cmd: "$(py patient) SIGINT", name: patient, output: screen}
  - executable: {cmd: "$(py ending)", name: ending, on_exit: shutdown}
"""


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1), (2, 2), (3, 2)])
def test_process_with_on_exit_gives_the_exit_code(start: Start, code: int, expected: int) -> None:
    run = start(ENDING, patient=SLOW_TO_END, ending=f"import time; time.sleep(.3); exit({code})")
    assert run.end() == expected
    assert "[patient] got SIGINT" in run.output
    assert run.left() == []


def test_run_ends_when_all_processes_have(start: Start) -> None:
    run = start(
        """
        launch:
          - executable: {cmd: "$(py first)"}
          - executable: {cmd: "$(py second)"}
        """,
        first="print(1)",
        second="print(2)",
    )
    assert run.end() == 0


def test_process_that_dies_ends_the_run_and_shows_its_last_lines(start: Start) -> None:
    run = start(
        """
        launch:
          - executable: {cmd: "$(py patient) SIGINT", name: patient}
          - executable: {cmd: "$(py dying)", name: dying}
        """,
        patient=SLOW_TO_END,
        dying="for i in range(30): print('line', i)\nexit(7)",
    )
    assert run.end() == 2
    assert run.left() == []
    last = run.output.partition("dying ended with exit code 7; its last lines:\n")[2]
    assert last.splitlines() == [f"[dying] line {i}" for i in range(10, 30)]


def test_process_killed_by_a_signal_is_told(start: Start) -> None:
    run = start(
        'launch: [{executable: {cmd: "$(py dying)", on_exit: shutdown, name: dying}}]',
        dying="import os; os.kill(os.getpid(), 9)",
    )
    assert run.end() == 2
    assert "dying was killed by signal 9 (Killed); it wrote nothing" in run.output


WAITING = 'launch: [{executable: {cmd: "$(py patient) %s", name: patient, output: screen}}]'


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("group", [False, True])
def test_signal_ends_the_run_in_order(
    start: Start, number: signal.Signals, code: int, group: bool
) -> None:
    """Each process gets one SIGINT, from the launcher, even where the terminal signals a group."""
    run = start(WAITING % "SIGINT", patient=SLOW_TO_END)
    run.wait_for("[patient] ready")
    run.signal(number, group)
    assert run.end() == code
    assert re.findall("got .*", run.output) == ["got SIGINT"]
    assert "Traceback" not in run.output
    assert run.left() == []


def test_further_signals_escalate(start: Start) -> None:
    """The process minds neither SIGINT nor SIGTERM."""
    run = start(WAITING % "never", patient=SLOW_TO_END)
    run.wait_for("[patient] ready")
    run.signal(signal.SIGINT)
    run.wait_for("[patient] got SIGINT")
    time.sleep(0.6)
    run.signal(signal.SIGINT)
    run.wait_for("asked again: SIGTERM to patient", "[patient] got SIGTERM")
    time.sleep(0.6)
    run.signal(signal.SIGINT)
    assert run.end() == 130
    assert "asked again: SIGKILL to patient" in run.output
    assert "patient was killed by signal 9" in run.output
    assert run.left() == []


def test_signal_that_comes_twice_at_once_is_one_wish(start: Start) -> None:
    """As GNU timeout sends it: to the process, and to its group."""
    slow = SLOW_TO_END.replace("sys.exit(0)", "time.sleep(0.3); sys.exit(0)")
    run = start(WAITING % "SIGINT", patient=slow)
    run.wait_for("[patient] ready")
    run.signal(signal.SIGINT)
    run.wait_for("[patient] got SIGINT")
    run.signal(signal.SIGINT)
    assert run.end() == 130
    assert "[launch] SIGINT to patient" in run.output
    assert "asked again" not in run.output


def test_signal_while_processes_are_being_started(start: Start) -> None:
    text = "launch:\n" + 20 * '  - executable: {cmd: "$(py patient) SIGINT"}\n'
    run = start(text, patient=SLOW_TO_END)
    run.wait_for("started")
    run.signal(signal.SIGTERM)
    assert run.end() == 143
    assert run.left() == []


def test_daemon_of_a_process_that_has_ended_does_not_outlive_the_run(start: Start) -> None:
    run = start(
        """
        launch:
          - executable: {cmd: "$(py daemon)", name: daemon, output: screen}
        """,
        daemon=DAEMON,
    )
    assert run.end() == 0
    assert "daemon is there" in run.output
    assert "cannot be killed" not in run.output
    assert run.left() == []


def test_killed_launcher_leaves_no_process(start: Start) -> None:
    run = start(
        """
        launch:
          - executable: {cmd: "$(py patient) SIGINT", name: patient, output: screen}
          - executable: {cmd: "$(py daemon)", name: daemon, output: screen}
        """,
        patient=SLOW_TO_END,
        daemon=DAEMON,
    )
    run.wait_for("[patient] ready", "daemon is there")
    assert len(run.left()) >= 4  # launcher, guard, patient, daemon's child
    run.signal(signal.SIGKILL)
    wait_until_empty(run.folder)


def test_output_that_nobody_reads_ends_the_run(start: Start) -> None:
    run = start(
        'launch: [{executable: {cmd: "$(py chatty)", output: screen}}]',
        chatty="import time\nwhile True: print('hello'); time.sleep(.01)",
    )
    run.wait_for("hello")
    assert run.process.stdout is not None
    run.process.stdout.close()
    assert run.process.wait(timeout=60) == 2
    assert run.left() == []


class Terminal:
    """The command at a real terminal, of whose session it is the leader."""

    def __init__(self, folder: Path) -> None:
        (folder / "patient.py").write_text(SLOW_TO_END)
        command = f"{sys.executable} {folder}/patient.py SIGINT"
        text = (WAITING % "SIGINT").replace("$(py patient) SIGINT", command)
        (folder / "it.launch.yaml").write_text(text)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
        environment.pop("NO_COLOR", None)
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            words = [sys.executable, "-m", "pushcell.cli", "launch", "it.launch.yaml"]
            os.execve(sys.executable, words, environment)

    def read_until(self, text: bytes) -> bytes:
        """The output so far; all of it when the text never comes."""
        output = b""
        with suppress(OSError):  # how a terminal says that the other side has gone
            while text not in output:
                output += os.read(self.master, 4096)
        return output

    def exit_code(self) -> int:
        """Wait for the end."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_ctrl_c_at_a_terminal(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    coloured = b"\x1b[36m[patient]\x1b[0m "
    assert coloured + b"ready" in terminal.read_until(b"ready")
    os.write(terminal.master, b"\x03")
    assert terminal.read_until(b"never").count(b"got SIGINT") == 1
    assert terminal.exit_code() == 130
    os.close(terminal.master)
    assert processes_in(tmp_path) == []


def test_terminal_that_is_closed(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.read_until(b"ready")
    os.close(terminal.master)
    assert terminal.exit_code() == 129
    assert processes_in(tmp_path) == []
    (log,) = tmp_path.glob("runs/*/log/patient.log")
    assert log.read_text() == "ready\ngot SIGINT\n"


NODE = """
import json, os, sys, pathlib
words = sys.argv[1:]
names = ("PUSHCELL_RUN_DIR", "ROS_LOG_DIR", "ROS_DOMAIN_ID", "PYTHONUNBUFFERED", "SET")
names += ("ROS_AUTOMATIC_DISCOVERY_RANGE",)
report = {"words": words, "environment": {name: os.environ.get(name) for name in names}}
pathlib.Path(os.environ["PUSHCELL_RUN_DIR"], "report.json").write_text(json.dumps(report))
print("\\x1b[32mon standard output\\x1b[0m")
print("on standard error", file=sys.stderr)
"""


def test_node_gets_its_arguments_parameters_and_environment(start: Start, tmp_path: Path) -> None:
    pytest.importorskip("rclpy")
    package = tmp_path / "robots"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "some_node.py").write_text(NODE)
    run = start(
        """
        launch:
          - arg: {name: trials}
          - set_env: {name: SET, value: by the file}
          - node:
              pkg: robots
              exec: some_node
              name: one
              args: --verbose
              param: [{name: trials, value: $(var trials)}]
              remap: [{from: a, to: b}]
        """,
        "trials:=4",
    )
    assert run.end() == 0, run.output
    report = json.loads((run.run_folder / "report.json").read_text())
    parameters = run.run_folder / "parameters/one.0.yaml"
    assert report["words"] == [
        *("--verbose", "--ros-args", "-r", "__node:=one"),
        *("--params-file", str(parameters), "-r", "a:=b"),
    ]
    assert "trials: 4\n" in parameters.read_text()
    assert report["environment"] == {
        "PUSHCELL_RUN_DIR": str(run.run_folder),
        "ROS_LOG_DIR": str(run.run_folder / "log"),
        "ROS_DOMAIN_ID": "0",
        "PYTHONUNBUFFERED": "1",
        "SET": "by the file",
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    assert "on standard output" not in run.output  # `output: log` is the default
    assert "[one] on standard error" in run.output
    log = (run.run_folder / "log/one.log").read_text()
    assert sorted(log.splitlines()) == ["on standard error", "on standard output"]


def test_two_runs_have_two_domains(start: Start) -> None:
    first = start(WAITING % "SIGINT", patient=SLOW_TO_END)
    first.wait_for("[patient] ready")
    assert "ROS_DOMAIN_ID 0" in first.output
    shared = {"TMPDIR": str(first.folder)}
    second = start(WAITING % "SIGINT", environment=shared, patient=SLOW_TO_END)
    second.wait_for("[patient] ready")
    assert "ROS_DOMAIN_ID 2" in second.output
    third = start(
        WAITING % "SIGINT", environment={**shared, "ROS_DOMAIN_ID": "2"}, patient=SLOW_TO_END
    )
    assert third.end() == 2
    owner = second.process.pid
    assert f"DDS domain 2 is taken by another pushcell run (process {owner})" in third.output
    assert not (third.folder / "runs").exists()


def test_domain_is_held_until_a_killed_run_has_stopped(start: Start) -> None:
    slow = SLOW_TO_END.replace("sys.exit(0)", "time.sleep(2); sys.exit(0)")
    run = start(WAITING % "SIGINT", patient=slow)
    run.wait_for("[patient] ready")
    locks = run.folder / f"pushcell-{os.getuid()}"
    run.signal(signal.SIGKILL)
    run.process.wait()
    with pytest.raises(LaunchError, match="taken"), held_domain({"ROS_DOMAIN_ID": "0"}, locks):
        pass
    wait_until_empty(run.folder)
    with held_domain({"ROS_DOMAIN_ID": "0"}, locks):
        pass


def test_program_that_cannot_be_started_stops_the_others(start: Start, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter")
    broken.chmod(0o755)
    run = start(
        f"""
        launch:
          - executable: {{cmd: "$(py patient) SIGINT", name: patient}}
          - executable: {{cmd: {broken}}}
        """,
        patient=SLOW_TO_END,
    )
    assert run.end() == 2
    assert f"error: broken: cannot start {broken}: " in run.output
    assert run.left() == []


def test_wrong_file_starts_nothing(start: Start) -> None:
    run = start(
        """
        launch:
          - executable: {cmd: "$(py patient) SIGINT", name: patient}
          - executable: {cmd: no_such_program_here}
        """,
        patient=SLOW_TO_END,
    )
    assert run.end() == 2
    assert run.output == (
        "error: it.launch.yaml: executable 'no_such_program_here': "
        "there is no program 'no_such_program_here'\n"
    )
    assert not (run.folder / "runs").exists()


def test_show_args_starts_nothing(start: Start) -> None:
    run = start(
        """
        launch:
          - arg: {name: needed, description: what it needs}
          - arg: {name: chosen, default: "a$(env X y)", choice: [{value: a}], if: "true"}
          - executable: {cmd: no_such_program_here}
        """,
        "--show-args",
    )
    assert run.end() == 0
    assert run.output == (
        "Arguments (pass arguments as '<name>:=<value>'):\n\n"
        "    'needed':\n        what it needs\n\n"
        "    'chosen':*\n        One of: ['a']\n        (default: 'a$(env X y)')\n\n"
        "* argument(s) which are only used if specific conditions occur\n"
    )
    assert not (run.folder / "runs").exists()
