"""From rows of data sets to the tensors that a policy learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pushcell.training.config import ActionConfig
from pushcell.training.windows import Windows

Indices = NDArray[np.int64]
Observation = dict[str, Tensor]


@dataclass(frozen=True)
class Batch:
    """B windows. Poses and actions are raw, images are bytes of their whole size.

    ``observation`` has pusher (B, To, 3), slider (B, To, 3), goal (B, 3) and for each camera
    ``<camera>_image`` (B, To, 3, H, W); where domains are told apart ``domain`` (B, 2), one-hot.
    ``chunk`` is (B, H, 2), relative where actions are.
    """

    observation: Observation
    chunk: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        observation = {key: values.to(device) for key, values in self.observation.items()}
        return Batch(observation, self.chunk.to(device))


class BatchBuilder:
    """Gathers windows of several data sets into batches."""

    def __init__(
        self,
        windows: Sequence[Windows],
        observation_steps: int,
        action: ActionConfig,
        cameras: Sequence[str] = (),
        target: str | None = None,
    ) -> None:
        """``target`` is the data set of the target world, where domains are told apart."""
        self._windows, self._observation_steps, self._action = windows, observation_steps, action
        self._cameras, self._target = cameras, target

    def gather(self, chosen: Sequence[Indices]) -> Batch:
        """The windows chosen of each data set, one after the other."""
        parts = [
            self._of_one(windows, items)
            for windows, items in zip(self._windows, chosen, strict=True)
            if len(items)
        ]
        if len(parts) == 1:
            return parts[0]
        keys = parts[0].observation
        observation = {key: torch.cat([part.observation[key] for part in parts]) for key in keys}
        return Batch(observation, torch.cat([part.chunk for part in parts]))

    def _of_one(self, windows: Windows, items: Indices) -> Batch:
        data_set = windows.data_set
        seen = windows.observed(items, self._observation_steps)
        pusher = data_set.pusher[seen]
        chunk = data_set.action[windows.acted(items, self._action.horizon)]
        if self._action.space == "relative_to_pusher":
            chunk = chunk - pusher[:, -1:, :2]
        arrays = {
            "pusher": pusher,
            "slider": data_set.slider[seen],
            "goal": data_set.goal[seen[:, -1]],
        }
        observation = {key: torch.from_numpy(values) for key, values in arrays.items()}
        for camera in self._cameras:
            images = torch.from_numpy(np.asarray(data_set.images[camera][seen]))
            observation[f"{camera}_image"] = images.movedim(-1, 2)
        if self._target is not None:
            is_target = data_set.name == self._target
            label = torch.tensor([[float(is_target), float(not is_target)]])
            observation["domain"] = label.expand(len(items), -1)
        return Batch(observation, torch.from_numpy(chunk))
