"""Images of a request: resized where that is asked for, and told by their headers."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from websockets.sync.client import connect

from policy_server.message_codec import ProtocolError, pack, unpack
from policy_server.policy import BundlePolicy
from policy_server.request_images import resized
from pushcell.cameras.image_transform import stored_image
from tests.policy_server.test_bundle import some_values


@pytest.mark.parametrize(
    "bring",
    [
        lambda seen: seen,
        lambda seen: seen.astype(np.int64),
        lambda seen: (seen / 255).astype(np.float32),
        lambda seen: seen.tolist(),
        lambda seen: [cv2.imencode(".png", image[:, :, ::-1])[1].tobytes() for image in seen],
    ],
)
def test_the_server_resizes_where_it_is_asked_to(
    policy: BundlePolicy, address: str, bring: Callable
) -> None:
    camera = policy.manifest.observation.cameras[0]
    rng = np.random.default_rng(3)
    seen = rng.integers(0, 256, (2, 96, 160, 3), np.uint8)
    values = some_values(policy.manifest)
    values[camera.key] = np.stack([stored_image(image, camera.size_px) for image in seen])
    with connect(address, max_size=None) as connection:
        connection.recv()
        answers = []
        for request in (values, {**values, camera.key: bring(seen), "resize": True}):
            connection.send(pack({**request, "pushcell": {"seed": 5}}))
            answers.append(unpack(connection.recv())["actions"])
    np.testing.assert_array_equal(*answers)


def test_a_jpeg_is_told_by_its_header(policy: BundlePolicy) -> None:
    camera = policy.manifest.observation.cameras[0]
    grey = np.full((40, 60, 3), 90, np.uint8)
    jpeg = cv2.imencode(".jpg", grey)[1].tobytes()
    assert np.abs(resized([jpeg, jpeg], camera, 2).astype(int) - 90).max() <= 1
    for end in range(len(jpeg) // 2):
        with pytest.raises(ProtocolError, match="no JPEG or PNG"):
            resized([jpeg[:end]] * 2, camera, 2)
