"""Disks that are gone, slow, nearly full or full: it is told, and the file stays valid."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.synthetic_cell import Heard, live, recording_cell
from pushcell.config.cell import CellConfig
from pushcell.recording.episode_info import EpisodeInfo
from tests.recording.rig import Rig, messages_of
from tests.small_disk import mounted


def test_a_folder_that_is_gone_is_told(rig: Rig) -> None:
    rig.recorder.store.folder.rmdir()
    assert "is gone" in str(rig.recorder.start())
    assert rig.recorder.state().free_bytes == 0


def test_a_disk_that_is_too_slow_costs_the_episode(
    cell: CellConfig, tmp_path: Path, heard: list[Heard]
) -> None:
    rig = Rig(recording_cell(cell, buffer_mb=0.01), tmp_path)
    rig.recorder.start()
    rig.hear(heard)
    rig.recorder.stop("success", "")
    rig.recorder.close()
    last = rig.recorder.state().last
    assert last.verdict == "reject"
    assert any("messages were left out: the disk is too slow" in text for text in last.reasons)


def test_little_room_is_told_before(cell: CellConfig, tmp_path: Path) -> None:
    rig = Rig(recording_cell(cell, min_free_mb=1e12), tmp_path)
    assert "make room" in str(rig.recorder.start())
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small", megabytes=12) as folder:
        yield folder


def test_a_full_disk_ends_the_recording_with_a_valid_file(
    cell: CellConfig, small_disk: Path
) -> None:
    rig = Rig(recording_cell(cell, sync_s=0.1), small_disk)
    answers: list[str | None] = []
    rig.on_failure = lambda: answers.append(rig.recorder.start())
    assert rig.recorder.start() is None
    rng = np.random.default_rng(0)
    sent = []
    for number, message in enumerate(live(cell, 60.0)):
        # What cannot be compressed, in a message that nobody looks into.
        noise = message._replace(topic="/safety/estop", cdr=rng.bytes(20_000))
        sent.append(tuple(noise))
        rig.hear([noise])
        time.sleep(0.001)
        if rig.failures or number > 2000:
            break
    state = rig.wait_for("failed")
    assert "the disk is full" in rig.failures[0]
    assert "cannot begin while the recorder is verifying" in str(answers[0]), "not yet at its end"
    assert "the disk is full" in state.problem
    rig.recorder.close()
    state = rig.recorder.state()
    assert state.state == "failed"
    assert state.last.verdict == "reject"
    (episode,) = rig.recorder.store.episodes()
    found = messages_of(episode)
    assert 100 < len(found) < len(sent)
    assert found == sent[: len(found)]
    assert not EpisodeInfo.load(episode).usable
