"""``pushcell calibrate latency``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import arg

from calibration.camera_latency import pusher_signals
from calibration.files import read_signal
from calibration.latency import Latency, Signal, measure_latency
from calibration.plots import latency_pictures
from calibration.result_files import CalibrationOutcome, finish
from pushcell.config.cell import load_cell
from pushcell.errors import CalibrationError


@dataclass(frozen=True)
class CalibrateLatency:
    """Measure the delay between a cause and its effect by cross-correlation.

    For a camera on the base, give an episode in which the pusher moves. The pusher's positions from
    the arm and from the images are compared; the result is how late the camera's stamps are. For
    anything else, give two signals on one clock, such as commanded and measured positions, or the
    brightness of a screen and of a camera's images of it. The result for an arm is the value of
    latency_s in the arm section of the cell file.

    examples:
      pushcell calibrate latency --episode episodes/2026-11-20_14-03-11 --camera overhead --out out
      pushcell calibrate latency --cause command.csv --effect measured.csv --out out
    """

    out: Path
    """Folder for the result."""
    episode: Path | None = None
    """Folder of an episode."""
    camera: str | None = None
    """Name of the camera in the cell file."""
    cell: Path = Path("sim")
    """The cell in which the episode was recorded."""
    cause: Path | None = None
    """CSV of the cause, with the columns time_s,value."""
    effect: Path | None = None
    """CSV of the effect, with the same columns."""
    longest: float = 1.0
    """Longest delay to search for (s)."""
    max_spread: float = 0.01
    """Limit: spread of the delay between parts of the record (s)."""
    min_correlation: float = 0.8
    """Limit: minimum correlation of effect and cause."""
    force: bool = False
    """Save the result even if it exceeds its limits."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the numbers as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises CalibrationError."""
    options = tyro.cli(CalibrateLatency, prog="pushcell calibrate latency", args=list(words))
    cause, effect = _signals(options)
    latency = measure_latency(cause, effect, options.longest)
    told = outcome(options, cause, effect, latency)
    return finish(told, options.out, options.force, options.json)


def _signals(options: CalibrateLatency) -> tuple[Signal, Signal]:
    if options.episode and options.camera and not (options.cause or options.effect):
        return pusher_signals(options.episode, load_cell(options.cell), options.camera)
    if options.cause and options.effect and not options.episode:
        return read_signal(options.cause), read_signal(options.effect)
    raise CalibrationError("give --episode and --camera, or --cause and --effect")


def outcome(
    options: CalibrateLatency, cause: Signal, effect: Signal, latency: Latency
) -> CalibrationOutcome:
    """What is told and saved of a result."""
    problems = []
    if latency.correlation < options.min_correlation:
        problems.append(
            f"{effect.name} follows {cause.name} with a correlation of {latency.correlation:.2f} "
            f"only, allowed {options.min_correlation:g}: are they of one record and one clock?"
        )
    if latency.spread_s > options.max_spread:
        problems.append(
            f"the delay spreads by {1e3 * latency.spread_s:.1f} ms over the record, allowed "
            f"{1e3 * options.max_spread:g} ms: record longer, with livelier motion"
        )
    return CalibrationOutcome(
        kind="latency",
        figures={
            "camera": options.camera,
            "latency_s": latency.delay_s,
            "spread_s": latency.spread_s,
            "lowest_s": float(latency.windows_s.min()),
            "highest_s": float(latency.windows_s.max()),
            "correlation": latency.correlation,
            "windows_s": latency.windows_s.tolist(),
        },
        shown={
            "latency": f"{1e3 * latency.delay_s:.1f} ms",
            "spread": f"{1e3 * latency.spread_s:.1f} ms over {len(latency.windows_s)} parts",
            "correlation": f"{latency.correlation:.3f}",
        },
        pictures=latency_pictures(cause, effect, latency),
        problems=problems,
    )
