"""Whether a replay still comes to what it came to before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pushcell.errors import EpisodeError


def load_baseline(path: Path) -> dict[tuple[str, str | None], Mapping[str, Any]]:
    """Figures of an earlier ``--json``, by recording and policy; raises EpisodeError."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["replays"]
        return {(entry["recording"], entry["policy"]): entry for entry in entries}
    except OSError as error:
        raise EpisodeError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise EpisodeError(f"{path} is no report: make one with pushcell replay --json") from None


def moved(
    now: Sequence[Mapping[str, Any]],
    before: Mapping[tuple[str, str | None], Mapping[str, Any]],
    tolerance_m: float,
) -> list[str]:
    """A sentence for each replay that has changed; raises EpisodeError for one that is new."""
    found = []
    for entry in now:
        name, policy = entry["recording"], entry["policy"]
        if (name, policy) not in before:
            raise EpisodeError(
                f"the baseline has no replay of {name} with {policy}: make a new one"
            )
        found += _moved(name, entry, before[name, policy], tolerance_m)
    return found


def _moved(
    name: str, entry: Mapping[str, Any], old: Mapping[str, Any], tolerance_m: float
) -> list[str]:
    if entry["digest"] == old["digest"]:
        return []
    if entry["chunks"] != old["chunks"]:
        return [f"{name}: {entry['chunks']} chunks where there were {old['chunks']}"]
    off = [
        max(abs(a - b) for a, b in zip(one, two, strict=True))
        for one, two in zip(entry["chunk_ends_m"], old["chunk_ends_m"], strict=True)
    ]
    worst = max(off, default=0.0)
    found = []
    if worst > tolerance_m:
        chunk = off.index(worst)
        found.append(
            f"{name}: chunk {chunk} has moved by {1e3 * worst:.3g} mm, more than "
            f"{1e3 * tolerance_m:.3g} mm"
        )
    if len(entry["stops"]) != len(old["stops"]):
        found.append(f"{name}: {len(entry['stops'])} stops where there were {len(old['stops'])}")
    return found
