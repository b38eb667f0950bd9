"""The last step of an episode: what is known of it is written beside its bag."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pushcell.bags.bag_reader import BagReader
from pushcell.bags.bag_writer import BagSummary
from pushcell.bags.durable_bag import free_reserve
from pushcell.recording.control_log import ControlLog
from pushcell.recording.episode_info import INFO_FILE, EpisodeInfo
from pushcell.recording.quality_report import QualityReport
from pushcell.recording.store import BAG_FILE, METADATA_FILE, write_durably


def finish_episode(
    partial: Path,
    summary: BagSummary | None,
    judge: Callable[[BagSummary], QualityReport],
    control_log: ControlLog,
    changes: dict[str, Any],
) -> EpisodeInfo:
    """Complete ``episode.yaml`` with a report and some changes, and write ``metadata.yaml``.

    Without a summary the bag's index is read.
    """
    free_reserve(partial)
    if summary is None:
        with BagReader(partial / BAG_FILE) as bag:
            summary = bag.summary
    quality = judge(summary)
    begun = EpisodeInfo.load(partial)
    info = begun.model_copy(
        update={
            "steps": int((summary.end_ns - summary.start_ns) * 1e-9 * begun.rate_hz),
            "quality": quality,
            "driven": control_log.spans,
            "policy": control_log.policy,
            **changes,
        }
    )
    write_durably(partial / METADATA_FILE, summary.metadata_yaml(BAG_FILE).encode())
    write_durably(partial / INFO_FILE, info.to_yaml().encode())
    return info
