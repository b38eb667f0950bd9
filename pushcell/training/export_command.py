"""``pushcell export``: from a checkpoint, or a bundle and a pose estimator, to a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from pushcell.command_output import figures_table, show_result
from pushcell.errors import TrainingError
from pushcell.training.config_domains import MOST_GUIDANCE

LEAST_FRAMES = 32


@dataclass(frozen=True)
class Export:
    """Export a policy's averaged weights as a bundle, and check it on recorded frames.

    examples:
      pushcell export runs/pusht_state/last.pt --out bundles/pusht_state
      pushcell export runs/target_state/last.pt --pose-estimator runs/pose/last.pt --out images
      pushcell export target_state --pose-estimator runs/pose/last.pt --out bundles/mine
    """

    policy: Positional[Path]
    """Checkpoint that `pushcell train` wrote; its data sets must still exist. With --pose-estimator
    also a bundle that observes the slider's pose: its folder, or a shipped name."""
    out: Path
    """Folder of the bundle; it must not exist yet."""
    pose_estimator: Path | None = None
    """Checkpoint of a training with policy.kind: pose. It estimates the slider's pose from images
    for the policy."""
    frames: int = LEAST_FRAMES
    """Number of recorded frames, at least 32, on which the whole chunk is compared with
    PyTorch's."""
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    """Precision of the weights. Fewer bits make a smaller, less exact bundle: evaluate it again."""
    guidance: float = 0.0
    """Weight of classifier-free guidance towards the target world, for a policy trained with
    domains.drop_label; the chunk then takes twice as long."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Write the figures as JSON to this file; - for standard output."""


def main(words: Sequence[str]) -> int:
    """Run the command; raises TrainingError or BundleError."""
    options = tyro.cli(Export, prog="pushcell export", args=list(words))
    if options.frames < LEAST_FRAMES:
        raise TrainingError(f"--frames must be at least {LEAST_FRAMES}, not {options.frames}")
    if options.out.exists():
        raise TrainingError(f"{options.out} is there already: choose another --out, or delete it")
    if not 0 <= options.guidance <= MOST_GUIDANCE:
        raise TrainingError(f"--guidance {options.guidance} must be from 0 to {MOST_GUIDANCE}")
    from pushcell.training.export import export

    manifest = export(
        options.policy,
        options.out,
        options.frames,
        options.precision,
        options.pose_estimator,
        options.guidance,
    )
    assert manifest.parity is not None
    assert manifest.latency is not None
    figures = {
        "kind": manifest.kind,
        "parameters": manifest.training.parameters,
        "parity_frames": manifest.parity.frames,
        "parity_max_abs": manifest.parity.max_abs,
        "latency_p50_ms": manifest.latency.p50_ms,
        "bytes": sum(record.size for record in manifest.files.values()),
        "files": {name: record.sha256 for name, record in manifest.files.items()},
    }
    shown = {name: value for name, value in figures.items() if name != "files"}
    table = figures_table(f"exported to {options.out}", shown)
    world = "pusht" if manifest.task.kind == "pusht" else "target"
    show_result(figures, table, options.json, f"pushcell evaluate {options.out} --world {world}")
    return 0
