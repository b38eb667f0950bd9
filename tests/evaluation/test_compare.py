"""``pushcell compare``: pairs of trials."""

import json
import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.cli import main as cli
from pushcell.evaluation.comparison import bootstrap_interval, mcnemar_exact
from pushcell.evaluation.sequential import (
    anytime_p,
    decided_after,
    posterior_density,
    probability_higher,
)


def _report(path, successes, **changes):
    trials = [
        {"seed": k, "start": [0.1 * k, 0.0, 0.0], "success": success}
        for k, success in enumerate(successes)
    ]
    path.write_text(json.dumps({"world": "source", "per_trial": trials, **changes}))
    return str(path)


def test_pairs_are_told(tmp_path, capsys):
    a = _report(tmp_path / "a.json", [True] * 4 + [False] * 8)
    b = _report(tmp_path / "b.json", [False] + [True] * 10 + [False])
    assert cli.main(["compare", a, b, b, "--json", "-"]) == 0
    one, other = json.loads(capsys.readouterr().out)["comparisons"]
    assert one == other
    assert (one["successes_a"], one["successes_b"]) == (4, 10)
    assert (one["only_a"], one["only_b"]) == (1, 7)
    assert one["difference"] == pytest.approx(0.5)
    assert one["p"] == pytest.approx(2 * (1 + 8) / 2**8)
    low, high = one["interval95"]
    assert low < 0.5 < high


def test_a_rollout_is_compared_with_an_evaluation(tmp_path, capsys):
    evaluated = _report(tmp_path / "a.json", [True, True, False], world="target", time_step_s=0.005)
    lines = [
        {"seed": 0, "start": [0.0, 0.0, 0.0], "success": True},
        {"seed": 1, "start": [0.1, 0.0, 0.0], "success": False, "void": True},
        {"seed": 1, "start": [0.1, 0.0, 0.0], "success": True, "void": False},
        {"seed": 2, "start": [0.2, 0.0, 0.0], "success": True},
    ]
    live = tmp_path / "trials.jsonl"
    half = '{"seed": 3, "sta'  # of the trial that is being written
    live.write_text("".join(json.dumps(line) + "\n" for line in lines) + half)
    assert cli.main(["compare", evaluated, str(live), "--json", "-"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert (one["trials"], one["successes_a"], one["successes_b"]) == (3, 2, 3)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_probability_and_symmetric(a, b):
    p = mcnemar_exact(a, b)
    assert 0 < p <= 1
    assert p == mcnemar_exact(b, a)
    assert mcnemar_exact(a, a) == 1
    assert mcnemar_exact(0, b + 1) == pytest.approx(min(1, 2 * 0.5 ** (b + 1)))


def test_the_interval_is_that_of_the_mean():
    values = np.random.default_rng(1).choice([-1, 0, 1], 400, p=[0.1, 0.6, 0.3])
    low, high = bootstrap_interval(values, 0)
    error = values.std() / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert bootstrap_interval(values, 0) == (low, high)


def test_what_cannot_be_compared(tmp_path, capsys):
    a = _report(tmp_path / "a.json", [True, False])
    (tmp_path / "none.json").write_text("{}")
    (tmp_path / "numbers.json").write_text('{"per_trial": [1, 2]}')
    begun = [{"seed": k, "start": [9, 9, 9], "success": True} for k in range(2)]
    for other, problem in {
        _report(tmp_path / "b.json", [True]): "are of different seeds",
        _report(tmp_path / "c.json", [True, True], world="target"): "has world source",
        _report(tmp_path / "d.json", [], per_trial=begun): "seed 0 begin differently",
        str(tmp_path / "none.json"): "is no report of trials",
        str(tmp_path / "numbers.json"): "is no report of trials",
        str(tmp_path / "nowhere.json"): "cannot be read as a report",
    }.items():
        assert cli.main(["compare", a, other]) == 2
        assert problem in capsys.readouterr().err
    assert cli.main(["compare", a]) == 2
    assert cli.main(["compare", a, a, "--key", "seed"]) == 2
    assert "do not tell 'seed' as true or false" in capsys.readouterr().err


def test_looking_after_each_trial_is_no_more_often_wrong_than_it_says():
    rng = np.random.default_rng(0)
    equal = rng.choice([-1, 0, 1], (400, 150), p=[0.15, 0.7, 0.15])
    assert np.mean([decided_after(anytime_p(pairs)) is not None for pairs in equal]) <= 0.05
    better = rng.choice([-1, 0, 1], (100, 150), p=[0.02, 0.68, 0.3])
    decided = [decided_after(anytime_p(pairs)) for pairs in better]
    assert None not in decided
    assert np.median(decided) < 75


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=80))
def test_evidence_only_grows_and_takes_no_side(differences):
    ps = anytime_p(differences)
    assert ((ps > 0) & (ps <= 1)).all()
    assert (np.diff(ps) <= 0).all()
    assert (anytime_p([-one for one in differences]) == ps).all()
    assert len(anytime_p([0, *differences])) == len(ps) + 1
    assert (anytime_p([0, *differences])[1:] == ps).all()  # equal pairs say nothing


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_posterior_of_two_rates(a, b):
    rates = np.linspace(0, 1, 4001)
    density = posterior_density(rates, a, 40)
    assert np.trapezoid(density, rates) == pytest.approx(1, abs=1e-3)
    assert np.trapezoid(rates * density, rates) == pytest.approx((a + 1) / 42, abs=1e-3)
    higher = probability_higher(a, b, 40)
    assert higher + probability_higher(b, a, 40) == pytest.approx(1, abs=1e-3)
    drawn = np.random.default_rng(0)
    rivals = drawn.beta(1 + b, 41 - b, 4000) > drawn.beta(1 + a, 41 - a, 4000)
    assert higher == pytest.approx(rivals.mean(), abs=0.04)


def test_trials_so_far_are_compared_and_drawn(tmp_path, capsys):
    a = _report(tmp_path / "a.json", [False] * 30)
    b = _report(tmp_path / "b.json", [True] * 12)
    assert cli.main(["compare", a, b]) == 2
    assert "--so-far" in capsys.readouterr().err
    picture = tmp_path / "pictures" / "comparison.png"
    words = ["compare", a, b, "--so-far", "--picture", str(picture), "--json", "-"]
    assert cli.main(words) == 0
    (one,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert one["trials"] == 12
    assert one["decided_after"] == 8  # 2^8 / 9 is the first to exceed 20
    assert one["anytime_p"] == pytest.approx(13 / 2**12)
    assert one["b_better"] > 0.999
    height, width, _ = cv2.imread(str(picture)).shape
    assert width > height > 300
    assert cli.main([*words[:-3], str(tmp_path / "comparison.text")]) == 2
    assert "comparison.text cannot be written" in capsys.readouterr().err
    assert cli.main([*words[:-1], "/dev/full"]) == 2
    assert "/dev/full cannot be written: No space left on device" in capsys.readouterr().err
    assert cli.main(["compare", a, _report(tmp_path / "none.json", []), "--so-far"]) == 2
