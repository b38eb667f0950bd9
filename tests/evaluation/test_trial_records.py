"""What is told of trials: while they run, in their records and in the table."""

import json
import math
import time
from dataclasses import replace

from rich.console import Console

from pushcell.evaluation.trial_records import (
    ChunkTally,
    TrialProgress,
    TrialRecord,
    append_record,
    trials_table,
)
from pushcell.task import Judgement

RECORD = TrialRecord(
    trial=0,
    seed=3,
    policy="it",
    success=False,
    reason="position off by 84.0 mm > 15.0 mm",
    duration_s=75.0,
    position_error_m=0.084,
    angle_error_rad=0.2,
    start=(0.5, 0.0, 1.0),
    video=None,
    chunks=ChunkTally(accepted=20, dropped=3, failed=1, worst="a chunk came 0.2 s late"),
)
VOID = replace(
    RECORD,
    reason="policy_node has ended",
    duration_s=0.0,
    position_error_m=None,
    angle_error_rad=None,
    chunks=ChunkTally(),
    void=True,
)


def test_chunks_are_counted_by_what_became_of_them():
    tally = ChunkTally()
    assert str(tally) == ""
    for outcome, reason in (("accepted", ""), ("dropped", "late"), ("accepted", "")):
        tally = tally.with_one(outcome, reason)
    assert (tally.accepted, tally.dropped, tally.failed, tally.worst) == (2, 1, 0, "late")
    assert str(tally) == "2 of 3 chunks accepted, 1 dropped (late)"


def test_a_failure_says_what_happened_and_a_void_trial_who_was_lost():
    assert RECORD.told == (
        "failure after 75.00 s: position off by 84.0 mm > 15.0 mm; "
        "20 of 24 chunks accepted, 3 dropped and 1 failed (a chunk came 0.2 s late)"
    )
    assert VOID.told == "void: policy_node has ended"


def test_records_are_lines_of_json(tmp_path):
    for record in (VOID, RECORD):
        append_record(tmp_path / "runs" / "trials.jsonl", record)
    void, failed = map(json.loads, (tmp_path / "runs" / "trials.jsonl").read_text().splitlines())
    assert void["void"]
    assert void["position_error_m"] is None
    assert failed["chunks"]["dropped"] == 3


def test_the_table_counts_successes():
    console = Console(width=120, record=True)
    console.print(trials_table([RECORD]))
    text = console.export_text()
    assert "0 of 1 succeeded" in text
    assert "20/24" in text


def test_progress_is_told_now_and_then():
    progress = TrialProgress(began_s=10.0, period_s=0.1)
    judgement = Judgement(False, "", 0.084, math.radians(12))
    assert progress.line(11.0, judgement, ChunkTally()) == ""
    time.sleep(0.12)
    line = progress.line(12.0, judgement, ChunkTally(accepted=4))
    assert "2.0 s simulated in 0.1 s" in line
    assert "84 mm and 12 deg from its goal, 4 of 4 chunks accepted" in line
    assert progress.line(12.1, judgement, ChunkTally()) == ""
