"""``pushcell bench NAME``: runs a benchmark of the folder ``benchmarks/`` and prints its table."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import platform
import sys
from pathlib import Path
from types import ModuleType

from rich.console import Console

from pushcell.errors import PushcellError

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def main(arguments: list[str]) -> int:
    """Run one benchmark; its module has ``run() -> dict`` and ``table(figures) -> Table``.

    One that can fail also has ``good(figures) -> bool``: 1 is returned where it is not. Raises
    PushcellError where there are none: an installed wheel has no benchmarks.
    """
    if not BENCHMARKS.is_dir():
        raise PushcellError(
            "the wheel does not contain the benchmarks: run them from a checkout of the sources"
        )
    runnable = (path for path in BENCHMARKS.glob("*.py") if "\ndef run(" in path.read_text())
    names = sorted(path.stem for path in runnable)
    parser = argparse.ArgumentParser(
        prog="pushcell bench",
        description="Run a benchmark and print its results.",
        epilog="example: pushcell bench worlds --json worlds.json",
    )
    parser.add_argument("name", choices=names, help="name of the benchmark")
    parser.add_argument(
        "--json", metavar="FILE", help="write the results as JSON to this file; - for stdout"
    )
    asked = [
        parser.add_argument(
            "--seconds", type=float, help="duration in seconds, for benchmarks that have one"
        ),
        parser.add_argument("--cell", help="cell to run on, for benchmarks that use one"),
        parser.add_argument(
            "--resume",
            metavar="FILE",
            help="continue from this result file, for benchmarks that can",
        ),
    ]
    options = parser.parse_args(arguments)
    module = _load(options.name)
    told = {a.dest: value for a in asked if (value := getattr(options, a.dest)) is not None}
    for name in told.keys() - inspect.signature(module.run).parameters.keys():
        parser.error(f"{options.name} takes no --{name}")
    figures = module.run(**told)
    Console(file=sys.stderr if options.json == "-" else sys.stdout).print(module.table(figures))
    if options.json:
        _write({"machine": platform.platform(), **figures}, options.json)
    return int(hasattr(module, "good") and not module.good(figures))


def _load(name: str) -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS.parent))
    return importlib.import_module(f"benchmarks.{name}")


def _write(figures: dict[str, object], target: str) -> None:
    text = json.dumps(figures, indent=2)
    if target == "-":
        print(text)
    else:
        Path(target).write_text(text + "\n", encoding="utf-8")
