"""``losses.csv``, and the same for TensorBoard."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pushcell.errors import TrainingError
from pushcell.training.loss_log import FILE, LossLog

MODULE = "torch.utils.tensorboard"


class Writer:
    """TensorBoard's writer, as far as it is used; keeps what it is given."""

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step = folder, purge_step
        self.scalars: list[tuple[str, float, int]] = []
        self.closed = False

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[Writer]:
    """Those that have been opened."""
    opened: list[Writer] = []

    def open_writer(*words: Any, **options: Any) -> Writer:
        opened.append(Writer(*words, **options))
        return opened[-1]

    module = ModuleType(MODULE)
    module.SummaryWriter = open_writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, MODULE, module)
    return opened


def steps(folder: Path) -> list[int]:
    with (folder / FILE).open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_tensorboard_gets_what_the_file_gets(tmp_path: Path, writers: list[Writer]) -> None:
    with LossLog(tmp_path, 0, board=True) as log:
        log.add(1, {"loss": 0.5, "learning_rate": 1e-3})
        log.add(2, {"loss": 0.25, "validation_loss": 0.3})
    (writer,) = writers
    assert (writer.folder, writer.closed) == (str(tmp_path), True)
    assert writer.scalars == [
        ("loss", 0.5, 1),
        ("learning_rate", 1e-3, 1),
        ("loss", 0.25, 2),
        ("validation_loss", 0.3, 2),
    ]
    assert steps(tmp_path) == [1, 2]


def test_a_run_that_goes_on_replaces_later_steps(tmp_path: Path, writers: list[Writer]) -> None:
    for first in (0, 1):
        with LossLog(tmp_path, first, board=True) as log:
            for step in range(first + 1, 4):
                log.add(step, {"loss": 1.0 / step})
    assert steps(tmp_path) == [1, 2, 3]
    assert [writer.purge_step for writer in writers] == [1, 2]


def test_only_the_first_process_writes(tmp_path: Path, writers: list[Writer]) -> None:
    with LossLog(tmp_path, 0, board=True, rank=1) as log:
        log.add(1, {"loss": 0.5})
    assert not writers
    assert not (tmp_path / FILE).exists()


def test_without_tensorboard_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)
    with pytest.raises(TrainingError, match=r"pip install 'pushcell\[tensorboard\]'"):
        LossLog(tmp_path, 0, board=True)
    with LossLog(tmp_path, 0, board=False) as log:
        log.add(1, {"loss": 0.5})
    assert steps(tmp_path) == [1]
