"""Whatever a message holds, a replay reads it or says in a sentence why not.

`HYPOTHESIS_PROFILE=thorough` tries 10,000 of each.
"""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.bags.bag import BagTopic, RawMessage
from pushcell.bags.decoder import Decoder
from pushcell.bags.messages import (
    COMPRESSED_IMAGE,
    IMAGE,
    STATUS,
    definition_of,
    message_class,
    to_cdr,
)
from pushcell.bags.pixels import ENCODINGS
from pushcell.errors import PushcellError
from pushcell.replay.message_reader import CHUNK, IMAGES, message_reader
from pushcell.replay.poses import POSES, TWIST
from pushcell.replay.topic_map import TopicMap

KINDS = dict.fromkeys((*POSES, TWIST), "pusher")
KINDS |= dict.fromkeys(IMAGES, "camera eye")
KINDS |= {CHUNK: "chunk", STATUS: "request"}
NUMBERS = st.floats(width=32) | st.sampled_from([0.0, 1.0, float("nan"), float("inf"), -1e30])


def recording(kind):
    """As much of one as reading a message needs."""
    where = {"topic": "/it", "integrate_from": [0, 0, 0]} if kind == TWIST else {"topic": "/it"}
    what = KINDS[kind]
    named = {"cameras": {"eye": {"topic": "/it"}}} if what == "camera eye" else {what: where}
    named = {what: "/it"} if what in ("chunk", "request") else named
    topics = {"/it": BagTopic(kind, definition_of(kind).text)}
    mapping = TopicMap.model_validate(named)
    return SimpleNamespace(decoder=Decoder(topics), map=mapping, path="bag", clocks={})


READERS = {kind: message_reader(recording(kind), KINDS[kind], "/it") for kind in KINDS}


def assert_read_or_told(kind, cdr):
    problem = "read"
    try:
        READERS[kind](RawMessage("/it", 10**18, cdr))
    except (ValueError, PushcellError) as error:
        problem = str(error)
    assert problem
    assert "\n" not in problem


@given(kind=st.sampled_from(sorted(KINDS)), body=st.binary(max_size=400))
def test_any_bytes(kind, body):
    assert_read_or_told(kind, b"\0\1\0\0" + body)


@pytest.mark.parametrize("kind", [*POSES[:1], "geometry_msgs/msg/TransformStamped"])
@given(numbers=st.lists(NUMBERS, min_size=7, max_size=7), stamp=st.integers(-5, 2**31 - 1))
def test_any_numbers_in_a_pose(kind, numbers, stamp):
    time = message_class("builtin_interfaces/msg/Time")(stamp, 0)
    header = message_class("std_msgs/msg/Header")(time, "base")
    turn = message_class("geometry_msgs/msg/Quaternion")(*numbers[3:])
    if kind == POSES[0]:
        point = message_class("geometry_msgs/msg/Point")(*numbers[:3])
        fields = (header, message_class("geometry_msgs/msg/Pose")(point, turn))
    else:
        shift = message_class("geometry_msgs/msg/Vector3")(*numbers[:3])
        fields = (header, "hand", message_class("geometry_msgs/msg/Transform")(shift, turn))
    assert_read_or_told(kind, to_cdr(message_class(kind)(*fields), kind))


SIZES = st.integers(0, 12) | st.sampled_from([2**16, 2**31, 2**32 - 1])
SECONDS = st.integers(-(2**31), 2**31 - 1)
NANOSECONDS = st.sampled_from([0, 10**9 - 1, 10**9, 2**32 - 1])


@given(
    encoding=st.sampled_from(sorted(ENCODINGS)) | st.text(max_size=9),
    size=st.tuples(SIZES, SIZES, SIZES),
    big=st.integers(0, 255),
    data=st.binary(max_size=600),
    stamp=st.tuples(SECONDS, NANOSECONDS),
)
def test_any_image(encoding, size, big, data, stamp):
    height, width, step = size
    header = message_class("std_msgs/msg/Header")(
        message_class("builtin_interfaces/msg/Time")(*stamp), "eye"
    )
    pixels = np.frombuffer(data, np.uint8)
    image = message_class(IMAGE)(header, height, width, encoding, big, step, pixels)
    assert_read_or_told(IMAGE, to_cdr(image, IMAGE))


FORMATS = ["jpeg", "rgb8; jpeg compressed bgr8", "16UC1; compressedDepth png", "png", "h264"]
PNG = cv2.imencode(".png", np.arange(192, dtype=np.uint8).reshape(8, 8, 3))[1].tobytes()
DEPTH = cv2.imencode(".png", np.arange(64, dtype=np.uint16).reshape(8, 8))[1].tobytes()


@given(
    form=st.sampled_from(FORMATS) | st.text(max_size=9),
    whole=st.sampled_from([PNG, DEPTH, b"\0" * 12 + DEPTH, b""]),
    cut=st.integers(0, 400),
    spoilt=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
)
def test_any_compressed_image(form, whole, cut, spoilt):
    data = bytearray(whole[: cut or None])
    for place, value in spoilt:
        if place < len(data):
            data[place] = value
    header = message_class("std_msgs/msg/Header")(
        message_class("builtin_interfaces/msg/Time")(10**9, 0), "eye"
    )
    image = message_class(COMPRESSED_IMAGE)(header, form, np.frombuffer(bytes(data), np.uint8))
    assert_read_or_told(COMPRESSED_IMAGE, to_cdr(image, COMPRESSED_IMAGE))


@given(
    name=st.sampled_from(["encoding", "white", "offset_s", "clock", "topic"]),
    value=st.none() | st.floats() | st.text(max_size=9) | st.lists(st.integers(), max_size=3),
)
def test_any_camera_of_a_mapping_is_taken_or_told(name, value):
    try:
        TopicMap.model_validate({"cameras": {"eye": {"topic": "/it", name: value}}})
    except ValueError as error:
        assert "cameras" in str(error)  # noqa: PT017


@given(
    name=st.sampled_from(["xyz_m", "rpy_rad"]),
    value=st.lists(st.floats(), min_size=3, max_size=3) | st.text(max_size=9),
)
def test_any_frame_of_a_mapping_is_taken_or_told(name, value):
    try:
        TopicMap.model_validate({"frames": {"it": {name: value}}})
    except ValueError as error:
        assert "frames" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "name", ["fields", "clock", "offset_s", "child", "quaternion", "integrate_from", "topic"]
)
@given(value=st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=9)))
def test_any_mapping_is_taken_or_told(name, value):
    given_values = {"pusher": {"topic": "/it", name: value}}
    try:
        TopicMap.model_validate(given_values)
    except ValueError as error:
        assert "pusher" in str(error)  # noqa: PT017
