"""The verdict on an episode that was just recorded: what cannot be judged is rejected, and told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic_cell import Heard, live, recording_cell
from pushcell.config.cell import CellConfig, load_cell
from pushcell.recording.streams import IMAGE_TOPIC
from tests.recording.rig import SECONDS, Rig, by_topic, messages_of


def test_a_picture_that_cannot_be_judged_is_recorded_and_told(rig: Rig, heard: list[Heard]) -> None:
    grey = [
        message._replace(cdr=message.cdr.replace(b"rgb8", b"hsv8"))
        if message.topic == IMAGE_TOPIC.format("wrist")
        else message
        for message in heard
    ]
    rig.recorder.start()
    rig.hear(grey)
    rig.recorder.stop("success", "")
    rig.recorder.close()
    (episode,) = rig.recorder.store.episodes()
    assert by_topic(messages_of(episode)) == by_topic([tuple(m) for m in grey])
    last = rig.recorder.state().last
    assert last.verdict == "reject"
    assert any("images of encoding 'hsv8'" in reason for reason in last.reasons)


def test_the_gate_rejects_what_it_cannot_read_and_goes_on(
    cell: CellConfig, tmp_path: Path, heard: list[Heard]
) -> None:
    rig = Rig(recording_cell(cell, images="jpeg"), tmp_path)
    rig.recorder.start()
    torn = [m._replace(cdr=m.cdr.replace(b"rgb8", b"mono")) for m in heard]
    rig.hear(torn)
    rig.recorder.stop("success", "")
    state = rig.wait_for("idle")
    assert state.problem == ""
    assert any("wrist" in r and "cannot be judged" in r for r in state.last.reasons)


@pytest.mark.parametrize(("elbow_rad", "verdict"), [(1.78, "accept"), (3.12, "reject")])
def test_the_joints_of_an_arm_of_six_are_judged_by_their_own_ends(
    tmp_path: Path, elbow_rad: float, verdict: str
) -> None:
    cell = load_cell("ur5e_sim")
    joints = np.array(cell.arm.nominal_joints_rad)
    joints[2] = elbow_rad
    arm = cell.arm.changed(nominal_joints_rad=tuple(joints))
    cell = recording_cell(cell.changed(arm=arm.model_dump()))
    rig = Rig(cell, tmp_path)
    rig.recorder.start()
    rig.hear(list(live(cell, SECONDS)))
    rig.recorder.stop("success", "")
    rig.recorder.close()
    last = rig.recorder.state().last
    assert last.verdict == verdict
    assert any("a joint was at its end" in r for r in last.reasons) == (verdict == "reject")
