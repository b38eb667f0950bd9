"""Server and client over real sockets: the same chunks as here, whatever anybody sends."""

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import cv2
import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode
from websockets.server import ServerProtocol
from websockets.sync.client import ClientConnection, connect

from policy_server.bundle import load_policy
from policy_server.bundle_format import Manifest
from policy_server.client import RemoteError, RemotePolicy
from policy_server.message_codec import ProtocolError, pack, unpack
from policy_server.open_policy import TOKEN_VARIABLE
from policy_server.policy import BundlePolicy, ChunkRequest, Policy
from policy_server.protocol import metadata
from policy_server.request_images import resized
from policy_server.server import PolicyServer, ServerOptions
from pushcell.cameras.image_transform import stored_image
from pushcell.config.cell import CellConfig
from tests.config.test_strict_yaml import LAUGHS, MANY_KEYS
from tests.policy_server.examples import some_manifest
from tests.policy_server.test_bundle import some_values
from tests.policy_server.test_driver import Gate
from tests.policy_server.toy_bundle import random_graphs, write_toy

JPEG = cv2.imencode(".jpg", np.zeros((24, 24, 3), np.uint8))[1].tobytes()
# A few bytes that say that they are an image of 10 gigapixels.
HUGE = [b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", 10**5, 10**5)] * 2


@contextmanager
def serving(policy: Policy, **options) -> Iterator[str]:
    """The address of a server that runs beside the test."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    found = []

    async def run(ending: asyncio.Event) -> None:
        server = await PolicyServer(policy, ServerOptions(**{"port": 0, **options})).start()
        async with server:
            found.extend([ending, next(iter(server.sockets)).getsockname()[1]])
            started.set()
            await ending.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run(asyncio.Event())))
    thread.start()
    assert started.wait(10)
    try:
        yield f"ws://127.0.0.1:{found[1]}"
    finally:
        loop.call_soon_threadsafe(found[0].set)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def policy(cell: CellConfig, tmp_path_factory) -> BundlePolicy:
    manifest = some_manifest(cell, ("overhead",), max_prefix=4)
    graphs = random_graphs(manifest, batch=None)
    folder = write_toy(tmp_path_factory.mktemp("toy"), manifest, graphs)
    return load_policy(folder)


@pytest.fixture(scope="module")
def address(policy: BundlePolicy) -> Iterator[str]:
    with serving(policy) as found:
        yield found


def test_a_remote_policy_is_the_local_one(policy: BundlePolicy, address: str) -> None:
    remote = RemotePolicy(address)
    assert remote.manifest == policy.manifest
    known = np.linspace([0.5, 0.0], [0.6, 0.1], 8)
    for seed in range(3):
        for request in (
            ChunkRequest(some_values(policy.manifest, seed), seed),
            ChunkRequest(some_values(policy.manifest, seed), seed, known, 3, 5, 0.5),
        ):
            np.testing.assert_allclose(remote.infer(request), policy.infer(request), atol=1e-6)
    remote.close()


def test_what_openpis_client_does(policy: BundlePolicy, address: str) -> None:
    """Its messages, byte by byte: bytes as keys of arrays, metadata first, no goal, no terms."""
    values = some_values(policy.manifest)
    del values["goal"]
    sent = {
        key: {
            b"__ndarray__": True,
            b"data": array.tobytes(),
            b"dtype": array.dtype.str,
            b"shape": array.shape,
        }
        for key, array in values.items()
    }
    with connect(address, compression=None, max_size=None) as connection:
        metadata = msgpack.unpackb(connection.recv())
        assert metadata["action_horizon"] == 16
        assert metadata["rate_hz"] == 10.0
        assert metadata["observation"]["overhead_image"] == {
            "shape": [2, 32, 32, 3],
            "dtype": "uint8",
        }
        connection.send(msgpack.packb(sent))
        answer = msgpack.unpackb(connection.recv())
    actions = answer["actions"]
    assert actions[b"dtype"] == "<f4"
    assert actions[b"shape"] == [16, 2]
    assert np.isfinite(np.frombuffer(actions[b"data"], "<f4")).all()
    assert answer["server_timing"]["infer_ms"] > 0


def test_openpis_own_client_works_unchanged(policy: BundlePolicy, address: str) -> None:
    client = pytest.importorskip("openpi_client.websocket_client_policy")
    found = client.WebsocketClientPolicy(*address.removeprefix("ws://").split(":"))
    assert found.get_server_metadata()["action_horizon"] == 16
    assert found.infer(some_values(policy.manifest))["actions"].shape == (16, 2)


def test_health_needs_no_token(policy: BundlePolicy) -> None:
    with serving(policy, token="secret") as address:
        url = address.replace("ws://", "http://") + "/healthz"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.read() == b"OK\n"
        for token in (None, "Secret"):
            with pytest.raises(RemoteError, match="401"):
                RemotePolicy(address, token)
        RemotePolicy(address, "secret").close()


def test_too_many_clients_are_turned_away(policy: BundlePolicy) -> None:
    with serving(policy, max_clients=1) as address:
        first = RemotePolicy(address)
        with pytest.raises(InvalidStatus, match="503"):
            connect(address)
        first.close()


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


def test_a_request_larger_than_any_honest_one_is_cut_off(address: str) -> None:
    with connect(address, max_size=None) as connection:
        connection.recv()
        connection.send(b"\0" * (1 << 25))
        with pytest.raises(ConnectionClosed, match="1009"):
            connection.recv(timeout=10)


@pytest.fixture
def connection(address: str) -> Iterator[ClientConnection]:
    """One that has been greeted."""
    with connect(address, max_size=None) as found:
        found.recv(timeout=10)
        yield found


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


@given(st.binary(max_size=300))
def test_the_wire_has_one_kind_of_error(data: bytes) -> None:
    try:
        unpack(data)
    except ProtocolError:
        return


@pytest.mark.parametrize(
    ("dtype", "shape", "data"),
    [
        ("|O", [1], b"12345678"),
        ("<f4", [1 << 40, 1 << 40], b""),
        ("<f4", [-1], b"1234"),
        ("<f4", [2], b"1234"),
        ("<M8[s]", [1], b"12345678"),
        ("(2,)f4", [1], b"12345678"),
        (["f4"], [1], b"1234"),
        ("<f4", [1] * 40, b"1234"),
        ("(1,f4", [1], b"1234"),
        ("f4,f4", [1], b"12345678"),
        ("<f16", [1], b"0" * 16),
        ("complex64", [1], b"12345678"),
        ("<f4", [1.0], b"1234"),
        ("<f4", [1], None),
        (None, [1], b"1234"),
    ],
)
def test_arrays_that_are_none_are_refused(dtype, shape, data) -> None:
    given = {b"__ndarray__": True, b"dtype": dtype, b"shape": shape, b"data": data}
    whole = {key: value for key, value in given.items() if value is not None}
    with pytest.raises(ProtocolError):
        unpack(msgpack.packb({"pusher": whole}))


@pytest.mark.parametrize(
    "message",
    [
        {"pusher": {b"__npgeneric__": True}},
        {"pusher": {b"__npgeneric__": True, b"data": [1]}},
        {f"k{number}": 0 for number in range(5000)},
        {"pusher": list(range(5000))},
        {"pusher": {f"k{number}": 0 for number in range(5000)}},
    ],
    ids=range(5),
)
def test_scalars_that_are_none_and_very_many_values_are_refused(message) -> None:
    with pytest.raises(ProtocolError):
        unpack(msgpack.packb(message))


MALFORMED = [
    {"pusher": {b"__ndarray__": True, b"dtype": "<f4", b"shape": [1]}},
    {"pusher": {b"__ndarray__": True, b"dtype": "(1,f4", b"shape": [1], b"data": b"1234"}},
    {"pusher": {b"__npgeneric__": True}},
]


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


def test_idle_clients_make_room(policy: BundlePolicy) -> None:
    request = ChunkRequest(some_values(policy.manifest), seed=0)
    with serving(policy, max_clients=2, idle_s=0.3) as address, ExitStack() as stack:
        first = RemotePolicy(address, timeout_s=5.0)
        idle = stack.enter_context(connect(address))
        with pytest.raises(InvalidStatus, match="503"):
            connect(address)
        time.sleep(0.4)
        first.infer(request)
        second = RemotePolicy(address, timeout_s=5.0)
        second.infer(request)
        idle.recv(timeout=10)  # the metadata
        with pytest.raises(ConnectionClosed, match="1013"):
            idle.recv(timeout=10)
        time.sleep(0.4)
        third = RemotePolicy(address, timeout_s=5.0)
        third.infer(request)
        time.sleep(0.4)
        for remote in (first, second, third):  # who was turned out comes again
            remote.infer(request)
            time.sleep(0.4)
            remote.close()


# Clients


def test_a_server_that_is_away_fails_one_chunk_and_is_found_again(policy: BundlePolicy) -> None:
    request = ChunkRequest(some_values(policy.manifest), seed=0)
    with serving(policy) as address:
        remote = RemotePolicy(address, timeout_s=5.0)
        expected = remote.infer(request)
    for _ in range(2):
        with pytest.raises(RemoteError):
            remote.infer(request)
    with serving(policy, port=int(address.rsplit(":", 1)[1])):
        np.testing.assert_array_equal(remote.infer(request), expected)
        remote.close()


def test_no_answer_in_time_is_an_error_and_never_anothers_answer(policy: BundlePolicy) -> None:
    slow = Gate(policy)
    first, second = (ChunkRequest(some_values(policy.manifest, k), seed=k) for k in (0, 1))
    with serving(slow) as address:
        remote = RemotePolicy(address, timeout_s=0.3)
        slow.open.clear()
        with pytest.raises(RemoteError, match="failed"):
            remote.infer(first)
        slow.open.set()
        patient = RemotePolicy(address, timeout_s=10)
        np.testing.assert_allclose(patient.infer(second), policy.infer(second), atol=1e-6)
        found = None
        until = time.monotonic() + 10
        while found is None and time.monotonic() < until:
            try:
                found = remote.infer(second)
            except RemoteError:
                continue
        np.testing.assert_allclose(found, policy.infer(second), atol=1e-6)
        remote.close()
        patient.close()


@contextmanager
def pretended(manifest: Manifest, answer: bytes | None) -> Iterator[str]:
    """A server of our own protocol that answers whatever is asked so; None: it reads nothing."""

    def speak(raw: socket.socket) -> None:
        protocol = ServerProtocol()
        while not (events := protocol.events_received()):
            protocol.receive_data(raw.recv(1 << 16))
        protocol.send_response(protocol.accept(events[0]))
        protocol.send_binary(pack(metadata(manifest)))
        raw.sendall(b"".join(protocol.data_to_send()))
        while answer is not None and (data := raw.recv(1 << 16)):
            protocol.receive_data(data)
            if any(frame.opcode is Opcode.BINARY for frame in protocol.events_received()):
                protocol.send_binary(answer)
            raw.sendall(b"".join(protocol.data_to_send()))

    def listen() -> None:
        with suppress(OSError):
            while True:
                raw = listening.accept()[0]
                connections.append(raw)
                with suppress(OSError):
                    speak(raw)

    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for raw in connections:
                raw.close()
            thread.join(10)


def test_a_server_that_never_reads_fails_one_chunk_in_time(policy: BundlePolicy) -> None:
    request = ChunkRequest({"overhead_image": np.zeros((2, 2000, 2000, 3), np.uint8)}, seed=0)
    with pretended(policy.manifest, None) as address:
        remote = RemotePolicy(address, timeout_s=0.5)
        began_s = time.monotonic()
        with pytest.raises(RemoteError, match="failed"):
            remote.infer(request)
        assert time.monotonic() - began_s < 3.0


@pytest.mark.parametrize("message", [*MALFORMED, {"actions": MALFORMED[1]["pusher"]}, [], 7])
def test_a_servers_malformed_answer_fails_one_chunk(policy: BundlePolicy, message: object) -> None:
    request = ChunkRequest(some_values(policy.manifest), seed=0)
    with pretended(policy.manifest, msgpack.packb(message)) as address:
        remote = RemotePolicy(address, timeout_s=5.0)
        for _ in range(2):
            with pytest.raises(RemoteError, match="failed"):
                remote.infer(request)


@pytest.mark.parametrize("text", [LAUGHS, MANY_KEYS])
def test_a_servers_manifest_that_takes_long_is_refused(policy: BundlePolicy, text: bytes) -> None:
    class Another:
        def to_yaml(self) -> str:
            return text.decode()

        def __getattr__(self, name: str) -> object:
            return getattr(policy.manifest, name)

    with pretended(Another(), None) as address:
        began_s = time.process_time()
        with pytest.raises(RemoteError, match="cannot be used"):
            RemotePolicy(address)
        assert time.process_time() - began_s < 2.0


def test_another_policy_at_the_same_place_is_refused(
    cell: CellConfig, policy: BundlePolicy, tmp_path: Path
) -> None:
    manifest = some_manifest(cell)
    other = load_policy(write_toy(tmp_path, manifest, random_graphs(manifest)))
    request = ChunkRequest(some_values(policy.manifest), seed=0)
    with serving(policy) as address:
        remote = RemotePolicy(address)
    with pytest.raises(RemoteError):
        remote.infer(request)
    with (
        serving(other, port=int(address.rsplit(":", 1)[1])),
        pytest.raises(RemoteError, match="another policy than before"),
    ):
        remote.infer(request)


def test_everybody_gets_a_turn(policy: BundlePolicy) -> None:
    """A client that asks again at once comes after the ones that have waited."""
    order, lock = [], threading.Lock()

    class Logged(Gate):
        def infer(self, request: ChunkRequest) -> np.ndarray:
            with lock:
                order.append(request.seed)
            return super().infer(request)

    logged = Logged(policy)
    with serving(logged) as address:
        remotes = [RemotePolicy(address, timeout_s=20) for _ in range(3)]
        values = some_values(policy.manifest)
        logged.open.clear()

        def ask(name: int) -> None:
            for _ in range(5):
                remotes[name].infer(ChunkRequest(values, seed=name))

        threads = [threading.Thread(target=ask, args=(k,)) for k in range(3)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 10
        while not order and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.3)  # the others' requests are waiting by now
        logged.open.set()
        for thread in threads:
            thread.join(20)
        for remote in remotes:
            remote.close()
    assert sorted(order) == sorted([0, 1, 2] * 5)
    assert set(order[:3]) == {0, 1, 2}


def test_the_command_serves_until_it_is_told_to_end(cell: CellConfig, tmp_path: Path) -> None:
    manifest = some_manifest(cell)
    bundle = write_toy(tmp_path, manifest, random_graphs(manifest))
    words = [sys.executable, "-m", "pushcell.cli", "serve", str(bundle), "--port", "0"]
    environment = {**os.environ, TOKEN_VARIABLE: "secret"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            address = server.stdout.readline().removeprefix("serving on ").strip()
            remote = RemotePolicy(address, "secret", timeout_s=10)
            request = ChunkRequest(some_values(manifest), seed=0)
            expected = load_policy(bundle).infer(request)
            np.testing.assert_allclose(remote.infer(request), expected, atol=1e-6)
            remote.close()
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0
        finally:
            server.kill()
