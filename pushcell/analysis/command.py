"""``pushcell analyse``: what a cotrained policy has learned of its data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional, arg

from pushcell.analysis.html_report import error_rows, html_report, probe_rows
from pushcell.command_output import (
    console_beside,
    show_result,
    write_json,
    write_picture,
    write_text,
)
from pushcell.errors import ConfigError

REPORT, RESULT = "report.html", "analysis.json"

_MOST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Analyse:
    """Show what a policy that was trained on several data sets has learned of each.

    Probes read from the observation's embedding, and from the last activation of the denoising
    network, which data set a window is of. The report also has a picture of the embeddings, the
    action error on each set, and the demonstrated chunks nearest to the policy's.

    examples:
      pushcell analyse runs/cotrained/last.pt --out runs/cotrained/analysis
      pushcell analyse runs/mine/last.pt --out runs/mine/analysis --target robot --windows 500
    """

    checkpoint: Positional[Path]
    """Checkpoint that `pushcell train` wrote; its data sets must still exist."""
    out: Path
    """Folder for report.html, its pictures and analysis.json; an earlier analysis is replaced."""
    target: str | None = None
    """Name of the target data set; by default that of data.mixture, else target."""
    windows: int = 2000
    """Number of windows of each data set that a probe is trained on, and as many to judge it on."""
    columns: int = 6
    """Number of windows whose nearest chunks are drawn."""
    seed: int = 0
    """Seed of the windows, the probes and the noise."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file as well; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises ConfigError, and what the analysis raises."""
    options = tyro.cli(Analyse, prog="pushcell analyse", args=list(words))
    for name, least in (("windows", 1), ("columns", 1), ("seed", 0)):
        if getattr(options, name) < least:
            raise ConfigError(f"--{name} must be at least {least}, not {getattr(options, name)}")
    if options.seed > _MOST_SEED:
        raise ConfigError(f"--seed must be at most {_MOST_SEED}, not {options.seed}")
    _check_folder(options.out)

    from pushcell.analysis.analysis import AnalysisSettings, analyse

    settings = AnalysisSettings(options.target, options.windows, options.columns, options.seed)
    analysis = analyse(options.checkpoint, settings)
    write_json(analysis.figures, options.out / RESULT)
    files = {name: options.out / f"{name}.png" for name in analysis.pictures}
    for name, figure in analysis.pictures.items():
        write_picture(figure, files[name], dpi=110)
    pictures = {name: file.read_bytes() for name, file in files.items()}
    write_text(html_report(analysis.figures, pictures), options.out / REPORT)
    show_result(analysis.figures, _table(analysis.figures), options.json)
    told = f"report: {options.out / REPORT}"
    console_beside(options.json).print(told, markup=False, highlight=False, soft_wrap=True)
    return 0


def _table(figures: dict[str, Any]) -> Table:
    nearest = figures["nearest"]
    shown = Table(title=f"what {figures['checkpoint']} has learned", show_header=False)
    for features, probe, accuracy, *_, interval, episodes in probe_rows(figures):
        words = f"{accuracy} ({interval}, {episodes} episodes)"
        shown.add_row(f"{probe} probe of the {features}", words)
    for data_set, error, _, episodes in error_rows(figures):
        shown.add_row(f"action error on {data_set}, {episodes} episodes", error)
    shown.add_row("target's nearest chunks in the source", f"{nearest['share_of_source']:.0%}")
    for note in figures["notes"]:
        shown.add_row("[yellow]note[/]", escape(note))
    return shown


def _check_folder(out: Path) -> None:
    """Raise ConfigError where a folder is none, or something else's."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out} is a file, and must be a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / RESULT).exists():
        raise ConfigError(f"--out {out} contains something else than an analysis: choose another")
