"""The training loop.

Everything random in a step comes from (seed, step, process) alone. So a checkpoint needs no state
of a generator, and a run that goes on after a kill makes the same losses as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel

from pushcell.errors import TrainingError
from pushcell.training.augmentation import prepared
from pushcell.training.build_policy import make_policy
from pushcell.training.checkpoint import Checkpoint, fill
from pushcell.training.config import OptimiserConfig, Precision, TrainConfig
from pushcell.training.data_module import DataModule
from pushcell.training.interruption import explained_memory, interruptions
from pushcell.training.loss_log import LossLog
from pushcell.training.policy import TrainablePolicy
from pushcell.training.validation import validate, validate_each

LAST = "last.pt"
_AGREE_EVERY = 10  # steps, of several processes: to ask each other takes time
OnProgress = Callable[[int, dict[str, float]], None]
"""Called with the number of steps done and with what has been logged at it."""


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to."""

    training_steps: int
    loss: float | None  # as told last; None before the first time
    validation: dict[str, float]
    parameters: int
    finished: bool


def learning_rate(config: OptimiserConfig, step: int) -> float:
    """Rises evenly for the first steps, then falls to zero along half a cosine."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def optimiser_of(policy: nn.Module, config: OptimiserConfig, precision: Precision) -> AdamW:
    """AdamW; fused, except where gradients are scaled: it would undo that only after clipping."""
    return AdamW(
        policy.parameters(),
        betas=config.betas,
        weight_decay=config.weight_decay,
        fused=precision != "16-mixed",
    )


def train(
    config: TrainConfig, folder: Path, checkpoint: Checkpoint | None, on_progress: OnProgress
) -> TrainingResult | None:
    """Train, or go on from a checkpoint; writes ``last.pt`` and ``losses.csv`` into the folder.

    Raises TrainingError or EpisodeError; one that names the data comes before the first step.
    Returns None in processes that are only there to help.
    """
    if config.device.threads:
        torch.set_num_threads(config.device.threads)
    device = config.device
    if device.accelerator == "cuda" and not torch.cuda.is_available():
        raise TrainingError(
            f"device cuda: PyTorch {torch.__version__} finds no GPU here; install a build with "
            "CUDA and the driver, or take --device cpu"
        )
    fabric = Fabric(
        accelerator=device.accelerator, devices=device.devices, precision=device.precision
    )
    fabric.launch()
    with fabric.rank_zero_first():
        data_module = DataModule.of(config)
    with explained_memory(config.training.batch_size):
        outcome = _Run(config, folder, checkpoint, fabric, data_module).go(on_progress)
    return outcome if fabric.is_global_zero else None


class _Run:
    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        checkpoint: Checkpoint | None,
        fabric: Fabric,
        data_module: DataModule,
    ) -> None:
        self._config, self._folder = config, folder
        self._fabric, self._data_module = fabric, data_module
        torch.manual_seed(config.seed)
        self._policy = make_policy(config)
        start_from = config.training.start_from
        if checkpoint is None and start_from is not None:
            fill(self._policy, Checkpoint.load(start_from).average, start_from)
        elif checkpoint is None:
            self._policy.fit(data_module.normaliser_windows(), config.data.normaliser)
        else:
            check_same_data(checkpoint, data_module, folder / LAST)
            fill(self._policy, checkpoint.policy, folder / LAST)
        self._average = _average_of(self._policy, config.training.ema_decay)
        optimiser = optimiser_of(self._policy, config.training, config.device.precision)
        self._model, self._optimiser = fabric.setup(self._policy, optimiser)
        self._average.to(fabric.device)
        self._step, self._recent, self._validation = 0, list[Tensor](), dict[str, float]()
        if checkpoint is not None:
            self._step, self._validation = checkpoint.step, dict(checkpoint.validation)
            self._recent = [torch.tensor(loss) for loss in checkpoint.recent]
            self._average.module.load_state_dict(checkpoint.average)
            self._average.n_averaged.fill_(checkpoint.step)
            self._optimiser.load_state_dict(checkpoint.optimiser)
            fabric.strategy.precision.load_state_dict(checkpoint.precision)
        batches = data_module.validation_batches(config.training.batch_size)
        self._validation_batches = batches if fabric.is_global_zero else []

    def go(self, on_progress: OnProgress) -> TrainingResult:
        """Train until all steps are done, or until someone interrupts."""
        config, loss = self._config, None
        log = LossLog(self._folder, self._step, config.log.tensorboard, self._fabric.global_rank)
        with log, interruptions() as interrupted:
            last, stops = self._step == config.training.steps, False
            while not (last or stops):
                self._advance()
                last = self._step == config.training.steps
                stops = self._agree(interrupted)
                values = self._due(last)
                loss = values.get("loss", loss)
                if values:
                    log.add(self._step, values)
                if last or stops or self._at(config.log.checkpoint_every):
                    self._save(LAST)
                if config.log.keep_every and self._at(config.log.keep_every):
                    self._save(f"step_{self._step:07d}.pt")
                on_progress(self._step, values)
        parameters = sum(part.numel() for part in self._policy.parameters())
        finished = self._step == config.training.steps
        return TrainingResult(self._step, loss, self._validation, parameters, finished)

    def _advance(self) -> None:
        config, fabric = self._config.training, self._fabric
        torch.manual_seed(_stream(self._config.seed, self._step, fabric.global_rank))
        batch = self._data_module.batch(self._step, fabric.global_rank, fabric.world_size)
        batch = batch.to(fabric.device)
        observation = prepared(batch.observation, self._config.observation.vision, training=True)
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(config, self._step)
        loss = self._model(observation, batch.chunk)
        fabric.backward(loss)
        fabric.clip_gradients(
            self._model, self._optimiser, max_norm=config.clip_norm, error_if_nonfinite=False
        )  # what is not finite is told with the loss, and what to do about it
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._average.update_parameters(self._policy)
        self._step += 1
        self._recent.append(loss.detach())

    def _due(self, last: bool) -> dict[str, float]:
        """What is to be told after this step."""
        values: dict[str, float] = {}
        if last or self._at(self._config.log.log_every):
            values["loss"] = self._mean_recent_loss()
            values["learning_rate"] = learning_rate(self._config.training, self._step - 1)
        if last or self._at(self._config.log.validate_every):
            self._average.eval()
            policy, vision = self._average.module, self._config.observation.vision
            self._validation = validate(
                policy,  # type: ignore[arg-type]
                self._validation_batches,
                vision,
                self._fabric.device,
            )
            if self._fabric.is_global_zero:
                batches = self._data_module.validation_batches_of_each(
                    self._config.training.batch_size
                )
                self._validation |= validate_each(
                    policy,  # type: ignore[arg-type]
                    batches,
                    vision,
                    self._fabric.device,
                )
            values |= self._validation
        return values

    def _mean_recent_loss(self) -> float:
        mean = float(self._fabric.all_reduce(torch.stack(self._recent).mean()))  # type: ignore[arg-type]
        self._recent.clear()
        if not math.isfinite(mean):
            raise self._diverged(f"the loss is {mean}")
        return mean

    def _diverged(self, what: str) -> TrainingError:
        return TrainingError(
            f"{what} at step {self._step}: take device.precision 32-true and go on with --resume "
            "from the last checkpoint, or train anew with a lower training.learning_rate into "
            "another --out"
        )

    def _agree(self, interrupted: Event) -> bool:
        """Whether any process was interrupted: they all end after the same step, or none does."""
        if self._fabric.world_size == 1:
            return interrupted.is_set()
        if not self._at(_AGREE_EVERY):
            return False
        asked = torch.tensor(float(interrupted.is_set()), device=self._fabric.device)
        return bool(self._fabric.all_reduce(asked, reduce_op="max"))

    def _at(self, every: int) -> bool:
        return self._step % every == 0

    def _save(self, name: str) -> None:
        if not self._fabric.is_global_zero:
            return
        if not all(torch.isfinite(weights).all() for weights in self._policy.parameters()):
            raise self._diverged("a weight is not finite")  # and what was saved before stays
        names = [windows.data_set.name for windows in self._data_module.train]
        Checkpoint(
            config=self._config.model_dump(mode="json"),
            step=self._step,
            policy=self._policy.state_dict(),
            average=self._average.module.state_dict(),
            optimiser=self._optimiser.state_dict(),
            precision=self._fabric.strategy.precision.state_dict(),
            recent=[float(loss) for loss in self._recent],
            validation=self._validation,
            episodes=self._data_module.episodes,
            shares=dict(zip(names, self._data_module.mixture.shares.tolist(), strict=True)),
        ).save(self._folder / name)


def check_same_data(checkpoint: Checkpoint, data_module: DataModule, path: Path) -> None:
    """Raise TrainingError where other episodes would be learned from than before."""
    if checkpoint.episodes != data_module.episodes:
        raise TrainingError(
            f"{path} was trained on episodes {checkpoint.episodes}, now there are "
            f"{data_module.episodes}: bring the data sets back, or train anew into another --out"
        )


def _average_of(policy: TrainablePolicy, decay: float) -> AveragedModel:
    """A moving average that forgets the first, random weights faster."""

    def update(averages: Any, weights: Any, count: Tensor | int) -> None:
        steps = int(count)
        now = min(decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(averages, weights, 1 - now)

    return AveragedModel(policy, multi_avg_fn=update)


def _stream(seed: int, step: int, rank: int) -> int:
    """A seed for a generator of torch, unlike any other step's."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)
