"""Simulated time waits for everybody who takes part, and for nobody else."""

import os
import signal
import subprocess
import sys

import pytest

from pushcell.errors import ConfigError
from pushcell.simulation.barrier import TimeBarrier
from pushcell.simulation.pacing import parse_rate

ME = os.getpid()


def test_time_is_told_up_to_the_earliest_moment_that_is_asked_for():
    barrier = TimeBarrier()
    assert barrier.horizon_ns is None
    barrier.heard("guard", ME, 20, 0.0)
    barrier.heard("policy", ME, 15, 0.0)
    assert barrier.horizon_ns == 15
    assert barrier.waits_for(14) == []
    assert barrier.waits_for(15) == ["policy"], "it asked to be told, and has not done yet"
    barrier.heard("policy", ME, 25, 0.0)
    assert barrier.horizon_ns == 20
    assert barrier.waits_for(15) == []


def test_nobody_who_lives_is_left_behind_before_the_patience_is_over():
    barrier = TimeBarrier(patience_s=20.0)
    barrier.heard("policy", ME, 15, 0.0)
    barrier.give_up(15, since_s=100.0, steady_s=119.9)
    assert barrier.waits_for(15) == ["policy"]
    barrier.give_up(15, since_s=100.0, steady_s=120.1)
    assert barrier.waits_for(15) == []
    assert barrier.lost == {"policy": "has not answered for 20 s"}
    barrier.heard("policy", ME, 30, 130.0)
    assert barrier.lost == {}
    assert barrier.horizon_ns == 30


def test_a_process_that_ended_is_not_waited_for_and_a_stopped_one_is():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        barrier = TimeBarrier()
        barrier.heard("camera", process.pid, 15, 0.0)
        process.send_signal(signal.SIGSTOP)
        barrier.give_up(15, since_s=0.0, steady_s=5.0)
        assert barrier.waits_for(15) == ["camera"]
        process.kill()
        while barrier.waits_for(15):  # a zombie at first: nobody has asked for its exit code
            barrier.give_up(15, since_s=0.0, steady_s=5.0)
        assert barrier.lost == {"camera": "has ended"}
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", ""])
def test_a_rate_is_a_number_above_zero_or_max(text):
    with pytest.raises(ConfigError, match="max"):
        parse_rate(text)
    assert parse_rate("max") == float("inf")
    assert parse_rate("0.5") == 0.5
