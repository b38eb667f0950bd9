"""``pushcell data show|check``: what is in a data set, and what is odd in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import tyro
from rich.table import Table
from tyro.conf import Positional, arg

from pushcell.command_output import console_beside, nothing_done, write_json
from pushcell.errors import ConfigError, EpisodeError
from pushcell.formats.data_set import DataSet, Demonstration, Selective
from pushcell.formats.inspection import DataFinding, Inspection, inspect, trimmed
from pushcell.formats.open_data_set import open_data_set
from pushcell.recording.contact_sheet import sheet, sheet_row
from pushcell.recording.store import PARTIAL, naming_a_full_disk

_COLOURS = {"good": "green", "warn": "yellow", "bad": "red"}
_MOST_ROWS = 24


@dataclass(frozen=True)
class ShowData:
    """Print features, ranges, lengths, idle frames, delays and unusual episodes of a data set.

    It reads every format that `pushcell convert` reads, and Push-T sets.

    example:
      pushcell data show set.parquet --sheet sheet.png
    """

    source: Positional[Path]
    """A folder of episodes, a zarr group (folder or zip), a LeRobot data set or a packed file."""
    sheet: Path | None = None
    """Write a picture with some images of each episode to this file."""
    image_px: tuple[int, int] = (128, 128)
    """Width and height to which images of episodes are resized (px)."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


@dataclass(frozen=True)
class CheckData:
    """Check a data set. Each finding is good, a warning or bad; if one is bad, the exit code is 1.

    example:
      pushcell data check set.parquet --trim-idle cleaned.parquet
    """

    source: Positional[Path]
    """A folder of episodes, a zarr group (folder or zip), a LeRobot data set or a packed file."""
    trim_idle: Path | None = None
    """Write a packed copy without the idle ends of episodes to this file."""
    image_px: tuple[int, int] = (128, 128)
    """Width and height to which images of episodes are resized (px)."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


_COMMANDS = {"show": ShowData, "check": CheckData}


def main(words: Sequence[str]) -> int:
    """Run the command; raises EpisodeError."""
    if not words or words[0] not in _COMMANDS:
        if words and words[0] in ("-h", "--help"):
            print("usage: pushcell data show|check SET ... (details: pushcell data show --help)")
            return 0
        raise ConfigError("pushcell data needs one of: show, check")
    options: Any = tyro.cli(
        _COMMANDS[words[0]], prog=f"pushcell data {words[0]}", args=list(words[1:])
    )
    data_set = open_any(options.source, options.image_px)
    inspection = inspect(data_set)
    if isinstance(options, ShowData):
        return _show(options, data_set, inspection)
    return _check(options, data_set, inspection)


def open_any(path: Path, image_px: tuple[int, int]) -> DataSet:
    """A data set in our units, with the slider or without, or a Push-T set in its own.

    Raises EpisodeError for what is none.
    """
    try:
        return open_data_set(path, image_px)
    except EpisodeError as error:
        for opened in (_pusht, _lerobot_without_slider, _zarr_without_slider):
            with suppress(EpisodeError):
                return opened(path)
        raise error from None


def _pusht(path: Path) -> DataSet:
    from pushcell.formats.pusht_format import PushTSet

    return PushTSet(path)


def _lerobot_without_slider(path: Path) -> DataSet:
    from pushcell.formats.lerobot_format import LeRobotSet

    return LeRobotSet(path, slider_needed=False)


def _zarr_without_slider(path: Path) -> DataSet:
    from pushcell.formats.zarr_format import ZarrSet

    return ZarrSet(path, slider_needed=False)


def figures_of(inspection: Inspection) -> dict[str, Any]:
    """The figures of an inspection as plain values for JSON."""
    lengths = inspection.lengths
    return {
        "episodes": len(lengths),
        "frames": inspection.frames,
        "rate_hz": inspection.rate_hz,
        "length": {
            "least": min(lengths),
            "median": float(np.median(lengths)),
            "most": max(lengths),
        },
        "ranges": {
            key: [inspection.low[key].tolist(), inspection.high[key].tolist()]
            for key in inspection.vectors
        },
        "cameras": {name: list(shape) for name, shape in inspection.shapes.items()},
        "lag_steps": inspection.lag,
        "findings": [vars(finding) for finding in inspection.findings()],
    }


def _show(options: ShowData, data_set: DataSet, inspection: Inspection) -> int:
    console = console_beside(options.json)
    console.print(_features(options.source, inspection))
    _print_findings(console.print, data_set, inspection.findings())
    if options.sheet is not None:
        _write_sheet(data_set, options.sheet)
        console.print(f"written: {options.sheet}", markup=False)
    write_json(figures_of(inspection), options.json)
    return 0


def _check(options: CheckData, data_set: DataSet, inspection: Inspection) -> int:
    console = console_beside(options.json)
    findings = inspection.findings()
    _print_findings(console.print, data_set, findings)
    if options.trim_idle is not None:
        if not inspection.has_slider:
            raise EpisodeError("a packed copy needs the slider's poses: leave --trim-idle out")
        removed = inspection.frames - _write_trimmed(data_set, options.trim_idle)
        if removed == inspection.frames:
            return nothing_done("written", "nothing moves in any episode", options.json)
        console.print(f"written: {options.trim_idle}, without {removed} frames", markup=False)
    write_json(figures_of(inspection), options.json)
    return int(any(finding.verdict == "bad" for finding in findings))


def _features(source: Path, inspection: Inspection) -> Table:
    lengths = inspection.lengths
    table = Table(
        title=f"{source}: {len(lengths)} episodes of {min(lengths)} to {max(lengths)} frames at "
        f"{inspection.rate_hz:g} Hz"
    )
    for title in ("feature", "shape", "least", "most"):
        table.add_column(title)
    for key in inspection.vectors:
        low, high = inspection.low[key], inspection.high[key]
        table.add_row(key, str(low.shape), _numbers(low), _numbers(high))
    for name, shape in inspection.shapes.items():
        table.add_row(f"camera {name}", str(shape), "", "")
    return table


def _print_findings(show: Any, data_set: DataSet, findings: Sequence[DataFinding]) -> None:
    if isinstance(data_set, Selective):
        for why, count in data_set.left_out.most_common():
            show(f"{count} episodes left out: {why}", markup=False)
    for finding in findings:
        show(f"[{_COLOURS[finding.verdict]}]{finding.verdict}[/] {finding.text}")


def _write_sheet(data_set: DataSet, path: Path) -> None:
    rows = []
    for one in data_set:
        seen = next(iter(one.steps.images.values()), None)
        if seen is None:
            raise EpisodeError("the set has no images: leave --sheet out")
        rows.append(sheet_row(one.name, list(seen)))
        if len(rows) == _MOST_ROWS:
            break
    if not cv2.imwrite(str(path), sheet(rows)[:, :, ::-1]):
        raise EpisodeError(f"{path} cannot be written: name a picture, such as sheet.png")


def _write_trimmed(data_set: DataSet, path: Path) -> int:
    """How many frames were kept; the file is there whole or not at all."""
    from pushcell.formats.packed_format import write_packed

    if path.exists():
        raise EpisodeError(f"{path} is there already: choose another, or delete it")
    kept = 0

    def moved() -> Iterator[Demonstration]:
        nonlocal kept
        for one in data_set:
            steps = trimmed(one.steps)
            if len(steps):
                kept += len(steps)
                yield Demonstration(one.name, steps)

    partial = path.with_name(path.name + PARTIAL)
    with naming_a_full_disk(str(path)):
        write_packed(moved(), partial)
    if kept:
        os.replace(partial, path)
    return kept


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
