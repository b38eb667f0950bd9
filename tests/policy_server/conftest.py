"""A toy policy that takes images, a server of it, and a connection to that."""

from collections.abc import Iterator

import pytest
from websockets.sync.client import ClientConnection, connect

from policy_server.bundle import load_policy
from policy_server.policy import BundlePolicy
from pushcell.config.cell import CellConfig
from tests.policy_server.examples import some_manifest
from tests.policy_server.serving import serving
from tests.policy_server.toy_bundle import random_graphs, write_toy


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


@pytest.fixture
def connection(address: str) -> Iterator[ClientConnection]:
    """One that has been greeted."""
    with connect(address, max_size=None) as found:
        found.recv(timeout=10)
        yield found
