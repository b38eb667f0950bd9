"""A policy over a recording: the same every time, and as the robot would have done it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic_cell import TYPES
from policy_server.bundle import load_policy
from policy_server.delay import InjectedDelay
from pushcell.errors import EpisodeError
from pushcell.replay.policy_run import PolicyRun, ReplayOptions
from pushcell.replay.recorded_run import RecordedRun
from pushcell.replay.recording import Recording
from tests.conftest import ROOT
from tests.replay.examples import heard, senseless_bundle, steady_bundle, write_bag, write_episode


@pytest.fixture(scope="module")
def episode(cell, tmp_path_factory):
    return write_episode(tmp_path_factory.mktemp("episodes") / "one", cell, heard(cell))


@pytest.fixture(scope="module")
def steady(cell, tmp_path_factory):
    return steady_bundle(tmp_path_factory.mktemp("steady"), cell)


def outcome_of(episode: Path, bundle: Path, cell, **options):
    with Recording(episode, cell) as recording:
        return PolicyRun(recording, load_policy(bundle), "it", ReplayOptions(**options)).run()


def replay(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pushcell.cli", "replay", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_two_processes_come_to_the_same_bits(cell, episode, tmp_path):
    bundle = senseless_bundle(tmp_path / "bundle", cell)
    runs = [
        replay(episode, "--policy", bundle, "--json", "-", "--delay", "0.02,0.08", *words)
        for words in ([], [], ["--seed", 5])
    ]
    assert [run.returncode for run in runs] == [0, 0, 0], runs[0].stderr
    first, second, other = (json.loads(run.stdout)["replays"][0] for run in runs)
    assert first["digest"] == second["digest"]
    assert first["chunks"] > 3
    assert other["digest"] != first["digest"], "another noise gives other chunks"
    del first["seconds"], second["seconds"]
    assert first == second


def test_a_policy_is_measured_against_what_was_done(cell, episode, steady):
    outcome = outcome_of(episode, steady, cell)
    figures = outcome.figures()
    captures = [chunk.capture_s for chunk in outcome.chunks]
    assert len(set(captures)) == len(captures), "what is said again is no other chunk"
    assert figures["chunks"] >= 5
    assert len(figures["error_m"]) == 16
    assert all(0 < error < 0.2 for error in figures["error_m"])
    assert figures["error_m"] == pytest.approx(figures["action_error_m"], abs=2e-3)
    assert figures["left_out"] == {}
    assert figures["stops"] == []
    assert figures["consistency_m"]["p50"] < 0.02
    assert figures["motion_deviation_m"]["max"] < 0.15


def test_a_slow_policy_is_stopped_with_the_reason(cell, episode, steady):
    slow = outcome_of(episode, steady, cell, delay=InjectedDelay(0.3, 0.3))
    assert slow.chunks == []
    assert "motion.observation_age_s" in slow.stops[0].reason
    late = outcome_of(episode, steady, cell, delay=InjectedDelay(0.1, 0.1))
    assert late.stops == []
    assert late.latency["inference"].p50 == pytest.approx(0.1, abs=1e-3)


def test_what_is_dropped_is_counted_and_blinds(cell, episode, steady):
    some = outcome_of(episode, steady, cell, drop=0.9)
    dropped = sum(count for why, count in some.left_out.items() if "--drop" in why)
    seen = some.messages["pusher"] + some.messages["slider"]
    assert dropped / seen == pytest.approx(0.9, abs=0.05)
    assert any("old" in stop.reason or "sample" in stop.reason for stop in some.stops)


def test_chunks_that_lead_outside_are_stopped_by_the_guard(cell, episode, tmp_path):
    outcome = outcome_of(episode, senseless_bundle(tmp_path / "bundle", cell), cell)
    reasons = {stop.reason for stop in outcome.stops}
    assert "the first target is too far from the pusher" in reasons
    assert all(stop.ended_turn for stop in outcome.stops if "first target" in stop.reason)


def test_cameras_are_seen(cell, episode, tmp_path):
    bundle = steady_bundle(tmp_path / "bundle", cell, ("overhead",))
    outcome = outcome_of(episode, bundle, cell)
    assert outcome.messages["camera overhead"] == 60
    assert "slider" not in outcome.messages
    assert len(outcome.chunks) >= 5


def test_without_a_policy_the_recorded_way_is_driven(cell, episode):
    with Recording(episode, cell) as recording:
        outcome = RecordedRun(recording).run()
    deviations = outcome.deviations()
    assert len(deviations) > 500
    assert np.percentile(deviations, 95) < 0.005, "4 cm/s is well within the limits"
    assert outcome.stops == []


def test_what_a_policy_needs_must_be_there(cell, tmp_path, steady):
    messages = [m for m in heard(cell, 2.0) if "slider" not in m.topic]
    types = {topic: kind for topic, kind in TYPES.items() if "slider" not in topic}
    bag = write_bag(tmp_path / "blind.mcap", messages, types)
    with pytest.raises(
        EpisodeError, match=r"lacks slider .no topic /slider/pose.; it has .*pusher"
    ):
        outcome_of(bag, steady, cell)
