"""Images of a batch: from bytes of their whole size to cropped floats in 0..1."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pushcell.cameras.image_transform import SCALE, crop_window
from pushcell.training.batches import Observation
from pushcell.training.config import VisionConfig


def prepared(observation: Observation, vision: VisionConfig | None, training: bool) -> Observation:
    """What encoders take: in training cropped anywhere and changed, else cropped in the middle."""
    if vision is None:
        return observation
    changed = dict(observation)
    for camera in vision.cameras:
        images = observation[f"{camera}_image"]
        cropped = random_crop(images, vision.crop_px) if training else crop(images, vision.crop_px)
        floats = cropped.float() / SCALE
        changed[f"{camera}_image"] = augmented(floats, vision) if training else floats
    return changed


def augmented(images: Tensor, vision: VisionConfig) -> Tensor:
    """Images (B, To, 3, h, w) in other colours, blurred and noisy; those of a window alike."""
    if vision.colour_jitter:
        images = jittered(images, vision.colour_jitter)
    if vision.blur:
        images = blurred(images, vision.blur)
    if vision.noise:
        images = with_noise(images, vision.noise)
    return images


def crop(images: Tensor, crop_px: tuple[int, int], corner: tuple[int, int] | None = None) -> Tensor:
    """(..., h, w) of images (..., H, W), at an upper left (row, column) or in the middle."""
    rows, columns = crop_window((images.shape[-1], images.shape[-2]), crop_px, corner)
    return images[..., rows, columns]


def random_crop(images: Tensor, crop_px: tuple[int, int]) -> Tensor:
    """(B, To, 3, h, w) of (B, To, 3, H, W), each window's at a place of its own."""
    width, height = crop_px
    spare = (images.shape[-2] - height + 1, images.shape[-1] - width + 1)
    tops, lefts = (torch.randint(0, most, (len(images),)).tolist() for most in spare)
    corners = zip(tops, lefts, strict=True)
    parts = [crop(part, crop_px, corner) for part, corner in zip(images, corners, strict=True)]
    return torch.stack(parts)


def blurred(images: Tensor, share: float) -> Tensor:
    """Images (B, To, 3, h, w), about that share of the windows half mixed with their 3x3 means."""
    chosen = torch.rand(len(images), device=images.device) < share
    sharp = images[chosen]
    means = avg_pool2d(sharp.flatten(0, 1), 3, 1, 1, count_include_pad=False).view_as(sharp)
    return images.masked_scatter(chosen[:, None, None, None, None], sharp.lerp(means, 0.5))


def with_noise(images: Tensor, most: float) -> Tensor:
    """Images (B, To, 3, h, w) with the same noise, more or less of it: to draw it takes long."""
    noise = torch.randn(images.shape[2:], device=images.device)
    strength = 2 * torch.rand(len(images), 1, 1, 1, 1, device=images.device) - 1
    return (images + most * strength * noise).clamp(0, 1)


def jittered(images: Tensor, strength: float) -> Tensor:
    """Brightness, contrast and saturation of images (B, To, 3, h, w), by up to so much each."""
    change = 1 + strength * (2 * torch.rand(3, len(images), 1, 1, 1, 1, device=images.device) - 1)
    brightness, contrast, saturation = change
    images = images * brightness
    mean = images.mean((1, 2, 3, 4), keepdim=True)
    images = mean + (images - mean) * contrast
    grey = images.mean(2, keepdim=True)
    return (grey + (images - grey) * saturation).clamp(0, 1)
