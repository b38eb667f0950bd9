"""The networks that make features from images."""

from __future__ import annotations

import pytest
import torch

from pushcell.training.config import VisionConfig
from pushcell.training.vision import ImageNetwork

SIZE_PX = (48, 40)
RESNET18_PARAMETERS = 11_176_512  # of He et al. 2016, without the classifier


def network(**options: object) -> ImageNetwork:
    section = {"cameras": ["overhead"], "image_px": SIZE_PX, "crop_px": SIZE_PX, "features": 8}
    return ImageNetwork(VisionConfig.model_validate({**section, **options}))


@pytest.mark.parametrize("pooling", ["average", "spatial_softmax", "flatten"])
def test_resnet18_makes_features_and_learns(pooling: str) -> None:
    torch.manual_seed(0)
    made = network(network="resnet18", pooling=pooling)
    assert sum(part.numel() for part in made.body.parameters()) == RESNET18_PARAMETERS
    images = torch.rand(3, 3, SIZE_PX[1], SIZE_PX[0])
    assert made.body(images).shape == (3, 512, 2, 2)  # halved five times
    features = made(images)
    assert features.shape == (3, 8)
    assert (features.std(0) > 0).all(), "all images look the same"
    features.square().mean().backward()
    for name, part in made.named_parameters():
        assert part.grad is not None, name
        assert part.grad.abs().sum() > 0, name


def test_an_image_has_the_same_features_in_every_batch() -> None:
    torch.manual_seed(0)
    made = network(network="resnet18")
    images = torch.rand(4, 3, SIZE_PX[1], SIZE_PX[0])
    torch.testing.assert_close(made(images)[:1], made(images[:1]), rtol=1e-4, atol=1e-5)
