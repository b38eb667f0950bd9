"""Episodes in words: what ``pushcell episodes`` tells of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from pushcell.bags.bag_reader import BagReader
from pushcell.recording.control_log import takeovers
from pushcell.recording.episode_info import EpisodeInfo
from pushcell.recording.store import BAG_FILE

_S = 1e-9


def entry_of(episode: Path, info: EpisodeInfo) -> dict[str, Any]:
    """Of one episode, in plain values; raises EpisodeError for a bag that cannot be read."""
    with BagReader(episode / BAG_FILE) as bag:
        summary = bag.summary
    return {
        "path": str(episode),
        "origin": info.origin,
        "verdict": info.verdict,
        "reason": info.reason,
        "recovered": info.recovered,
        "duration_s": (summary.end_ns - summary.start_ns) * _S,
        "messages": dict(summary.counts),
        "quality": None if info.quality is None else info.quality.model_dump(mode="json"),
        "driven": [
            {
                "source": span.source,
                "from_s": (span.start_ns - summary.start_ns) * _S,
                "to_s": (span.end_ns - summary.start_ns) * _S,
            }
            for span in info.driven
        ],
        "takeovers": len(takeovers(info.driven)),
    }


def list_table(entries: list[dict[str, Any]]) -> Table:
    """A table with one row per episode; ``entries`` are those of `entry_of`."""
    shown = Table(title=f"{len(entries)} episodes")
    for title in ("episode", "verdict", "quality", "seconds", "messages", "notes"):
        shown.add_column(title, no_wrap=title == "episode")
    for entry in entries:
        quality = entry["quality"] or {"verdict": "-", "reasons": []}
        notes = ["recovered"] if entry["recovered"] else []
        notes += [f"{entry['takeovers']} takeovers"] if entry["takeovers"] else []
        shown.add_row(
            Path(entry["path"]).name,
            entry["verdict"],
            quality["verdict"],
            f"{entry['duration_s']:.1f}",
            str(sum(entry["messages"].values())),
            "; ".join([*notes, *_first(quality["reasons"])]),
        )
    return shown


def _first(reasons: list[str]) -> list[str]:
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return [reasons[0] + more] if reasons else []


def episode_table(entry: dict[str, Any]) -> Table:
    """One row a topic, and what is known besides."""
    shown = Table(title=Path(entry["path"]).name, caption_justify="left")
    for title in ("topic", "messages", "rate [Hz]", "longest gap [s]", "lost", "delay [s]"):
        shown.add_column(title, justify="left" if title == "topic" else "right")
    streams = (entry["quality"] or {"streams": {}})["streams"]
    for topic, count in entry["messages"].items():
        figures = streams.get(topic) or streams.get(topic.rpartition("/")[0])
        if figures is None:
            rate = count / entry["duration_s"] if entry["duration_s"] else 0.0
            shown.add_row(topic, str(count), f"{rate:.1f}", "", "", "")
            continue
        shown.add_row(
            topic,
            str(count),
            f"{figures['rate_hz']:.1f}",
            f"{figures['longest_gap_s']:.3f}",
            str(figures["lost"]),
            f"{figures['delay_s']:.3f}",
        )
    lines = [
        f"{entry['origin']}, {entry['duration_s']:.1f} s",
        f"operator: {entry['verdict']}, {entry['reason']}",
    ]
    if entry["quality"]:
        lines.append(f"quality gate: {entry['quality']['verdict']}")
        lines += [f"- {reason}" for reason in entry["quality"]["reasons"]]
    for span in entry["driven"]:
        lines.append(f"{span['from_s']:.1f} to {span['to_s']:.1f} s: {span['source']} drove")
    shown.caption = "\n".join(lines)
    return shown
