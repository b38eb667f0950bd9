"""``pushcell compare``: pairs of trials."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.cli import main as cli
from pushcell.evaluation.comparison import bootstrap_interval, mcnemar_exact


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
    live.write_text("".join(json.dumps(line) + "\n" for line in lines))
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
