"""The whole chain as a user starts it: real processes, real ROS 2, real LCM."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")
from benchmarks import repeat
from pushcell.cli import main as cli
from pushcell.evaluation.blind_pairs import Side, order_of
from pushcell.launcher.resolver import resolve
from tests.conftest import SIM_CELL
from tests.policy_server.examples import some_manifest
from tests.policy_server.test_driver import SCHEDULE
from tests.policy_server.toy_bundle import driving_graphs, write_toy

av = pytest.importorskip("av")

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = [sys.executable, "-m", "pushcell.cli", "launch", "launch/rollout.launch.yaml"]
# From this start the way home is short.
SEED = 33
SHORT = ("policy:=planner", "trials:=1", f"seed:={SEED}", "video:=false")


def launch(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LAUNCH, "live_view:=false", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def run_folder(output: str) -> Path:
    line = next(line for line in output.splitlines() if "run folder" in line)
    return Path(line.split("run folder ")[1].split(",")[0])


def nodes_of(run: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PUSHCELL_RUN_DIR") == str(run):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_the_shipped_policy_pushes_the_t_home():
    _, folder, record = ended_well(launch("trials:=1", "seed:=3"))
    with av.open(str(folder / record["video"])) as video:
        frames = sum(1 for _ in video.decode(video=0))
    assert frames > 5 * record["duration_s"], "the overhead camera keeps up"


UR5E_CELL = ROOT / "config" / "cell.ur5e_sim.yaml"
BY_TRAJECTORIES = {
    "kind: positions": "kind: trajectory\n      time_from_start_s: 0.01",
    "/forward_position_controller/commands": "/joint_trajectory_controller/joint_trajectory",
    "ur5e.urdf": str(UR5E_CELL.parent / "ur5e.urdf"),
}


def test_an_arm_of_six_joints_under_a_trajectory_controller_pushes_the_t_home(tmp_path):
    """The fault drill commands the same arm by positions."""
    text = UR5E_CELL.read_text()
    for old, new in BY_TRAJECTORIES.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "cell.yaml").write_text(text)
    ended_well(launch(f"cell:={tmp_path / 'cell.yaml'}", "trials:=1", "seed:=3", "rate:=max"))


def test_two_cells_share_a_domain_in_namespaces_of_their_own(monkeypatch):
    """Crosstalk would be a stop: two publishers."""
    monkeypatch.setenv("ROS_DOMAIN_ID", "84")
    left, right = (
        launch(*SHORT, "rate:=max", f"namespace:={name}") for name in ("left", "hall/right")
    )
    begun = output_until(left, "run folder")
    refused, _ = launch(*SHORT, "namespace:=left").communicate(timeout=60)
    assert "namespace 'left' of DDS domain 84 is taken" in refused
    ended_well(left, begun)
    ended_well(right)


def output_until(run: subprocess.Popen[str], text: str) -> str:
    """What it prints, to the line with this text."""
    output = ""
    while text not in output:
        line = run.stdout.readline()
        assert line, output
        output += line
    return output


def ended_well(run: subprocess.Popen[str], begun: str = "") -> tuple[str, Path, dict]:
    """It succeeded; ``begun`` is what was read of its output before."""
    output = begun + run.communicate(timeout=290)[0]
    folder = run_folder(output)
    (record,) = map(json.loads, (folder / "trials.jsonl").read_text().splitlines())
    assert record["success"], output
    assert run.returncode == 0
    assert record["position_error_m"] <= 0.015
    assert 2 < record["duration_s"] <= 75
    assert "1 of 1 succeeded" in output
    assert "Traceback" not in output
    assert nodes_of(folder) == [], "nothing is left behind"
    return output, folder, record


@pytest.fixture
def hasty_cell(tmp_path):
    """A cell whose trials are over after 4 s."""
    path = tmp_path / "cell.yaml"
    path.write_text(SIM_CELL.read_text().replace("time_limit_s: 75.0", "time_limit_s: 4.0"))
    return f"cell:={path}"


def test_the_same_trial_is_the_same_again_on_a_busy_machine(hasty_cell):
    ((record, tips),) = repeat.roll_out(1, 3, hasty_cell)
    with repeat.busy_processes(4):
        ((again, tips_again),) = repeat.roll_out(1, 3, hasty_cell)
    for key in ("success", "duration_s", "reason", "chunks"):
        assert record[key] == again[key]
    assert len(tips) == len(tips_again) > 100
    np.testing.assert_allclose(tips[:, 1:], tips_again[:, 1:], atol=1e-4)


def test_a_trial_whose_policy_hangs_is_void_and_run_again():
    run = launch("policy:=planner", "trials:=1", "seed:=3", "patience_s:=3", "rate:=max")
    lines = []
    for line in run.stdout:
        lines.append(line)
        if "s simulated in" in line:
            break
    folder = run_folder("".join(lines))
    (policy,) = [p for p in nodes_of(folder) if "pushcell_ros.planner_node" in p.cmdline()]
    policy.send_signal(signal.SIGSTOP)
    time.sleep(6)
    policy.send_signal(signal.SIGCONT)
    output, _ = run.communicate(timeout=200)
    records = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert [record["void"] for record in records] == [True, False], output
    assert "policy_node has not answered for 3 s" in records[0]["reason"]
    assert records[1]["success"]
    assert records[1]["seed"] == records[0]["seed"] == 3
    assert run.returncode == 0


def test_a_failed_trial_is_carried_out_and_a_gate_may_say_otherwise(hasty_cell):
    """Chunks that take a second are too old for the guard, every one: the policy fails."""
    late = ("trials:=1", "seed:=3", "inference_s:=1.0", "rate:=max", "video:=false")
    run = launch(*late, "min_success:=0.5", hasty_cell)
    output, _ = run.communicate(timeout=200)
    folder = run_folder(output)
    (record,) = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert not record["success"]
    assert record["chunks"]["accepted"] == 0
    assert record["chunks"]["dropped"] > 0
    assert "motion.observation_age_s" in record["chunks"]["worst"]
    assert run.returncode == 1, "the gate was not met"


def test_two_policies_take_turns_and_nobody_is_told_which_one_drives(cell, tmp_path, capsys):
    """One of them pushes the T home, the other one only moves the pusher a little."""
    idle = toy_policy(cell, tmp_path / "idle")
    short = tmp_path / "cell.yaml"
    short.write_text(SIM_CELL.read_text().replace("time_limit_s: 75.0", "time_limit_s: 25.0"))
    pair = ("policy:=target_state", f"against:={idle}", f"cell:={short}", "inference_s:=0.01")
    run = launch(*pair, "trials:=1", "seed:=3", "rate:=max", "video:=false")
    output, _ = run.communicate(timeout=290)
    assert run.returncode == 0, output
    folder = run_folder(output)
    assert not (folder / "trials.jsonl").exists()
    paths = [folder / f"trials_{side}.jsonl" for side in ("a", "b")]
    records = [json.loads(path.read_text()) for path in paths]
    assert [record["policy"] for record in records] == ["target_state", str(idle)]
    assert [record["success"] for record in records] == [True, False], output
    assert [Side("ab"[record["trial"]]) for record in records] == list(order_of(3))
    while_driven = output.split("a chunk takes")[-1].split("A: target_state")[0].splitlines()[1:]
    assert any("trial 2 of 2: " in line for line in while_driven)
    for line in while_driven:
        assert "target_state" not in line
        assert str(idle) not in line
        assert "trials_" not in line
    assert "starts that both have driven from: 1; p, any time: 1, not decided" in output
    assert cli.main(["compare", *map(str, paths), "--so-far"]) == 0
    assert "A alone, B alone" in capsys.readouterr().out


def toy_policy(cell, folder):
    """Of a policy that brings the pusher to a place and leaves it there."""
    manifest = some_manifest(cell, schedule=SCHEDULE)
    return write_toy(folder, manifest, driving_graphs(manifest, np.array([0.58, 0.1]), 0.1))


def test_the_page_does_not_tell_which_of_two_policies_drives():
    words = {"console": "true", "policy": "target_state", "against": "target_image"}
    shown = []
    for given in (words, {**words, "against": ""}):
        found = resolve(ROOT / "launch/rollout.launch.yaml", given, dict(os.environ))
        (page,) = [p.ros for p in found.processes if p.label == "console_node"]
        shown += [group["policy"] for group in page.parameters if "policy" in group]
    assert shown == ["A or B, hidden until the end", "target_state"]


def test_ctrl_c_ends_everything_quietly():
    run = launch("trials:=5")
    folder = run_folder(output_until(run, "s simulated in"))
    assert len(nodes_of(folder)) >= 6
    run.send_signal(signal.SIGINT)
    rest, _ = run.communicate(timeout=30)
    assert "Traceback" not in rest
    assert run.returncode != 0, "it was not done"
    assert nodes_of(folder) == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["trials:=many"], "trials"),
        (["cell:=/nowhere/cell.yaml"], "/nowhere/cell.yaml"),
        (["policy:=magic"], "target_state"),
        (["no_such_argument:=1"], "no_such_argument"),
        (["until_decided:=true"], "give against:=BUNDLE"),
        (["policy:=planner", "against:=target_state"], "planner is a demonstrator"),
        (["policy:=target_state", "against:=magic"], "no policy 'magic'"),
        (["policy:=target_state", "against:=pusht_state"], "pusht_state does not fit this cell"),
    ],
)
def test_bad_arguments_are_one_clear_sentence(arguments, problem):
    run = launch(*arguments)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 2, output
    assert problem in output
    assert "Traceback" not in output
