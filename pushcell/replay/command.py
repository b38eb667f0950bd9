"""``pushcell replay``: what happened, and what a policy would have done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional, UseAppendAction, arg

from policy_server.bundle import load_policy
from policy_server.compatibility import check_fits_cell
from policy_server.delay import InjectedDelay
from policy_server.policy import Policy
from pushcell.command_output import console_beside, write_json
from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import ConfigError, EpisodeError
from pushcell.replay.baseline import load_baseline, moved
from pushcell.replay.open_recording import find_recordings
from pushcell.replay.pictures import first_picture, overview, write_video
from pushcell.replay.plots import plots_png
from pushcell.replay.policy_run import PolicyRun, ReplayOptions
from pushcell.replay.recorded_run import RecordedRun
from pushcell.replay.recording import Recording
from pushcell.replay.report import ReportPage, encoded_video, first_page, report
from pushcell.replay.result import ReplayResult
from pushcell.replay.viewers import write_foxglove, write_rerun


@dataclass(frozen=True)
class Replay:
    """Show what happened in an episode or a bag, and what a policy would have done.

    It needs no ROS. The recorded messages pass through the robot's own observation, scheduler,
    sampler and motion code on a virtual clock; the same inputs give the same digest. The exit code
    is 1 if predictions differ from the baseline, a recording of a folder is rejected, or a policy
    never infers.

    examples:
      pushcell replay episodes/2026-11-20_14-03-11 --policy target_state --report push.html
      pushcell replay episodes --policy a --policy b --delay 0.2 --json replays.json
    """

    recording: Positional[Path]
    """An episode, a rosbag2 bag (a folder, .mcap or .db3), or a folder of them."""
    policy: UseAppendAction[tuple[str, ...]] = ()
    """The name of a shipped policy, or the path of a bundle; repeat it for several. Without it, the
    replay shows only the recording."""
    mapping: Annotated[Path | None, arg(metavar="FILE")] = None
    """YAML file that maps the topics of another system's bag; see docs/replay.md."""
    chunking: str | None = None
    """How action chunks are joined: receding, asynchronous, ensembling[:K] or realtime; by default
    as recorded with the same policy, otherwise realtime."""
    delay: Annotated[str | None, arg(metavar="SECONDS")] = None
    """Injected inference delay of each chunk; LOW,HIGH for a low delay with bursts of a high
    one."""
    drop: Annotated[float, arg(metavar="P")] = 0.0
    """Share of the observed messages to drop, 0 to 1."""
    seed: int | None = None
    """Seed of the policy's noise and of the dropped messages; by default as recorded with the same
    policy, otherwise 0."""
    report: Annotated[Path | None, arg(metavar="FILE.html")] = None
    """Write a report with pictures, plots and a video."""
    baseline: Annotated[Path | None, arg(metavar="FILE.json")] = None
    """An earlier --json file; the exit code is 1 if predictions differ by more than --tolerance."""
    tolerance: Annotated[float, arg(metavar="METRES")] = 0.001
    """Allowed difference from the baseline."""
    foxglove: Annotated[Path | None, arg(metavar="FILE.mcap")] = None
    """Write predictions and stops as standard messages; open the file together with the bag."""
    rerun: Annotated[Path | None, arg(metavar="FILE.rrd")] = None
    """Write images, paths and predictions for Rerun (pip install 'pushcell[rerun]')."""
    cell: Path = Path("sim")
    """The cell: the name of a shipped cell, or the path of a cell file."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command."""
    options = tyro.cli(Replay, prog="pushcell replay", args=list(words))
    cell = load_cell(options.cell)
    settings = _settings(options)
    policies = {name: _load(name, cell) for name in options.policy}
    paths = find_recordings(options.recording)
    if len(paths) > 1 and (options.foxglove or options.rerun):
        raise ConfigError("--foxglove and --rerun need a single recording, not a folder of several")
    before = load_baseline(options.baseline) if options.baseline else None
    console = console_beside(options.json)
    outcomes: list[ReplayResult] = []
    pages: list[ReportPage] = []
    refused: dict[str, str] = {}
    for path in paths:
        try:
            with Recording(path, cell, options.mapping) as recording:
                found = _replay(recording, policies, settings, options)
                if options.report is not None:
                    pages.append(_page(recording, found))
                if options.foxglove is not None:
                    write_foxglove(options.foxglove, found, cell)
                if options.rerun is not None:
                    write_rerun(options.rerun, recording, found)
        except EpisodeError as error:
            if len(paths) == 1:
                raise
            refused[path.name] = str(error)
        else:
            outcomes += found
    figures = [outcome.figures() for outcome in outcomes]
    if options.report is not None:
        options.report.write_text(report(pages, refused), encoding="utf-8")
    console.print(_table(outcomes, refused))
    for name, why in refused.items():
        console.print(f"[red]{name}[/]: {escape(why)}")
    for outcome in outcomes:
        for line in _remarks(outcome):
            console.print(line)
    write_json({"replays": figures, "refused": refused}, options.json)
    changes = moved(figures, before, options.tolerance) if before is not None else []
    for change in changes:
        console.print(f"[red]moved[/] {escape(change)}")
    idle = any(outcome.nothing_done for outcome in outcomes)
    return int(bool(changes or refused or idle))


def _settings(options: Replay) -> ReplayOptions:
    if not 0 <= options.drop < 1:
        raise ConfigError(f"--drop must be at least 0 and less than 1, not {options.drop}")
    if not options.tolerance >= 0:
        raise ConfigError(f"--tolerance must be at least 0, not {options.tolerance}")
    delay = InjectedDelay.parse(options.delay) if options.delay else None
    return ReplayOptions(options.chunking, delay, options.drop, options.seed)


def _load(name: str, cell: CellConfig) -> Policy:
    policy = load_policy(name)
    check_fits_cell(policy.manifest, cell, name)
    return policy


def _replay(
    recording: Recording, policies: dict[str, Policy], settings: ReplayOptions, options: Replay
) -> list[ReplayResult]:
    """All policies over one recording, or the recording by itself."""
    if options.report is not None and not options.report.exists():
        page = first_page(recording.name, first_picture(recording))
        options.report.write_text(page, encoding="utf-8")
    quality = None if recording.info is None else recording.info.quality
    if not policies:
        return [RecordedRun(recording).run(quality)]
    return [PolicyRun(recording, p, name, settings).run(quality) for name, p in policies.items()]


def _page(recording: Recording, outcomes: list[ReplayResult]) -> ReportPage:
    video = encoded_video(lambda path: write_video(path, recording, outcomes))
    picture = overview(recording, outcomes)
    return ReportPage(recording.name, outcomes, picture, video, plots_png(outcomes))


def _remarks(outcome: ReplayResult) -> list[str]:
    """Why nothing came of it, what was left out, the worst first, and what else is to be known."""
    name = escape(f"{outcome.recording}, {outcome.title}")
    failed = [f"[red]{name}[/]: {escape(why)}" for why in [outcome.nothing_done] if why]
    return failed + [f"{name}: {escape(line)}" for line in (*outcome.losses, *outcome.notes)]


def _table(outcomes: Sequence[ReplayResult], refused: dict[str, str]) -> Table:
    """One row a replay."""
    table = Table(title=f"replays: {len(outcomes)}, refused: {len(refused)}")
    for title in (
        "recording",
        "policy",
        "s",
        "chunks",
        "error [mm]",
        "stops",
        "left out",
        "digest",
    ):
        table.add_column(title, justify="left" if title in ("recording", "policy") else "right")
    for outcome in outcomes:
        errors = outcome.errors(outcome.executed)
        shown = f"{1e3 * errors[0]:.1f} .. {1e3 * errors[-1]:.1f}" if len(errors) else "-"
        table.add_row(
            outcome.recording,
            outcome.title,
            f"{outcome.duration_s:.1f}",
            str(len(outcome.chunks)),
            shown,
            str(len(outcome.stops)),
            str(sum(outcome.left_out.values())),
            outcome.digest[:12],
        )
    return table
