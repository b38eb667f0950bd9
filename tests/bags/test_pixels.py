"""Every encoding that cameras publish comes out as the colours that were seen."""

import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.bags.pixels import ENCODINGS, compressed_pixels_of, pixels_of

HEIGHT, WIDTH = 8, 12
COLOUR = np.array([200, 90, 40])


def message(encoding: str, rows: np.ndarray, padding: int = 3, big: int = 0) -> SimpleNamespace:
    """An image of rows of bytes, each with some bytes of padding."""
    flat = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    data = np.pad(flat, ((0, 0), (0, padding)))
    size = {"height": HEIGHT, "width": WIDTH, "step": data.shape[1]}
    return SimpleNamespace(**size, encoding=encoding, is_bigendian=big, data=data.ravel())


def plain() -> np.ndarray:
    return np.broadcast_to(COLOUR.astype(np.uint8), (HEIGHT, WIDTH, 3)).copy()


def mosaic(order: str) -> np.ndarray:
    """What a sensor with this pattern of filters sees of one colour."""
    tile = COLOUR[["rgb".index(letter) for letter in order]].reshape(2, 2).astype(np.uint8)
    return np.tile(tile, (HEIGHT // 2, WIDTH // 2))


def yuv(order: str) -> np.ndarray:
    """(H, W, 2): luma, and red and blue difference in turns."""
    y, v, u = cv2.cvtColor(plain(), cv2.COLOR_RGB2YCrCb)[0, 0].astype(int)
    y, u, v = 16 + 219 * y // 255, 128 + 224 * (u - 128) // 255, 128 + 224 * (v - 128) // 255
    pair = [[y, u], [y, v]] if order == "yuyv" else [[u, y], [v, y]]
    return np.tile(np.array(pair, np.uint8), (HEIGHT, WIDTH // 2, 1))


def planes(order: str) -> np.ndarray:
    """(H + H / 2, W): luma, then both differences of each four pixels in turns."""
    y, u, v = (int(yuv("yuyv")[0, k, i]) for k, i in ((0, 0), (0, 1), (1, 1)))
    pair = [u, v] if order == "nv12" else [v, u]
    luma = np.full((HEIGHT, WIDTH), y, np.uint8)
    return np.vstack([luma, np.tile(np.array(pair, np.uint8), (HEIGHT // 2, WIDTH // 2))])


SEEN = {
    "rgb8": plain(),
    "bgr8": plain()[:, :, ::-1],
    "8UC3": plain()[:, :, ::-1],
    "rgba8": np.dstack([plain(), np.zeros((HEIGHT, WIDTH), np.uint8)]),
    "bgra8": np.dstack([plain()[:, :, ::-1], np.zeros((HEIGHT, WIDTH), np.uint8)]),
    "8UC4": np.dstack([plain()[:, :, ::-1], np.zeros((HEIGHT, WIDTH), np.uint8)]),
    "yuv422": yuv("uyvy"),
    "uyvy": yuv("uyvy"),
    "yuv422_yuy2": yuv("yuyv"),
    "yuyv": yuv("yuyv"),
    "nv12": planes("nv12"),
    "nv21": planes("nv21"),
    "bayer_rggb8": mosaic("rggb"),
    "bayer_bggr8": mosaic("bggr"),
    "bayer_gbrg8": mosaic("gbrg"),
    "bayer_grbg8": mosaic("grbg"),
}
GREY = {"mono8", "8UC1", "mono16", "16UC1"}


@pytest.mark.parametrize("encoding", SEEN)
def test_colours_are_right_in_every_encoding(encoding):
    rgb = pixels_of(message(encoding, SEEN[encoding]))
    assert rgb.shape == (HEIGHT, WIDTH, 3)
    rounding = 3 if encoding.startswith(("yu", "uy", "nv")) else 0
    assert np.abs(rgb[2:-2, 2:-2].astype(int) - COLOUR).max() <= rounding


@pytest.mark.parametrize("encoding", ["rgba8", "nv12"])
@pytest.mark.parametrize("step", [0, 4, WIDTH * 3 // 2])
def test_a_step_that_was_filled_in_wrongly_does_not_matter_where_nothing_pads(encoding, step):
    image = message(encoding, SEEN[encoding], padding=0)
    image.step = step
    assert np.abs(pixels_of(image)[2:-2, 2:-2].astype(int) - COLOUR).max() <= 3
    image.data = np.append(image.data, np.uint8(0))
    with pytest.raises(ValueError, match=r"images (whose step is|with less data)"):
        pixels_of(image)


def test_no_encoding_is_without_a_test():
    assert set(SEEN) | GREY == set(ENCODINGS)


@pytest.mark.parametrize(("big", "order"), [(0, "<u2"), (1, ">u2")])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_16_bits_of_either_order_of_bytes(encoding, big, order):
    deep = np.full((HEIGHT, WIDTH), 1000).astype(order)
    rgb = pixels_of(message(encoding, deep, big=big), white=2000.0)
    assert (rgb == 127).all()
    assert (pixels_of(message("mono8", np.full((HEIGHT, WIDTH), 9, np.uint8))) == 9).all()


def packed(image: np.ndarray, format_: str, head: bytes = b"", kind: str = ".png"):
    data = head + cv2.imencode(kind, image)[1].tobytes()
    return SimpleNamespace(format=format_, data=data)


def test_compressed_images_and_compressed_depth():
    bgr = plain()[:, :, ::-1]
    assert np.abs(compressed_pixels_of(packed(bgr, "jpeg", kind=".jpg")) - COLOUR).max() <= 3
    assert (compressed_pixels_of(packed(bgr, "png")) == COLOUR).all()
    depth = np.full((HEIGHT, WIDTH), 500, np.uint16)
    head = struct.pack("<iff", 0, 0.0, 0.0)
    said = packed(depth, "16UC1; compressedDepth png", head)
    assert (compressed_pixels_of(said, white=1000.0) == 127).all()
    with pytest.raises(ValueError, match="format '32FC1; compressedDepth png'; of compressedDepth"):
        compressed_pixels_of(packed(depth, "32FC1; compressedDepth png", head))
    with pytest.raises(ValueError, match="format 'jpeg' that are neither JPEG nor PNG"):
        compressed_pixels_of(SimpleNamespace(format="jpeg", data=b"nothing of the kind"))


@given(
    st.sampled_from([*ENCODINGS, "", "rgb16", "nv24"]),
    *[st.integers(0, 20)] * 2,
    st.integers(0, 90),
    st.binary(max_size=900),
)
def test_any_header_gives_an_image_or_a_sentence(encoding, height, width, step, data):
    fields = {"height": height, "width": width, "step": step, "is_bigendian": 0, "data": data}
    problem, image = "", None
    try:
        image = pixels_of(SimpleNamespace(encoding=encoding, **fields))
    except ValueError as error:
        problem = str(error)
    assert problem.startswith("images ") or image.shape == (height, width, 3)
    said = SimpleNamespace(format=f"{encoding}; compressedDepth png", data=data)
    with pytest.raises(ValueError, match="compressed"):
        compressed_pixels_of(said)
