"""Policies that make chunks of noise: diffusion and flow matching.

With ``max_prefix`` d the first actions, up to d of them, may be given clean: those that are already
committed when a chunk is asked for. The network is told how many by a third channel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pushcell.errors import TrainingError
from pushcell.training.batches import Batch, Observation
from pushcell.training.config import TrainConfig
from pushcell.training.config_policy import DiffusionConfig, FlowConfig
from pushcell.training.domains import DomainLoss, with_dropped_labels
from pushcell.training.layers import ACTION
from pushcell.training.networks import make_network
from pushcell.training.object_frame_denoiser import ObjectFrameDenoiser
from pushcell.training.objectives import make_objective
from pushcell.training.policy import TrainablePolicy

_LEAST_SPREAD = 1e-6  # of half the range


class DenoisingPolicy(TrainablePolicy):
    """Learns to predict what noise was added; makes chunks of noise step by step."""

    weights: Tensor

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        assert isinstance(config.policy, DiffusionConfig | FlowConfig)
        self.max_prefix = config.policy.max_prefix
        channels = ACTION + (self.max_prefix > 0)
        self.network = make_network(
            config.policy.network, self.horizon, channels, self.encoder.size
        )
        self.objective = make_objective(config.policy)
        self.domains, self.guidance = config.domains, 0.0
        self.domain_loss = (
            DomainLoss(config.domains, self.encoder.size) if config.domains is not None else None
        )
        self.register_buffer("weights", torch.ones(self.horizon, 1))
        self.per_step_loss_weights = (
            isinstance(config.policy, DiffusionConfig) and config.policy.per_step_loss_weights
        )

    def fit(self, batch: Batch, data_set: str) -> None:
        """See Policy; with the spread of each action."""
        super().fit(batch, data_set)
        spread = self.normalised(batch.chunk).square().mean((0, 2)).sqrt()[:, None]
        if isinstance(self.network, ObjectFrameDenoiser):
            self.network.spread.copy_(spread)
        if self.per_step_loss_weights:
            if float(spread.min()) < _LEAST_SPREAD:
                raise TrainingError(
                    f"action {int(spread.argmin())} of all chunks of data set {data_set!r} is the "
                    "same, so its errors cannot be weighed: "
                    "set policy.per_step_loss_weights to false"
                )
            self.weights.copy_(spread**-2)

    def forward(self, observation: Observation, chunk: Tensor) -> Tensor:
        """The mean squared error of the prediction, over what is not given clean; and what it costs
        that domains are told apart.
        """
        if self.domains is None or self.domain_loss is None:
            return self._denoising_loss(self.encoder(observation), chunk)
        domain = observation["domain"]
        least = self.domains.source_from * domain[:, 1]
        if self.training and self.domains.drop_label:
            dropped = with_dropped_labels(domain, self.domains.drop_label)
            observation = {**observation, "domain": dropped}
        embedding = self.encoder(observation)
        loss = self._denoising_loss(embedding, chunk, least)
        return loss + self.domain_loss(embedding, domain[:, 0])

    def _denoising_loss(
        self, embedding: Tensor, chunk: Tensor, least: Tensor | None = None
    ) -> Tensor:
        """``least`` (B,): see Objective."""
        chunk = self.normalised(chunk)
        noise = torch.randn(chunk.shape).to(chunk.device)
        timestep = self.objective.timesteps(len(chunk), least).to(chunk.device)
        sample, target = self.objective.noised(chunk, noise, timestep)
        if not self.max_prefix:
            prediction = self.denoise(sample, timestep, embedding)
            return ((prediction - target) ** 2 * self.weights).mean()
        prefix = torch.randint(0, self.max_prefix + 1, (len(chunk),)).to(chunk.device)
        given = self._given(prefix)
        prediction = self.denoise(torch.where(given, chunk, sample), timestep, embedding, prefix)
        free = (~given).expand_as(chunk)
        return ((prediction - target) ** 2 * free * self.weights).sum() / free.sum()

    def denoise(
        self, sample: Tensor, timestep: Tensor, embedding: Tensor, prefix: Tensor | None = None
    ) -> Tensor:
        """The network's prediction (B, H, 2); the first ``prefix`` (B,) actions are clean."""
        if self.max_prefix:
            if prefix is None:
                prefix = torch.zeros_like(timestep)
            sample = torch.cat([sample, self._given(prefix).to(sample.dtype)], -1)
        if not self.guidance:
            return self.network(sample, timestep, embedding)
        told, untold = (self.network(sample, timestep, part) for part in embedding.chunk(2, dim=-1))
        return told + self.guidance * (told - untold)

    @property
    def parameters_at_run_time(self) -> int:
        """Without what hides the domain in training."""
        hides = self.domain_loss.parameters() if self.domain_loss is not None else ()
        return super().parameters_at_run_time - sum(part.numel() for part in hides)

    def guide(self, weight: float) -> None:
        """Add to each prediction ``weight`` times what the label changes in it: classifier-free
        guidance.

        Raises TrainingError unless labels were told, and left out at times, in training.
        """
        if self.domains is None or not self.domains.drop_label:
            raise TrainingError(
                "guidance needs a policy that was trained with domains.label and some "
                "domains.drop_label, such as 0.1"
            )
        self.guidance, self.encoder.has_guidance = weight, weight > 0

    def last_activation(self, embedding: Tensor, chunk: Tensor, noise: Tensor) -> Tensor:
        """(B, ...) the input of the network's last layer, for raw chunks (B, H, 2).

        They are noised as in the middle of the diffusion; ``noise`` is (B, H, 2).
        """
        middle = torch.full((len(chunk),), self.objective.train_steps // 2, device=chunk.device)
        sample, _ = self.objective.noised(self.normalised(chunk), noise, middle)
        outlet = self.network.outlet
        last = outlet[-1] if isinstance(outlet, nn.Sequential) else outlet
        assert isinstance(last, nn.Module)
        kept: list[Tensor] = []
        hook = last.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        try:
            self.denoise(sample, middle, embedding)
        finally:
            hook.remove()
        return kept[0]

    def decode(self, embedding: Tensor, noise: Tensor, committed: Tensor | None = None) -> Tensor:
        """See Policy; ``committed`` (B, d, 2) are the first d actions, normalised."""
        count = 0 if committed is None else committed.shape[1]
        prefix = torch.full((len(noise),), count, device=noise.device)

        def hold(sample: Tensor) -> Tensor:
            return sample if committed is None else torch.cat([committed, sample[:, count:]], 1)

        return self.objective.chunk_from_noise(
            noise, lambda sample, step: self.denoise(sample, step, embedding, prefix), hold
        )

    def _given(self, prefix: Tensor) -> Tensor:
        """(B, H, 1) whether an action is one of the first ``prefix`` (B,)."""
        places = torch.arange(self.horizon, device=prefix.device)
        return (places < prefix[:, None])[..., None]
