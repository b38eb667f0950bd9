"""``pushcell label``: the slider's pose in each recorded picture, from the pictures alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.progress import track as progress
from tyro.conf import Positional, arg

from pushcell.command_output import console_beside, figures_table, show_result
from pushcell.config.cell import CellConfig, load_cell
from pushcell.errors import EpisodeError
from pushcell.labelling.accuracy import LabelErrors
from pushcell.labelling.recorded_views import read_views
from pushcell.labelling.session import Labeller
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.slider_labels import SliderLabels
from pushcell.recording.store import find_episodes

_LEFT = 1


@dataclass(frozen=True)
class Label:
    """Estimate the pose of the slider (the pushed object) in recorded images, without fiducials.

    The estimate uses the slider's outline and thickness, calibrated cameras (one fixed, one on the
    arm) and the pusher's pose, and assumes that the slider is at the goal when a success ends. Each
    episode gets a file slider_labels.json with a pose and its standard deviation for each image
    whose estimate is certain enough. Episodes that are not a success are skipped. If an
    episode could not be labelled, the exit code is 1.

    The training "recorded" also needs episodes of the source world: see docs/learning.md.

    example: pushcell label episodes --video label_videos
    """

    episodes: Positional[Path]
    """A folder of episodes, or one episode."""
    cell: Path = Path("sim")
    """The cell in which they were recorded: the name of a shipped cell, or the path of a cell
    file."""
    slider_height_m: float | None = None
    """Thickness of the slider (m); by default that of the cell's simulation."""
    video: Path | None = None
    """Folder for a video of each episode with the estimated outline drawn on it."""
    appearance: Path | None = None
    """Write the slider's colours to this file: with it slider_node finds the slider without
    fiducials."""
    truth: bool = False
    """Print the labels' errors; only for simulated episodes, which contain the true poses."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises EpisodeError."""
    options = tyro.cli(Label, prog="pushcell label", args=list(words))
    cell = load_cell(options.cell)
    episodes = _successes(options.episodes)
    labeller = Labeller(cell, _height_m(options, cell))
    labeller.learn(episodes)
    if options.appearance is not None:
        labeller.appearance.save(options.appearance)
    console = console_beside(options.json)
    labelled, problems = [], []
    for episode in progress(episodes, "labelling", console=console, transient=True):
        try:
            labelled.append(_label(episode, labeller, cell, options.video))
        except EpisodeError as error:
            problems.append(str(error))
    figures = _figures([labels for _, labels in labelled])
    if options.truth:
        errors = LabelErrors.of(path for path, _ in labelled)
        if errors is None:
            raise EpisodeError(f"{options.episodes} contains no true poses: omit --truth")
        figures |= errors.figures()
    following = "pushcell train recorded --out runs/recorded" if labelled else ""
    shown = figures_table(f"{len(labelled)} of {len(episodes)} episodes labelled", figures)
    show_result({**figures, "not_labelled": problems}, shown, options.json, following)
    for problem in problems:
        console.print(f"not labelled: {problem}", markup=False, highlight=False)
    return _LEFT if problems else 0


def _successes(folder: Path) -> list[Path]:
    found = find_episodes(folder)
    if not found:
        raise EpisodeError(f"{folder} contains no complete episode")
    episodes = [path for path in found if EpisodeInfo.load(path).verdict == "success"]
    if not episodes:
        raise EpisodeError(
            f"{folder} contains no successful episode: labelling starts at the end of a success,  "
            "with the slider at the goal (pushcell episodes relabel gives a verdict)"
        )
    return episodes


def _height_m(options: Label, cell: CellConfig) -> float:
    height_m = options.slider_height_m
    if height_m is None:
        if cell.simulation is None:
            raise EpisodeError(
                f"{options.cell} does not say how thick the slider is: give --slider-height-m"
            )
        return cell.simulation.physics.slider_height_m
    if not 0 < height_m < 0.2:
        raise EpisodeError(f"--slider-height-m is {height_m}, allowed: above 0 and below 0.2 m")
    return height_m


def _label(
    episode: Path, labeller: Labeller, cell: CellConfig, videos: Path | None
) -> tuple[Path, SliderLabels]:
    views = read_views(episode, cell)
    track = labeller.track(views)
    labels = track.labels(views)
    labels.save(episode)
    if videos is not None:
        from pushcell.labelling.label_video import write_label_video

        write_label_video(videos / f"{episode.name}.mp4", views, track, labeller.prism)
    return episode, labels


def _figures(labelled: Sequence[SliderLabels]) -> dict[str, float]:
    pictures = sum(labels.pictures for labels in labelled)
    left_out: Counter[str] = Counter()
    for labels in labelled:
        left_out.update(labels.left_out)
    figures: dict[str, float] = {
        "episodes": len(labelled),
        "pictures": pictures,
        "labels": sum(map(len, labelled)),
        **{f"left out: {why}": count for why, count in left_out.most_common()},
    }
    if figures["labels"]:
        deviations = np.concatenate([labels.deviations for labels in labelled])
        figures["said_place_deviation_mm"] = float(1e3 * np.median(deviations[:, :2]))
        figures["said_angle_deviation_deg"] = float(np.rad2deg(np.median(deviations[:, 2])))
    return figures
