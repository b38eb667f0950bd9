"""Kills the recorder with -9 at random moments: what is missing after its recovery."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.recording_rig import RecordingRig, make_frames, recorded_stamps
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.timing import Distribution

KILLS = 20
SEED = 0
LEAST_S, MOST_S = 1.5, 4.5


def run() -> dict[str, Any]:
    """Kill it in one episode after the other, each time starting it again."""
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), random.Random(SEED)
        make_frames(folder / "frames.npz")
        with RecordingRig(folder, folder / "frames.npz") as rig:
            kills = [_kill(rig, rng.uniform(LEAST_S, MOST_S)) for _ in range(KILLS)]
            published = rig.published()
        outcomes = [_missing(published, episode, at_ns) for episode, at_ns in kills]
    lost = [lost_s for lost_s, _ in outcomes]
    spread = Distribution.of(lost)
    return {
        "kills": KILLS,
        "seed": SEED,
        "lost_s": sorted(lost),
        "lost_p50_s": spread.p50,
        "lost_max_s": spread.max,
        "holes": sum(holes for _, holes in outcomes),
    }


def table(figures: dict[str, Any]) -> Table:
    """The distribution, and what is missing besides."""
    shown = Table(title=f"{figures['kills']} kills, seed {figures['seed']}", show_header=False)
    shown.add_row("seconds lost", " ".join(f"{value:.2f}" for value in figures["lost_s"]))
    shown.add_row("median, most", f"{figures['lost_p50_s']:.2f} {figures['lost_max_s']:.2f}")
    shown.add_row("messages missing before that", str(figures["holes"]))
    return shown


def good(figures: dict[str, Any]) -> bool:
    """At most the last second is missing, and nothing else."""
    return figures["lost_max_s"] <= 1.0 and not figures["holes"]


def _kill(rig: RecordingRig, after_s: float) -> tuple[Path, int]:
    """The episode that is recovered, and when its recorder was killed [ns]."""
    recorder = rig.start_recorder()
    rig.listen(2.0)
    rig.call("start")
    rig.wait(lambda: rig.state["state"] == "recording", 10.0)
    name = rig.state["episode"]
    rig.listen(after_s)
    recorder.kill()
    at_ns = time.time_ns()
    recorder.wait()
    again = rig.start_recorder()
    episode = rig.episodes / name
    if not EpisodeInfo.load(episode).recovered:
        raise SystemExit(f"error: {episode} was not recovered")
    again.terminate()
    again.wait(20)
    return episode, at_ns


def _missing(published: dict[str, list[int]], episode: Path, at_ns: int) -> tuple[float, int]:
    """Seconds before the kill from which on messages are missing; and how many before that are."""
    recorded = {t: s for t, s in recorded_stamps(episode).items() if t in published}
    newest = {topic: stamps[-1] for topic, stamps in recorded.items()}
    lost_from_ns, holes = at_ns, 0
    for topic, stamps in recorded.items():
        expected = [s for s in published[topic] if stamps[0] <= s <= at_ns]
        holes += len({s for s in expected if s <= newest[topic]} - set(stamps))
        missing = [s for s in expected if s > newest[topic]]
        lost_from_ns = min([lost_from_ns, *missing])
    return (at_ns - lost_from_ns) * 1e-9, holes
