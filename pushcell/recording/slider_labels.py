"""``slider_labels.json``: poses of the slider that were found in an episode's own pictures.

It lies beside the bag. Pictures in which the slider's pose is not sure have no label.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pushcell.errors import EpisodeError
from pushcell.geometry import Array
from pushcell.recording.store import write_durably

LABELS_FILE = "slider_labels.json"
_VERSION = 1
_UNREADABLE = OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError


@dataclass(frozen=True)
class SliderLabels:
    """Poses (N, 3) x, y, theta [m, rad] and their standard deviations (N, 3), by capture stamp.

    ``camera`` is the one whose pictures the stamps are of, ``pictures`` how many there are of it,
    and ``left_out`` how many of them have no label, by reason.
    """

    camera: str
    stamps_ns: NDArray[np.int64]  # (N,) increasing
    poses: Array
    deviations: Array
    pictures: int
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def save(self, episode: Path) -> Path:
        """Write the file into an episode's folder, in the place of one that is there."""
        content = {
            "version": _VERSION,
            "camera": self.camera,
            "pictures": self.pictures,
            "left_out": self.left_out,
            "stamps_ns": self.stamps_ns.tolist(),
            "poses_m_rad": np.round(self.poses, 6).tolist(),
            "deviations_m_rad": np.round(self.deviations, 6).tolist(),
        }
        path = episode / LABELS_FILE
        write_durably(path, (json.dumps(content) + "\n").encode())
        return path

    @classmethod
    def load(cls, episode: Path) -> SliderLabels:
        """Of an episode's folder; raises EpisodeError where there are none."""
        path = episode / LABELS_FILE
        try:
            content = json.loads(path.read_bytes())
            labels = cls(
                content["camera"],
                np.array(content["stamps_ns"], np.int64).reshape(-1),
                np.array(content["poses_m_rad"], float).reshape(-1, 3),
                np.array(content["deviations_m_rad"], float).reshape(-1, 3),
                int(content["pictures"]),
                dict(content["left_out"]),
            )
        except FileNotFoundError:
            raise EpisodeError(
                f"{episode} has no labels: run pushcell label {episode.parent}"
            ) from None
        except _UNREADABLE as error:
            raise EpisodeError(
                f"{path} cannot be read ({str(error)[:200]}): label the episode again"
            ) from None
        same = len(labels.stamps_ns) == len(labels.poses) == len(labels.deviations)
        if (
            not same
            or not np.isfinite(labels.poses).all()
            or not np.isfinite(labels.deviations).all()
            or (np.diff(labels.stamps_ns) <= 0).any()
        ):
            raise EpisodeError(f"{path} does not hold a pose for each stamp: label it again")
        return labels
