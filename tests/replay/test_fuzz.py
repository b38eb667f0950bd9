"""Whatever a message holds, a replay reads it or says in a sentence why not.

`HYPOTHESIS_PROFILE=thorough` tries 10,000 of each.
"""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushcell.bags.bag import BagTopic, RawMessage
from pushcell.bags.decoder import Decoder
from pushcell.bags.messages import STATUS, definition_of, message_class, to_cdr
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


@pytest.mark.parametrize(
    "name", ["fields", "clock", "offset_s", "child", "integrate_from", "topic"]
)
@given(value=st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=9)))
def test_any_mapping_is_taken_or_told(name, value):
    given_values = {"pusher": {"topic": "/it", name: value}}
    try:
        TopicMap.model_validate(given_values)
    except ValueError as error:
        assert "pusher" in str(error)  # noqa: PT017
