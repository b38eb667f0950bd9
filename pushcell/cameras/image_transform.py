"""From a camera's image to the network's input; training and run time both come through here."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from policy_server.bundle_sections import CameraInput

Image = NDArray[np.uint8]


def stored_image(image: Image, camera: CameraInput) -> Image:
    """An RGB image (H, W, 3) of any size squeezed to the size that images are stored in."""
    size = (camera.width_px, camera.height_px)
    if (image.shape[1], image.shape[0]) == size:
        return image
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def network_images(
    images: Image, camera: CameraInput, corner: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """Stored RGB images (..., H, W, 3) as the network takes them: (..., 3, h, w).

    ``corner`` is the crop's upper left (row, column); in the middle if it is not given.
    """
    height, width = camera.crop_height_px, camera.crop_width_px
    row, column = corner or ((camera.height_px - height) // 2, (camera.width_px - width) // 2)
    cropped = images[..., row : row + height, column : column + width, :]
    if camera.colour_order == "bgr":
        cropped = cropped[..., ::-1]
    return np.moveaxis(cropped, -1, -3).astype(np.float32) / np.float32(camera.scale)
