"""Two policies by turns: who is first, and what is told of how it goes."""

import json
from pathlib import Path

import numpy as np
import pytest

from pushcell.errors import ConfigError
from pushcell.evaluation.blind_pairs import BlindPairs, Side, check_blind, order_of
from pushcell.evaluation.comparison import Report, compare
from pushcell.evaluation.trial_records import TrialRecord, append_record


def test_each_start_is_driven_by_both_in_an_order_of_its_seed_alone() -> None:
    orders = [order_of(seed) for seed in range(2000)]
    assert orders == [order_of(seed) for seed in range(2000)]
    assert all(set(order) == set(Side) for order in orders)


def test_who_is_first_is_balanced_and_not_to_be_guessed() -> None:
    firsts = np.array([order_of(seed)[0] is Side.A for seed in range(2000)])
    assert firsts.mean() == pytest.approx(0.5, abs=0.04)
    for lag in (1, 2, 4):
        again = (firsts[lag:] == firsts[:-lag]).mean()
        assert again == pytest.approx(0.5, abs=0.04), "the last starts do not tell the next one"


def driven(outcomes: list[tuple[bool, bool]]) -> BlindPairs:
    pairs = BlindPairs()
    for seed, by_side in enumerate(outcomes):
        first, second = order_of(seed)
        success = dict(zip(Side, by_side, strict=True))
        assert not pairs.add(first, seed, success[first])
        assert pairs.add(second, seed, success[second])
    return pairs


def test_a_clear_difference_is_decided_and_none_is_not() -> None:
    assert driven([(True, False)] * 12).decided
    assert driven([(False, True)] * 12).decided
    for alike in ([(True, True)] * 50, [(True, False), (False, True)] * 25, []):
        assert not driven(alike).decided
        assert driven(alike).p == pytest.approx(1.0)


def test_what_is_told_does_not_tell_who_is_ahead() -> None:
    told = driven([(True, False)] * 5).told
    assert told == driven([(False, True)] * 5).told
    assert told.startswith("starts that both have driven from: 5; p, any time: ")
    assert "not decided" in driven([(True, False)] * 2).told
    assert driven([(True, False)] * 12).told.endswith(", decided")


def test_a_start_that_one_has_driven_does_not_count_yet() -> None:
    pairs = driven([(True, False)] * 5)
    before = pairs.p
    assert not pairs.add(Side.A, 99, True)
    assert (pairs.count, pairs.p) == (5, before)


def test_its_p_is_that_of_pushcell_compare_on_the_two_files(tmp_path: Path) -> None:
    outcomes = [(True, False), (True, True), (True, False), (False, True), (True, False)]
    paths = {side: tmp_path / f"trials_{side.value}.jsonl" for side in Side}
    for seed, by_side in enumerate(outcomes):
        for side, success in zip(Side, by_side, strict=True):
            append_record(paths[side], record(seed, side.name, success))
    append_record(paths[Side.A], record(5, "A", True))  # the other one is still to drive
    found = compare(*(Report.load(paths[side]) for side in Side), so_far=True)
    assert (found.trials, found.only) == (5, (3, 1))
    assert found.anytime_p[-1] == driven(outcomes).p
    assert json.loads(paths[Side.B].read_text().splitlines()[0])["policy"] == "B"


def record(seed: int, policy: str, success: bool) -> TrialRecord:
    return TrialRecord(0, seed, policy, success, "", 1.0, 0.0, 0.0, (0.5, 0.0, 0.1), None)


@pytest.mark.parametrize(
    ("policy", "against", "until_decided", "simulated", "message"),
    [
        ("target_state", "", True, True, "until_decided:=true needs a second policy"),
        ("planner", "target_state", False, True, "planner is a demonstrator"),
        ("target_state", "planner", False, True, "planner is a demonstrator"),
        ("target_state", "target_image", False, False, "only the simulated cell has"),
    ],
)
def test_what_cannot_be_driven_by_turns(
    policy: str, against: str, until_decided: bool, simulated: bool, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_blind(policy, against, until_decided, simulated)


def test_one_policy_takes_no_turns() -> None:
    check_blind("planner", "", until_decided=False, simulated=True)
    check_blind("target_state", "target_state", until_decided=True, simulated=True)


def test_a_start_that_is_driven_again_waits_for_both() -> None:
    pairs = BlindPairs()
    pairs.begin(3)
    assert not pairs.add(Side.A, 3, True)
    assert pairs.add(Side.B, 3, False)
    pairs.begin(3)
    assert pairs.count == 0
    assert not pairs.add(Side.B, 3, False)
    assert pairs.add(Side.A, 3, True)
    assert pairs.count == 1
