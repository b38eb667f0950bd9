"""What a calibration came to, and its dated files: a result over its limits is not saved."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from calibration.report import ReportFigure, page
from pushcell import __version__
from pushcell.command_output import console_beside, figures_table, show_result
from pushcell.errors import CalibrationError


@dataclass(frozen=True)
class CalibrationOutcome:
    """Numbers as JSON has them, what is shown to people, and why it must not be used, if so.

    ``files`` are suffix and text of what is saved beside the JSON.
    """

    kind: str
    figures: Mapping[str, Any]
    shown: Mapping[str, str]
    pictures: Sequence[ReportFigure]
    problems: Sequence[str] = ()
    warnings: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Saved:
    """A result's files by suffix (html; json and others unless refused), and the JSON's values."""

    outcome: CalibrationOutcome
    result: Mapping[str, Any]
    files: Mapping[str, Path]
    refused: bool

    @property
    def path(self) -> Path | None:
        """The JSON file; None for a refused result, of which there is the report alone."""
        return self.files.get("json")


def save(outcome: CalibrationOutcome, out: Path, force: bool = False) -> Saved:
    """Write a result's dated files to a folder; one over its limits is refused unless forced.

    Raises CalibrationError where the folder cannot be written.
    """
    refused = bool(outcome.problems) and not force
    report = page(
        f"{_title(outcome)} calibration" + (", refused" if refused else ""),
        outcome.shown,
        outcome.pictures,
        outcome.problems,
        outcome.warnings,
    )
    stem = f"{outcome.kind}_{time.strftime('%Y-%m-%d_%H-%M-%S')}"
    result = {
        "kind": outcome.kind,
        "version": __version__,
        "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **outcome.figures,
        "warnings": list(outcome.warnings),
        "problems": list(outcome.problems),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        files = _write(out, stem, result, outcome.files, report, refused)
    except OSError as error:
        raise CalibrationError(
            f"{out} cannot be written ({error.strerror}): choose another --out"
        ) from None
    return Saved(outcome, result, files, refused)


def show(saved: Saved, json_target: Path | None = None) -> None:
    """Print a result, its warnings and problems, and where its files are."""
    names = {suffix: str(path) for suffix, path in saved.files.items()}
    table = figures_table(_title(saved.outcome), saved.outcome.shown)
    show_result({**saved.result, "saved": names}, table, json_target)
    _say(console_beside(json_target), saved.outcome, names, saved.refused)


def finish(outcome: CalibrationOutcome, out: Path, force: bool, json_target: Path | None) -> int:
    """Save and show it; the exit code: 0 good, 1 over its limits."""
    show(save(outcome, out, force), json_target)
    return 1 if outcome.problems else 0


def _title(outcome: CalibrationOutcome) -> str:
    return outcome.kind.replace("_", "-")


def _write(
    out: Path,
    stem: str,
    result: Mapping[str, Any],
    files: Mapping[str, str],
    report: str,
    refused: bool,
) -> dict[str, Path]:
    """Path of each file by its suffix. Of a refused result there is the report alone."""
    texts = {".html": report}
    if not refused:
        texts |= {".json": json.dumps(result, indent=2) + "\n", **files}
    name = f"{stem}_refused" if refused else stem
    for suffix, text in texts.items():
        (out / (name + suffix)).write_text(text, encoding="utf-8")
    return {suffix.lstrip("."): out / (name + suffix) for suffix in texts}


def _say(
    console: Console, outcome: CalibrationOutcome, saved: Mapping[str, str], refused: bool
) -> None:
    for warning in outcome.warnings:
        console.print(f"warning: {warning}", highlight=False)
    for problem in outcome.problems:
        console.print(f"over its limits: {problem}", highlight=False)
    if refused:
        console.print("no result is saved; --force saves it all the same", highlight=False)
    for path in saved.values():
        console.print(f"written: {path}", highlight=False, soft_wrap=True)
