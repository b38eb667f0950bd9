"""How a training on two worlds treats them, as its configuration says."""

from __future__ import annotations

from pydantic import model_validator

from pushcell.config.types import Fraction, Name, NonNegative, Section

MOST_GUIDANCE = 10.0
"""Largest weight of classifier-free guidance that a bundle may have."""


class DomainsConfig(Section):
    """Samples of the data set ``target`` are of the target world, all others of the source.

    Without any of the keys below it is plain cotraining.
    """

    target: Name
    label: bool = False
    """Tell the networks the domain, one-hot; at run time it is the target."""
    drop_label: Fraction = 0.0
    """Share of samples without their label: `pushcell export --guidance` needs some."""
    adversarial: NonNegative = 0.0
    """Gradient, times this, that makes a discriminator fail to tell the domains apart."""
    mmd: NonNegative = 0.0
    """Weight of the maximum mean discrepancy between the embeddings of both domains."""
    source_from: Fraction = 0.0
    """Source samples only teach diffusion times from this share of the noisiest on (ambient)."""

    @model_validator(mode="after")
    def _fits(self) -> DomainsConfig:
        if self.drop_label and not self.label:
            raise ValueError("drop_label needs label: true")
        if self.label and (self.adversarial or self.mmd):
            raise ValueError("label tells the domain that adversarial and mmd hide: choose")
        if self.source_from == 1:
            raise ValueError("source_from 1 leaves nothing to learn from the source")
        return self
