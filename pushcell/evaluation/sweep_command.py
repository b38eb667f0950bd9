"""``pushcell sweep``: one training in variants, each trained, exported and evaluated alike.

``pushcell sweep delay`` is a study of its own: of one bundle under many delays.

What has been done is left: a sweep that was stopped goes on with the same command.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from matplotlib.figure import Figure
from pydantic import Field
from rich.table import Table
from tyro.conf import Positional, arg

from policy_server.bundle_files import read_manifest
from pushcell.cli import main as cli
from pushcell.command_output import show_result
from pushcell.config.types import Name, Positive, Section
from pushcell.config.validation import read_schema
from pushcell.shipped import STUDIES

Changes = tuple[str, ...]


class Variant(Section):
    """One of a study's trainings; ``changes`` are as of ``pushcell train --set``."""

    name: Name
    changes: Changes


class Study(Section):
    """The schema of ``config/sweep/*.yaml``."""

    train: Path
    """The name of the training of which all are variants, or the path of its file."""
    changes: Changes = ()
    """For all of them."""
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]
    world: Literal["source", "target", "pusht"]
    time_step_s: Positive | None = None
    trials: Annotated[int, Field(ge=1)] = 100
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class Sweep:
    """Train, export and evaluate the variants of a study, and compare success with latency.

    A built-in study evaluates one bundle under many delays: see pushcell sweep delay --help.

    examples:
      pushcell sweep sizes --out runs/sizes --picture sizes.png
      pushcell sweep delay target_state --out runs/delay
    """

    study: Positional[Path]
    """The name of a shipped study, such as sizes, or the path of a study file."""
    out: Path
    """Folder for runs, bundles and reports; variants that are complete there are skipped."""
    set: Changes = ()
    """Further changes of the training, as KEY=VALUE, for all variants."""
    workers: int | None = None
    """Number of processes of each evaluation; by default one per CPU."""
    picture: Annotated[Path | None, arg(metavar="FILE.png")] = None
    """Write a picture of success against latency."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises ConfigError, and what training and evaluating raise."""
    if words and words[0] == "delay":
        from pushcell.evaluation.delay_command import main as delay

        return delay(words[1:])
    options = tyro.cli(Sweep, prog="pushcell sweep", args=list(words))
    study = read_schema(Study, STUDIES.find(options.study))
    rows = []
    for variant in study.variants:
        code, row = _run(study, variant, options)
        if code:
            return code
        rows.append(row)
    if options.picture is not None:
        _draw(rows, options.picture)
    show_result({"variants": rows}, _table(rows), options.json)
    return 0


def _run(study: Study, variant: Variant, options: Sweep) -> tuple[int, dict[str, Any]]:
    """The exit code of what failed, or 0, and the variant's figures."""
    folder = options.out / variant.name.replace(" ", "_")
    run, bundle, report = folder / "run", folder / "bundle", folder / "report.json"
    trained = folder / "trained.json"
    folder.mkdir(parents=True, exist_ok=True)
    changes = [*study.changes, *variant.changes, *options.set]
    training = ["train", str(study.train), "--out", str(run), "--json", str(trained)]
    training += ["--resume"] if (run / "last.pt").exists() else []
    evaluation = ["evaluate", str(bundle), "--world", study.world, "--json", str(report)]
    evaluation += ["--trials", str(study.trials), "--seed", str(study.seed)]
    evaluation += ["--time-step", str(study.time_step_s)] if study.time_step_s else []
    evaluation += ["--workers", str(options.workers)] if options.workers else []
    for made, words in {
        trained: [*training, "--set", *changes],
        bundle: ["export", str(run / "last.pt"), "--out", str(bundle)],
        report: evaluation,
    }.items():
        if not made.exists() and (code := cli.main(words)):
            trained.unlink(missing_ok=True)  # a training that was stopped goes on
            return code, {}
    return 0, _figures(variant, bundle, report)


def _figures(variant: Variant, bundle: Path, report: Path) -> dict[str, Any]:
    manifest, told = read_manifest(bundle), json.loads(report.read_text())
    assert manifest.latency is not None
    kept = ("trials", "successes", "success_rate", "wilson95")
    return {
        "name": variant.name,
        "parameters": manifest.training.parameters,
        "latency_p50_ms": manifest.latency.p50_ms,
        **{key: told[key] for key in kept},
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    for title in ("variant", "parameters", "ms a chunk", "succeeded", "95 % interval"):
        table.add_column(title, justify="left" if title == "variant" else "right")
    for row in rows:
        low, high = row["wilson95"]
        table.add_row(
            row["name"],
            f"{row['parameters']:,}",
            f"{row['latency_p50_ms']:.2f}",
            f"{row['successes']} of {row['trials']}",
            f"{low:.1%} to {high:.1%}",
        )
    return table


def _draw(rows: list[dict[str, Any]], picture: Path) -> None:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        rate, (low, high) = row["success_rate"], row["wilson95"]
        spread = [[100 * (rate - low)], [100 * (high - rate)]]
        axes.errorbar(row["latency_p50_ms"], 100 * rate, spread, fmt="o", color="tab:blue")
        axes.annotate(
            row["name"],
            (row["latency_p50_ms"], 100 * rate),
            xytext=(6, -12),
            textcoords="offset points",
        )
    axes.set(xlabel="ms a chunk, one thread", ylabel="success [%], 95 % interval", ylim=(0, 102))
    axes.margins(x=0.25)
    figure.savefig(picture, dpi=120)
