"""``losses.csv``, one line every so many steps, and the same for TensorBoard where asked for."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pushcell.closing import Closing
from pushcell.errors import TrainingError

FILE = "losses.csv"
_COLUMNS = ("step", "loss", "learning_rate")


class LossLog(Closing):
    """Adds lines; those after ``step``, left by a run that was killed, are removed first.

    Only the process of rank 0 writes.
    """

    def __init__(self, folder: Path, step: int, board: bool, rank: int = 0) -> None:
        self._path, self._writes = folder / FILE, rank == 0
        self._rows: list[dict[str, str]] = []
        self._columns: list[str] = []
        if self._writes:
            if step and self._path.exists():
                self._rows = _rows_until(self._path, step)
            self._rewrite(list(self._rows[0]) if self._rows else list(_COLUMNS))
        self._board: Any = _tensorboard(folder, step) if board and self._writes else None

    def close(self) -> None:
        """End TensorBoard's file."""
        if self._board is not None:
            self._board.close()

    def add(self, step: int, values: dict[str, float]) -> None:
        """Add a line; it is with the system when this returns."""
        if not self._writes:
            return
        row = {"step": str(step), **{name: repr(value) for name, value in values.items()}}
        self._rows.append(row)
        further = [name for name in row if name not in self._columns]
        if further:
            self._rewrite([*self._columns, *further])
        else:
            with _named(self._path), self._path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns, restval="").writerow(row)
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def _rewrite(self, columns: list[str]) -> None:
        self._columns = columns
        partial = self._path.with_name(f"{FILE}.partial")
        with _named(self._path):
            with partial.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, columns, restval="")
                writer.writeheader()
                writer.writerows(self._rows)
            partial.replace(self._path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be written ({error.strerror}): make room and go on with --resume"
        ) from None


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) <= step]


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        raise TrainingError(
            "log.tensorboard needs tensorboard: pip install 'pushcell[tensorboard]'"
        ) from None
    return SummaryWriter(str(folder), purge_step=step + 1)
