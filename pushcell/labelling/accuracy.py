"""How far labels are off, where a simulation has recorded the truth, and whether they know it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pushcell.bags.bag_reader import BagReader
from pushcell.geometry import Array, wrap_angles
from pushcell.recording.slider_labels import SliderLabels
from pushcell.recording.store import BAG_FILE
from pushcell.recording.streams import SLIDER_TOPIC


@dataclass(frozen=True)
class LabelErrors:
    """Labels minus truth (N, 3) [m, m, rad], and what the labels say of their deviation (N, 3)."""

    errors: Array
    deviations: Array

    @classmethod
    def of(cls, episodes: Iterable[Path]) -> LabelErrors | None:
        """Of the labelled episodes that hold the slider's true pose; None where none does."""
        pairs = [pair for episode in episodes if (pair := _errors(episode)) is not None]
        if not pairs:
            return None
        errors, deviations = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        return cls(errors, deviations)

    def figures(self) -> dict[str, float]:
        """Errors of place [mm] and angle [deg], and shares within one and two deviations."""
        place_mm = 1e3 * np.linalg.norm(self.errors[:, :2], axis=1)
        angle_deg = np.rad2deg(np.abs(self.errors[:, 2]))
        figures = {}
        for name, values in (("place_mm", place_mm), ("angle_deg", angle_deg)):
            for part in (50, 95, 99):
                figures[f"{name}_p{part}"] = float(np.percentile(values, part))
        for count in (1, 2):
            within = np.abs(self.errors) <= count * self.deviations
            figures[f"place_within_{count}_sigma"] = float(within[:, :2].mean())
            figures[f"angle_within_{count}_sigma"] = float(within[:, 2].mean())
        return figures


def _errors(episode: Path) -> tuple[Array, Array] | None:
    labels = SliderLabels.load(episode)
    with BagReader(episode / BAG_FILE) as bag:
        if not bag.counts.get(SLIDER_TOPIC) or not len(labels):
            return None
        messages = list(bag.messages([SLIDER_TOPIC]))
        stamps = np.array([bag.stamp_ns(message) for message in messages])
        poses = np.array([bag.planar_pose(message) for message in messages])
    poses[:, 2] = np.unwrap(poses[:, 2])
    true = np.stack([np.interp(labels.stamps_ns, stamps, column) for column in poses.T], axis=1)
    errors = labels.poses - true
    errors[:, 2] = wrap_angles(errors[:, 2])
    return errors, labels.deviations
