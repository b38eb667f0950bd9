"""What a command tells at its end: a table for people and, where asked for, the same as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pushcell.errors import PushcellError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def console_beside(json_target: Path | None) -> Console:
    """Where people read: standard output, unless the JSON goes there."""
    return Console(file=sys.stderr if json_target == Path("-") else sys.stdout)


def show_result(
    figures: Mapping[str, Any], table: Table, json_target: Path | None, following: str = ""
) -> None:
    """Print the table, and write the figures to a file, or to standard output for ``-``.

    ``following`` is the command that people will want next.
    """
    console = console_beside(json_target)
    console.print(table)
    if following:
        console.print(f"next: {following}", markup=False, highlight=False, soft_wrap=True)
    write_json(figures, json_target)


def write_json(figures: Mapping[str, Any], json_target: Path | None) -> None:
    """To a file, to standard output for ``-``, or nowhere; raises PushcellError."""
    if json_target is None:
        return
    text = json.dumps(figures, indent=2) + "\n"
    if json_target == Path("-"):
        sys.stdout.write(text)
    else:
        write_text(text, json_target)


def write_text(text: str, path: Path) -> None:
    """To a file; raises PushcellError."""
    with _writing(path):
        path.write_text(text, encoding="utf-8")


def write_picture(figure: Figure, picture: Path, dpi: int = 100) -> None:
    """To a file whose name says in which format; raises PushcellError."""
    known = figure.canvas.get_supported_filetypes()
    if picture.suffix.removeprefix(".") not in known:
        raise PushcellError(f"{picture} cannot be written: a picture is one of {', '.join(known)}")
    with _writing(picture):
        figure.savefig(picture, dpi=dpi)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise PushcellError(f"{path} cannot be written: {error.strerror}") from None


def figures_table(title: str, figures: Mapping[str, Any]) -> Table:
    """One row a figure."""
    table = Table(title=title, show_header=False, min_width=len(title))
    for name, value in figures.items():
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        table.add_row(name.replace("_", " "), shown)
    return table


def nothing_done(what: str, why: str, json_target: Path | None) -> int:
    """Say that nothing was done, and why; returns the exit code of what is no success."""
    console_beside(json_target).print(f"[red]nothing was {what}[/]: {escape(why)}")
    write_json({"nothing_done": why}, json_target)
    return 1
