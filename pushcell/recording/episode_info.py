"""``episode.yaml``: what is known of an episode besides its messages."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from pushcell.bags.plain_yaml import yaml_text
from pushcell.config.cell import CameraConfig, CellConfig, TaskConfig
from pushcell.config.strict_yaml import read_yaml
from pushcell.config.types import Section, Vector3
from pushcell.errors import ConfigError, EpisodeError
from pushcell.recording.control_log import DrivenSpan, PolicyIdentity
from pushcell.recording.quality_report import QualityReport

INFO_FILE = "episode.yaml"
Verdict = Literal["success", "failure", "unjudged"]


class GenerationInfo(Section):
    """How a simulated episode came about; with the configuration it can be made again."""

    world: str
    demonstrator: str
    seed: int
    index: int
    attempt: int
    start: Vector3
    noise_m: float = 0.0
    shifts: dict[str, str]
    visual_gap: bool
    physics_gap: bool


class EpisodeInfo(Section):
    """One episode; ``cameras`` are as they really were, where that is known.

    The verdict is the operator's, or the task's where that was judged by itself; the quality
    gate's is apart from it. Of a recorded episode ``steps`` is how many there are room for.
    """

    version: Literal[1] = 1
    name: str
    origin: Literal["generated", "imported", "recorded"]
    task: TaskConfig
    verdict: Verdict
    reason: str
    rate_hz: float
    steps: int
    cameras: tuple[CameraConfig, ...] = ()
    configuration_sha256: str | None = None
    calibration_sha256: str | None = None  # of the files that were in use
    allow_unsafe: tuple[str, ...] = ()  # keys of the configuration that were beyond their bounds
    generation: GenerationInfo | None = None
    quality: QualityReport | None = None
    driven: tuple[DrivenSpan, ...] = ()
    policy: PolicyIdentity | None = None
    recovered: bool = False

    @property
    def usable(self) -> bool:
        """Whether learners may have it: it did not fail, nor did the quality gate reject it."""
        return not self.unusable

    @property
    def unusable(self) -> str:
        """Why learners may not have it; empty where they may."""
        if self.verdict == "failure":
            return "judged a failure"
        rejected = self.quality is not None and self.quality.verdict == "reject"
        return "rejected by the quality gate" if rejected else ""

    def to_yaml(self) -> str:
        """The text of the file; the same for the same episode."""
        return yaml_text(self.model_dump(mode="json"))

    @classmethod
    def load(cls, episode: Path) -> EpisodeInfo:
        """Of an episode's folder; raises EpisodeError in one sentence."""
        path = episode / INFO_FILE
        try:
            return cls.model_validate(read_yaml(path))
        except ConfigError as error:
            raise EpisodeError(f"{error}: {episode} is not a whole episode") from None
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise EpisodeError(f"{path}: {key or 'the file'}: {first['msg']}") from None


def configuration_sha256(cell: CellConfig) -> str:
    """The same for cells that say the same, whatever their files look like."""
    text = json.dumps(cell.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
