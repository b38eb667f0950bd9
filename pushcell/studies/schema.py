"""The schema of ``config/study/*.yaml``: what is varied, what it is made of, how it is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pushcell.config.types import Fraction, Name, Positive, Section
from pushcell.training.config_domains import MOST_GUIDANCE

Changes = tuple[str, ...]
Count = Annotated[int, Field(ge=1)]
PooledAxis = Literal["target", "source", "alpha", "variant"]
"""Seeds are pooled."""
Alpha = Literal["natural"] | Fraction
TARGET, SOURCE = "target", "source"
NO_ALPHA = "-"  # where nothing is mixed
PLAIN = "plain"  # the only variant where none is listed


class StudySet(Section):
    """Episodes to learn from: your own at ``path``, or generated ones of a world."""

    path: Path | None = None
    slider: Literal["recorded", "labels"] = "recorded"
    world: Literal["source", "target"] | None = None
    demonstrator: Name | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    shift: tuple[str, ...] = ()
    visual_gap: bool = True
    physics_gap: bool = True
    images: bool = False

    @model_validator(mode="after")
    def _fits(self) -> StudySet:
        if (self.path is None) == (self.world is None or self.demonstrator is None):
            raise ValueError("a set is either a path, or generated: a world and a demonstrator")
        return self


class StudySets(Section):
    """The two that are mixed."""

    target: StudySet
    source: StudySet


class Variant(Section):
    """One way to train; ``changes`` are as of ``pushcell train --set``."""

    name: Name
    changes: Changes = ()
    source: dict[str, Any] = Field(default_factory=dict)
    """Keys of the source set that are different for it."""
    guidance: Annotated[float, Field(ge=0, le=MOST_GUIDANCE)] = 0.0
    """Of the exported bundle, see `pushcell export --guidance`."""
    pretrain: Changes | None = None
    """A training on the source set alone comes first, with these changes besides; the variant's
    own, on the target set alone, starts from its weights."""


class Grid(Section):
    """Every combination is a cell; target and source are numbers of episodes."""

    target: tuple[Annotated[int, Field(ge=0)], ...] = ()
    source: tuple[Annotated[int, Field(ge=0)], ...] = ()
    alpha: tuple[Alpha, ...] = ("natural",)
    variant: Annotated[tuple[Variant, ...], Field(min_length=1)] = (Variant(name=PLAIN),)
    seed: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0,)


class Evaluated(Section):
    """The trials of every cell, the same starts for all."""

    world: Literal["source", "target", "pusht"] = "target"
    trials: Count = 100
    seed: Annotated[int, Field(ge=0)] = 0
    time_step_s: Positive | None = None


class Published(Section):
    """A success rate from elsewhere, which the picture shows beside ours."""

    target: int | None = None
    source: int | None = None
    alpha: Alpha | None = None
    variant: Name | None = None
    rate: Fraction


class Picture(Section):
    """``y`` over ``x``, a line for each of ``lines``, a panel for each of ``panels``.

    The action error is that of held-out episodes; over source with power laws on logarithmic axes.
    """

    x: Literal["target", "source", "alpha", "variant", "latency"]
    y: Literal["success", "action_error"] = "success"
    lines: PooledAxis | None = None
    panels: PooledAxis | None = None


class Study(Section):
    """One study."""

    title: str
    train: Path
    """The name of the training of which all are variants, or the path of its file."""
    changes: Changes = ()
    """For all of them."""
    sets: StudySets | None = None
    """None: those of the training."""
    grid: Grid
    evaluate: Evaluated | None
    """None where nothing can be rolled out, as on real recordings: action errors in held-out
    episodes are compared."""
    picture: Picture
    published: tuple[Published, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Study:
        sizes = bool(self.grid.target) and bool(self.grid.source)
        if sizes != (self.sets is not None) or bool(self.grid.target) != bool(self.grid.source):
            raise ValueError("sets, grid.target and grid.source go together")
        if self.evaluate is None and self.picture.y == "success":
            raise ValueError("evaluate: null has no success to draw: set picture.y to action_error")
        if self.evaluate is None and any(variant.guidance for variant in self.grid.variant):
            raise ValueError("guidance changes trials alone, and evaluate: null has none")
        for variant in self.grid.variant:
            if variant.pretrain is not None and "domains" in str(variant.changes):
                raise ValueError("pretrain learns from one world at a time: domains needs both")
        if self.published and self.picture.y == "action_error":
            raise ValueError("published rates cannot be drawn among action errors: leave them out")
        names = [variant.name for variant in self.grid.variant]
        if len(set(names)) < len(names):
            raise ValueError(f"the variants need different names, not {names}")
        if self.sets is None and any(v.source or v.pretrain is not None for v in self.grid.variant):
            raise ValueError("a variant's source and pretrain need sets")
        return self
