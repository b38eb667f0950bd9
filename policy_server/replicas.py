"""A policy on the machines of a Ray cluster: replicas of it behind Ray Serve, asked as one policy.

Clients never reach Ray: they speak with the server that asks the replicas, and its limits hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from policy_server.bundle import load_policy
from policy_server.bundle_files import read_manifest
from policy_server.bundle_format import Manifest
from policy_server.onnx_networks import RuntimeOptions
from policy_server.policy import ChunkRequest, Policy
from pushcell.errors import BundleError, ClusterError, PushcellError
from pushcell.geometry import Array
from pushcell.processes.environment import changed_environment
from pushcell.processes.ray_cluster import joined

_NAME = "pushcell"
_TIMEOUT_S = 10.0


class Replica:
    """The policy in one process of the cluster; raises BundleError for another bundle there."""

    def __init__(self, bundle: str, sha256: str, options: RuntimeOptions) -> None:
        self._policy = load_policy(Path(bundle), None, options)
        found = self._policy.manifest.sha256
        if found != sha256:
            raise BundleError(
                f"{bundle} has SHA-256 {found} on {ray.util.get_node_ip_address()}, "
                f"{sha256} on the server's machine"
            )

    def infer_many(self, requests: Sequence[ChunkRequest]) -> list[Array | PushcellError]:
        """Chunks (H, 2) [m] or errors, one per request; see `Policy.infer_many`."""
        return self._policy.infer_many(requests)


class ReplicatedPolicy(Policy):
    """Shares requests out among replicas; one that fails costs the chunks that it was asked for."""

    def __init__(self, manifest: Manifest, handle: DeploymentHandle, replicas: int) -> None:
        self._manifest, self._handle, self._replicas = manifest, handle, replicas

    @property
    def manifest(self) -> Manifest:
        """Manifest of the bundle that the replicas run."""
        return self._manifest

    def infer(self, request: ChunkRequest) -> Array:
        """(H, 2) absolute pusher positions [m]; raises PushcellError."""
        (found,) = self.infer_many([request])
        if isinstance(found, PushcellError):
            raise found
        return found

    def infer_many(self, requests: Sequence[ChunkRequest]) -> list[Array | PushcellError]:
        """As `infer` of each; every replica makes its share of them together."""
        shares = [range(k, len(requests), self._replicas) for k in range(self._replicas)]
        asked = [
            (share, self._handle.infer_many.remote([requests[k] for k in share]))
            for share in shares
            if share
        ]
        found: dict[int, Array | PushcellError] = {}
        for share, answer in asked:
            try:
                found.update(zip(share, answer.result(timeout_s=_TIMEOUT_S), strict=True))
            except (ray.exceptions.RayError, TimeoutError) as error:
                failed = ClusterError(f"a replica failed ({error}): ask again")
                found.update(dict.fromkeys(share, failed))
        return [found[k] for k in range(len(requests))]


@contextmanager
def replicated(
    bundle: Path, options: RuntimeOptions, replicas: int, address: str
) -> Iterator[ReplicatedPolicy]:
    """The policy of a bundle that lies at the same path on every machine of the cluster.

    ``address`` as for `joined`. Raises ClusterError or BundleError.
    """
    manifest = read_manifest(bundle)
    deployment = serve.deployment(
        Replica,
        num_replicas=replicas,
        max_ongoing_requests=1,
        ray_actor_options={"num_cpus": options.threads, "num_gpus": int(options.provider != "cpu")},
    )
    application = deployment.bind(str(bundle.resolve()), manifest.sha256, options)
    # By itself a local cluster gives way to all other work, which robots cannot wait for.
    with changed_environment({"RAY_worker_niceness": "0"}), joined(address):
        serve.start(proxy_location="Disabled")
        try:
            handle = serve.run(application, name=_NAME, route_prefix=None)
        except RuntimeError as error:
            raise ClusterError(f"the replicas of {bundle} do not start: {error}") from None
        try:
            yield ReplicatedPolicy(manifest, handle, replicas)
        finally:
            serve.delete(_NAME)
