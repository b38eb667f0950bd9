"""``pushcell serve``: inference for robots on other machines."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from policy_server.bundle import load_policy
from policy_server.onnx_networks import Provider, RuntimeOptions
from policy_server.open_policy import TOKEN_VARIABLE
from policy_server.policy import Policy
from policy_server.server import PolicyServer, ServerOptions
from pushcell.errors import ConfigError
from pushcell.shipped import POLICIES

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Serve:
    """Serve a bundle over websockets with openpi's protocol; /healthz answers while it runs.

    If the environment variable PUSHCELL_POLICY_TOKEN is set, clients must send its value in
    the header "Authorization: Api-Key VALUE".

    examples:
      pushcell serve target_state --host 0.0.0.0
      pushcell serve target_state --ray 192.168.1.2:6379 --replicas 4
    """

    bundle: Positional[Path]
    """The name of a shipped policy, or the path of a bundle (folder or zip)."""
    host: str = "127.0.0.1"
    """Address to listen on; by default only this machine can connect."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    certificate: Annotated[Path | None, arg(metavar="FILE.pem")] = None
    """Certificate chain for TLS; needs --key."""
    key: Annotated[Path | None, arg(metavar="FILE.pem")] = None
    """Private key for TLS; needs --certificate."""
    provider: Provider = "cpu"
    """Execution provider of the networks."""
    threads: int = 1
    """Threads of one inference."""
    ray: Annotated[str | None, arg(metavar="ADDRESS")] = None
    """Run inference in replicas on this Ray cluster: HOST:PORT, auto or local."""
    replicas: int = 1
    """With --ray: number of replicas; each machine needs the bundle at the same path."""


def main(words: Sequence[str]) -> int:
    """Run the command until it is told to end; 0 then."""
    options = tyro.cli(Serve, prog="pushcell serve", args=list(words))
    if options.replicas < 1:
        raise ConfigError(f"--replicas must be at least 1, not {options.replicas}")
    server = ServerOptions(
        options.host, options.port, os.environ.get(TOKEN_VARIABLE) or None, _tls(options)
    )
    if server.token is None and server.host not in _LOOPBACK:
        print(
            f"warning: {TOKEN_VARIABLE} is not set: anyone on the network can request chunks",
            file=sys.stderr,
        )
    with _policy(options) as policy:
        asyncio.run(_serve(policy, server))
    return 0


def _policy(options: Serve) -> AbstractContextManager[Policy]:
    """Of this process, or of a cluster's replicas."""
    runtime = RuntimeOptions(options.provider, options.threads)
    bundle = POLICIES.find(options.bundle)
    if options.ray is None:
        return nullcontext(load_policy(bundle, None, runtime))
    from policy_server.replicas import replicated  # an extra that few need

    return replicated(bundle, runtime, options.replicas, options.ray)


async def _serve(policy: Policy, options: ServerOptions) -> None:
    ending = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ending.set)
    try:
        server = await PolicyServer(policy, options).start()
    except OSError as error:
        raise ConfigError(f"cannot listen on {options.host}:{options.port}: {error}") from None
    async with server:
        port = next(iter(server.sockets)).getsockname()[1]
        scheme = "ws" if options.tls is None else "wss"
        print(f"serving on {scheme}://{options.host}:{port}", flush=True)
        await ending.wait()


def _tls(options: Serve) -> ssl.SSLContext | None:
    if options.certificate is None and options.key is None:
        return None
    if options.certificate is None or options.key is None:
        raise ConfigError("TLS needs both --certificate and --key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(options.certificate, options.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{options.certificate} and {options.key}: {error}") from None
    return context
