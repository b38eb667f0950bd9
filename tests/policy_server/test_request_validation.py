"""What a client sends wrongly: it is told in a sentence, and nobody else pays for it."""

import struct
import time
from contextlib import ExitStack

import cv2
import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from policy_server.message_codec import pack, unpack
from policy_server.policy import BundlePolicy, ChunkRequest
from tests.policy_server.serving import MALFORMED, serving
from tests.policy_server.test_bundle import some_values
from tests.policy_server.test_driver import Gate

JPEG = cv2.imencode(".jpg", np.zeros((24, 24, 3), np.uint8))[1].tobytes()
# A few bytes that say that they are an image of 10 gigapixels.
HUGE = [b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 10**5, 10**5)] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pusher": np.full((2, 3), np.nan)}, "pusher must be"),
        ({"pusher": np.zeros((3, 3))}, "pusher must be"),
        ({"pusher": np.full((2, 3), 600)}, "pusher is at 600 m: lengths are in metres; divide"),
        ({"pusher": np.array([[0.6, 0, -90.0]] * 2)}, "pusher is at 90 rad: angles are in radians"),
        ({"overhead_image": np.zeros((2, 32, 32, 3), np.float32)}, "overhead_image must be"),
        ({"overhead_image": np.zeros((2, 8, 8, 3), np.uint8)}, "overhead_image must be"),
        ({"overhead_image": np.zeros((2, 720, 1280, 3), np.uint8)}, "not (2, 720, 1280, 3) uint8"),
        ({"overhead_image": np.zeros((2, 480, 640, 3), np.int64)}, "not (2, 480, 640, 3) int64"),
        ({"overhead_image": 3}, "must be an array (2, 32, 32, 3) uint8, not a int;"),
        ({"overhead_image": [[[3]]]}, "not a list; with resize = true JPEG, PNG and lists"),
        ({"overhead_image": JPEG}, f"not a JPEG of {len(JPEG)} bytes; with resize = true"),
        ({"pusher": [[0.5, 0.0, 0.0]] * 2}, "pusher must be an array (2, 3) float32, not a list"),
        ({"overhead_image": [JPEG], "resize": True}, "must be 2 images, the oldest first, not 1"),
        ({"overhead_image": [b"nothing"] * 2, "resize": True}, "is 7 bytes, and no JPEG or PNG"),
        ({"overhead_image": HUGE, "resize": True}, "and no JPEG or PNG of up to 921600 pixels"),
        ({"overhead_image": np.full((2, 9, 9, 3), 1.5), "resize": True}, "fractions of 0 to 1"),
        ({"overhead_image": np.zeros((2, 3, 9, 9)), "resize": True}, "not (2, 3, 9, 9) float64"),
        ({"pushcell": {"steps": 10**9}}, "not what a chunk can be asked for"),
        ({"pushcell": {"known": np.zeros((99, 2))}}, "not what a chunk can be asked for"),
        ({"pushcell": {"committed": 3}}, "not what a chunk can be asked for"),
        ({"pushcell": {"warm": 1.0}}, "not what a chunk can be asked for"),
    ],
)
def test_wrong_requests_get_a_sentence_and_the_connection_lives(
    policy: BundlePolicy, address: str, change: dict, message: str
) -> None:
    values = some_values(policy.manifest)
    with connect(address, max_size=None) as connection:
        connection.recv()
        connection.send(pack({**values, **change}))
        assert message in connection.recv()
        connection.send(pack(values))
        assert unpack(connection.recv())["actions"].shape == (16, 2)


def test_a_request_larger_than_any_honest_one_is_cut_off(address: str) -> None:
    with connect(address, max_size=None) as connection:
        connection.recv()
        connection.send(b"\0" * (1 << 25))
        with pytest.raises(ConnectionClosed, match="1009"):
            connection.recv(timeout=10)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_nothing_that_is_sent_takes_the_server_down(policy, connection, data) -> None:
    honest = pack(some_values(policy.manifest))
    plain = st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
    spoilt = data.draw(
        st.binary(max_size=200)
        | plain.map(msgpack.packb)
        | st.integers(0, len(honest) - 1).map(lambda n: honest[:n])
        | st.tuples(st.integers(0, len(honest) - 1), st.integers(0, 255)).map(
            lambda at: honest[: at[0]] + bytes([at[1]]) + honest[at[0] + 1 :]
        )
        | st.text(max_size=20)
    )
    connection.send(spoilt)
    connection.recv(timeout=10)
    connection.send(honest)
    assert unpack(connection.recv(timeout=10))["actions"].shape == (16, 2)


def test_who_sends_what_is_no_array_costs_nobody_else_anything(policy: BundlePolicy) -> None:
    slow, values = Gate(policy), some_values(policy.manifest)
    slow.open.clear()
    with serving(slow) as address, ExitStack() as stack:
        clients = [stack.enter_context(connect(address, max_size=None)) for _ in range(5)]
        for client in clients:
            client.recv(timeout=10)
        clients[0].send(pack(values))
        assert slow.asked.wait(10)  # the others are answered together, after this one
        for client, message in zip(clients[1:], MALFORMED, strict=False):
            client.send(msgpack.packb(message))
        clients[4].send(pack(values))
        time.sleep(0.2)
        slow.open.set()
        answers = [client.recv(timeout=10) for client in clients]
    for honest in (answers[0], answers[4]):
        assert unpack(honest)["actions"].shape == (16, 2)
    assert all("the message cannot be read" in answer for answer in answers[1:4])


def test_a_request_that_breaks_the_policy_costs_nobody_else_anything(policy: BundlePolicy) -> None:
    class Broken(Gate):
        def infer(self, request: ChunkRequest) -> np.ndarray:
            if request.seed == 13:
                raise ZeroDivisionError("thirteen")
            return super().infer(request)

    slow, values = Broken(policy), some_values(policy.manifest)
    slow.open.clear()
    with serving(slow) as address, ExitStack() as stack:
        clients = [stack.enter_context(connect(address, max_size=None)) for _ in range(3)]
        for client in clients:
            client.recv(timeout=10)
        clients[0].send(pack(values))
        assert slow.asked.wait(10)
        clients[1].send(pack({**values, "pushcell": {"seed": 13}}))
        clients[2].send(pack(values))
        time.sleep(0.2)
        slow.open.set()
        answers = [client.recv(timeout=10) for client in clients]
        assert "no chunk can be made of the request" in answers[1]
        for honest in (answers[0], answers[2]):
            assert unpack(honest)["actions"].shape == (16, 2)
