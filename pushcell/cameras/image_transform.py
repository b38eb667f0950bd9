"""From a camera's image to the network's input: data sets, training and run time all use these."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

SCALE = 255.0
"""What the values of an image are divided by for a network."""


def stored_image(image: Image, size_px: tuple[int, int]) -> Image:
    """An image (H, W, 3) of any size, squeezed to the (width, height) that images are stored in."""
    if image.shape[1::-1] == size_px:
        return image
    return cv2.resize(image, size_px, interpolation=cv2.INTER_AREA)


def crop_window(
    image_px: tuple[int, int], crop_px: tuple[int, int], corner: tuple[int, int] | None = None
) -> tuple[slice, slice]:
    """The rows and the columns of a crop; sizes are (width, height).

    ``corner`` is the crop's upper left (row, column); the crop is in the middle without one.
    """
    (width, height), (crop_width, crop_height) = image_px, crop_px
    row, column = corner or ((height - crop_height) // 2, (width - crop_width) // 2)
    return slice(row, row + crop_height), slice(column, column + crop_width)


def network_images(
    images: Image, crop_px: tuple[int, int], colour_order: str = "rgb", scale: float = SCALE
) -> NDArray[np.float32]:
    """Stored RGB images (..., H, W, 3) as a network takes them: (..., 3, h, w), divided by scale.

    ``crop_px`` is the (width, height) of what is cut out of the middle; ``colour_order`` is rgb or
    bgr.
    """
    rows, columns = crop_window((images.shape[-2], images.shape[-3]), crop_px)
    cropped = images[..., rows, columns, :]
    if colour_order == "bgr":
        cropped = cropped[..., ::-1]
    return np.moveaxis(cropped, -1, -3).astype(np.float32) / np.float32(scale)
