"""Learning from two worlds: what tells their samples apart in training, or keeps them alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from pushcell.training.config_domains import DomainsConfig
from pushcell.training.layers import Float32Linear

DOMAIN = 2
"""Numbers of a one-hot label: target, source; zeros where the domain is not told."""
_HIDDEN = 128
_BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the mean squared distance


def with_dropped_labels(domain: Tensor, share: float) -> Tensor:
    """Labels (B, 2), about that share of them zeros."""
    return domain * (torch.rand(len(domain), 1, device=domain.device) >= share)


class DomainLoss(nn.Module):
    """What it costs that the embeddings of both domains differ."""

    def __init__(self, config: DomainsConfig, embedding: int) -> None:
        super().__init__()
        self.adversarial, self.mmd = config.adversarial, config.mmd
        self.discriminator: nn.Module | None = None
        if config.adversarial:
            self.discriminator = nn.Sequential(
                Float32Linear(embedding, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, 1)
            )

    def forward(self, embedding: Tensor, is_target: Tensor) -> Tensor:
        """A scalar, of embeddings (B, D) and of which domain each is (B,), 1 for the target."""
        loss = embedding.new_zeros(())
        if self.discriminator is not None:
            logits = self.discriminator(_ReversedGradient.apply(embedding, self.adversarial))
            loss = loss + binary_cross_entropy_with_logits(logits[:, 0].float(), is_target)
        if self.mmd:
            chosen = is_target > 0.5
            loss = loss + self.mmd * mean_discrepancy(embedding[chosen], embedding[~chosen])
        return loss


class _ReversedGradient(torch.autograd.Function):
    """The same; what lowers the loss behind it raises it before it (Ganin et al. 2016)."""

    @staticmethod
    def forward(context: Any, values: Tensor, weight: float) -> Tensor:
        context.weight = weight
        return values.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -context.weight * gradients[0], None


def mean_discrepancy(a: Tensor, b: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of samples (N, D) and (M, D), by a sum of Gaussian kernels
    (Gretton et al. 2012); 0 where there are none of one of them.
    """
    if not len(a) or not len(b):
        return a.new_zeros(())
    with torch.autocast(a.device.type, enabled=False):  # 8 bits would round distances away
        values = torch.cat([a, b]).float()
        norms = values.square().sum(-1)
        squared = (norms[:, None] + norms[None] - 2 * values @ values.T).clamp_min(0)
    scale = squared.detach().mean().clamp_min(1e-12)
    kernel = torch.stack([(-squared / (scale * width)).exp() for width in _BANDWIDTHS]).mean(0)
    n = len(a)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()
