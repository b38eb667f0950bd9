"""Server and client over real sockets: the same chunks as here, and a turn for everybody."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from policy_server.bundle import load_policy
from policy_server.client import RemoteError, RemotePolicy
from policy_server.open_policy import TOKEN_VARIABLE
from policy_server.policy import BundlePolicy, ChunkRequest
from pushcell.config.cell import CellConfig
from tests.policy_server.examples import some_manifest
from tests.policy_server.serving import serving
from tests.policy_server.test_bundle import some_values
from tests.policy_server.test_driver import Gate
from tests.policy_server.toy_bundle import random_graphs, write_toy


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
