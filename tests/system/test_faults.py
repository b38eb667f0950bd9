"""Some faults of the drill on the running graph; ``pushcell bench faults`` strikes them all."""

import pytest

pytest.importorskip("rclpy", reason="no rclpy: source ROS 2, or install pushcell[ros]")

from benchmarks import faults
from benchmarks.drill import Drill

STRUCK = (
    "kill -9 policy",
    "SIGSTOP motion",
    "kill -9 arm node",
    "emergency stop",
)


@pytest.fixture(scope="module")
def drill():
    # Patience, since these tests may share their machine.
    with Drill(patience_s=0.5) as running:
        yield running


@pytest.mark.parametrize("name", STRUCK)
def test_after_a_fault_the_arm_rests_in_time_and_within_its_limits(drill, name):
    fault = next(fault for fault in faults.faults(drill) if fault.name == name)
    outcome = faults.play(drill, fault)
    assert outcome.passed, outcome
