"""One cell of a study: trained, exported, evaluated, with the commands that a person would give.

What is there is left. So a cell that was killed at any point goes on, and one that is complete
costs nothing.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from policy_server.bundle_files import read_manifest
from pushcell.cli import main as cli
from pushcell.command_output import write_json
from pushcell.errors import PushcellError
from pushcell.recording.folder_lock import alone_in
from pushcell.studies.grid import StudyCell, Training, digest_of
from pushcell.studies.schema import Evaluated

LOG = "log.txt"
_KEPT = ("trials", "successes", "success_rate", "wilson95")


class CellError(PushcellError):
    """A cell whose command failed; the log says why."""


@dataclass(frozen=True)
class CellRun:
    """What makes one cell complete, in the store of its study."""

    cell: StudyCell
    evaluated: Evaluated | None
    store: Path

    @property
    def report(self) -> Path:
        """Of its trials."""
        assert self.evaluated is not None
        told = [self.evaluated.model_dump(mode="json"), self.cell.guidance]
        return self.cell.training.folder(self.store) / f"report-{digest_of(told)}.json"

    @property
    def bundle(self) -> Path:
        """A training may be exported with several weights of guidance."""
        weight = self.cell.guidance
        name = f"bundle-guidance-{weight!r}" if weight else "bundle"
        return self.cell.training.folder(self.store) / name

    @property
    def complete(self) -> bool:
        """Whether nothing of it is missing."""
        return (self.bundle if self.evaluated is None else self.report).exists()

    def go(self) -> None:
        """Do what is missing; raises CellError."""
        folder = self.cell.training.folder(self.store)
        folder.mkdir(parents=True, exist_ok=True)
        # Two points of a grid may be the same training: the second one finds it done.
        with alone_in(folder, waits=True), _logged(folder / LOG):
            _train(self.cell.training, self.store)
            if not self.bundle.exists():
                self._export(folder)
            if not self.complete:
                self._evaluate(folder)

    def row(self) -> dict[str, Any]:
        """Its figures, as plain values."""
        folder = self.cell.training.folder(self.store)
        manifest = read_manifest(self.bundle)
        assert manifest.latency is not None
        trained = json.loads((folder / "trained.json").read_text(encoding="utf-8"))
        return {
            **self.cell.point,
            "digest": self.cell.training.digest,
            "bundle_sha256": manifest.sha256,
            "parameters": manifest.training.parameters,
            "latency_p50_ms": manifest.latency.p50_ms,
            "validation": trained["validation"],
            "task": self.cell.training.config.task,
            "training_s": trained["seconds"],
            **self._trials(),
        }

    def _trials(self) -> dict[str, Any]:
        if self.evaluated is None:
            return {}
        told = json.loads(self.report.read_text(encoding="utf-8"))
        return {
            "report": str(self.report.relative_to(self.store)),
            "evaluation_s": told["cell_seconds"],
            **{key: told[key] for key in _KEPT},
        }

    def evaluation(self, bundle: Path, report: Path, trials: int) -> list[str]:
        """The command that evaluates a bundle as this study asks for."""
        chosen = self.evaluated
        assert chosen is not None
        words = ["evaluate", str(bundle), "--world", chosen.world, "--json", str(report)]
        words += ["--trials", str(trials), "--seed", str(chosen.seed), "--workers", "1"]
        words += ["--time-step", str(chosen.time_step_s)] if chosen.time_step_s else []
        if chosen.world != "pusht":
            words += ["--cell", str(self.cell.training.config.cell)]
        return words

    def _export(self, folder: Path) -> None:
        partial = folder / "bundle.partial"
        shutil.rmtree(partial, ignore_errors=True)
        words = ["export", str(folder / "run" / "last.pt"), "--out", str(partial)]
        words += ["--guidance", str(self.cell.guidance)] if self.cell.guidance else []
        _run(words, folder)
        os.replace(partial, self.bundle)

    def _evaluate(self, folder: Path) -> None:
        assert self.evaluated is not None
        partial, began = folder / "report.partial", time.monotonic()
        _run(self.evaluation(self.bundle, partial, self.evaluated.trials), folder)
        report = json.loads(partial.read_text(encoding="utf-8"))
        write_json({**report, "cell_seconds": time.monotonic() - began}, partial)
        os.replace(partial, self.report)


def run_cell(run: CellRun) -> str:
    """Complete a cell in a worker; returns what was wrong, or nothing."""
    torch.set_num_threads(1)
    try:
        run.go()
    except PushcellError as error:
        return str(error)
    except OSError as error:  # a full disk, above all
        return f"{error.filename or run.store}: {error.strerror}"
    except Exception as error:  # noqa: BLE001 - a fault of one cell must not end the others
        folder = run.cell.training.folder(run.store)
        with (folder / LOG).open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        return f"{type(error).__name__}: {error} (log: {folder / LOG})"
    return ""


def _train(training: Training, out: Path) -> None:
    if training.start_from is not None:
        first = training.start_from.folder(out)
        first.mkdir(parents=True, exist_ok=True)
        # Other cells start from it too.
        with alone_in(first, waits=True), _logged(first / LOG):
            _train(training.start_from, out)
    folder = training.folder(out)
    if (folder / "trained.json").exists():
        return
    run, partial, file = folder / "run", folder / "trained.partial", folder / "training.yaml"
    # JSON is YAML, and it is what was asked for with every change made.
    file.write_text(training.config.model_dump_json(indent=2), encoding="utf-8")
    words = ["train", str(file), "--out", str(run), "--json", str(partial)]
    words += ["--resume"] if (run / "last.pt").exists() else []
    _run(words, folder)
    os.replace(partial, folder / "trained.json")


def _run(words: Sequence[str], folder: Path) -> None:
    """One command, logged; raises CellError with what it said last."""
    said = io.StringIO()
    print(f"$ pushcell {' '.join(words)}", flush=True)
    with contextlib.redirect_stderr(said):
        code = cli.main(words)
    print(said.getvalue(), flush=True)
    if code:
        why = " ".join(said.getvalue().split()).removeprefix("error: ")
        raise CellError(f"pushcell {words[0]} ended with {code}: {why} (log: {folder / LOG})")


@contextlib.contextmanager
def _logged(log: Path) -> Iterator[None]:
    """What this process prints within it, libraries' warnings too, goes to the file's end."""
    streams = (sys.stdout, sys.stderr)
    before = [os.dup(stream.fileno()) for stream in streams]
    with log.open("a", encoding="utf-8") as file:
        for stream in streams:
            os.dup2(file.fileno(), stream.fileno())
        try:
            yield
        finally:
            for stream, kept in zip(streams, before, strict=True):
                stream.flush()
                os.dup2(kept, stream.fileno())
                os.close(kept)
