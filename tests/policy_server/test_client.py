"""The client: a server that is away, slow, broken or another one costs a chunk, in time."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgpack
import numpy as np
import pytest
from websockets.frames import Opcode
from websockets.server import ServerProtocol

from policy_server.bundle import load_policy
from policy_server.bundle_format import Manifest
from policy_server.client import RemoteError, RemotePolicy
from policy_server.message_codec import pack
from policy_server.policy import BundlePolicy, ChunkRequest
from policy_server.protocol import metadata
from pushcell.config.cell import CellConfig
from tests.config.test_strict_yaml import LAUGHS, MANY_KEYS
from tests.policy_server.examples import some_manifest
from tests.policy_server.serving import MALFORMED, serving
from tests.policy_server.test_bundle import some_values
from tests.policy_server.test_driver import Gate
from tests.policy_server.toy_bundle import random_graphs, write_toy


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
