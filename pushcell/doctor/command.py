"""``pushcell doctor``: what of this machine would keep a cell from working."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.markup import escape
from rich.table import Table
from tyro.conf import arg

from pushcell.command_output import show_result
from pushcell.config.cell import load_cell
from pushcell.doctor import hardware, machine, network, software
from pushcell.doctor.finding import DoctorFinding, Severity


@dataclass(frozen=True)
class Doctor:
    """Check Python, ROS, clocks, disk, permissions, cameras and the arm's link.

    Each line is green, yellow (works, could be better) or red, and tells you what to do. The exit
    code is 1 if a line is red.

    example:
      pushcell doctor --cell iiwa
    """

    cell: Path = Path("sim")
    """The cell: the name of a shipped cell, or the path of a cell file."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the findings as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; 1 when a line is red."""
    options = tyro.cli(Doctor, prog="pushcell doctor", args=list(words))
    cell = load_cell(options.cell)
    findings = [
        *software.examine(),
        *machine.examine(),
        *network.examine(),
        *hardware.examine(cell),
    ]
    figures = {"findings": [asdict(finding) for finding in findings]}
    show_result(figures, _table(findings), options.json)
    return int(any(finding.level is Severity.RED for finding in findings))


def _table(findings: Iterable[DoctorFinding]) -> Table:
    table = Table(title="checks of this machine")
    for title in ("", "what", "found", "what to do"):
        table.add_column(title)
    for finding in findings:
        light = f"[{finding.level.value}]{finding.level.value}[/]"
        table.add_row(light, *map(escape, (finding.what, finding.found, finding.advice)))
    return table
