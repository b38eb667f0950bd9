"""The same policy in replicas behind Ray Serve: its clients see no difference."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray.serve", reason="no Ray Serve: install pushcell[ray]")

import psutil

from policy_server.bundle import load_policy
from policy_server.client import RemoteError, RemotePolicy
from policy_server.onnx_networks import RuntimeOptions
from policy_server.policy import BundlePolicy, ChunkRequest
from policy_server.replicas import ReplicatedPolicy, replicated
from pushcell.config.cell import CellConfig
from pushcell.processes.ray_cluster import LOCAL
from tests.policy_server.examples import some_manifest
from tests.policy_server.serving import serving
from tests.policy_server.test_bundle import some_values
from tests.policy_server.toy_bundle import random_graphs, write_toy


@pytest.fixture(scope="module")
def bundle(cell: CellConfig, tmp_path_factory) -> Path:
    manifest = some_manifest(cell, max_prefix=4)
    graphs = random_graphs(manifest, batch=None)
    return write_toy(tmp_path_factory.mktemp("toy"), manifest, graphs)


@pytest.fixture(scope="module")
def policy(bundle: Path) -> BundlePolicy:
    return load_policy(bundle)


@pytest.fixture(scope="module")
def replicas(bundle: Path) -> Iterator[ReplicatedPolicy]:
    with replicated(bundle, RuntimeOptions(), 2, LOCAL) as found:
        yield found


def replica_processes() -> list[psutil.Process]:
    mine = psutil.Process(os.getpid()).children(recursive=True)
    return [process for process in mine if "ServeReplica" in " ".join(process.cmdline())]


def test_clients_of_the_server_are_clients_of_its_replicas(
    policy: BundlePolicy, replicas: ReplicatedPolicy
) -> None:
    requests = [ChunkRequest(some_values(policy.manifest, seed), seed) for seed in range(6)]
    with serving(replicas) as address:

        def ask(request: ChunkRequest) -> np.ndarray:
            remote = RemotePolicy(address, timeout_s=20)
            assert remote.manifest == policy.manifest
            try:
                return remote.infer(request)
            finally:
                remote.close()

        with ThreadPoolExecutor(len(requests)) as clients:
            for found, request in zip(clients.map(ask, requests), requests, strict=True):
                np.testing.assert_allclose(found, policy.infer(request), atol=1e-6)
        wrong = ChunkRequest({**requests[0].values, "pusher": np.zeros((9, 3))}, 0)
        remote = RemotePolicy(address, timeout_s=20)
        with pytest.raises(RemoteError, match="pusher must be"):
            remote.infer(wrong)
        remote.close()


def test_a_replica_that_dies_is_replaced(policy: BundlePolicy, replicas: ReplicatedPolicy) -> None:
    before = replica_processes()
    assert len(before) == 2
    before[0].kill()
    requests = [ChunkRequest(some_values(policy.manifest, seed), seed) for seed in range(4)]
    found, until = replicas.infer_many(requests), time.monotonic() + 60
    while not all(isinstance(chunk, np.ndarray) for chunk in found) and time.monotonic() < until:
        time.sleep(0.1)
        found = replicas.infer_many(requests)
    for chunk, request in zip(found, requests, strict=True):
        np.testing.assert_allclose(chunk, policy.infer(request), atol=1e-6)
