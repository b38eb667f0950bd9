"""Serves a policy over websockets, in openpi's protocol: metadata first, then chunks for requests.

Each client has one request under way at most, and they are answered in the order in which they
came: nobody waits longer than one chunk of every other client. A request that is wrong is answered
with a sentence (as text), and changes nothing for anybody.
"""

from __future__ import annotations

import asyncio
import hmac
import http
import itertools
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from policy_server.policy import Policy
from policy_server.served import largest_request_bytes, metadata, to_request
from policy_server.wire import WireError, pack, unpack
from pushcell.errors import PushcellError
from pushcell.timing import steady_seconds


@dataclass(frozen=True)
class ServerOptions:
    """Who may connect, and how; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    tls: ssl.SSLContext | None = None
    max_clients: int = 32


class PolicyServer:
    """For one policy; `start` within a running event loop."""

    def __init__(self, policy: Policy, options: ServerOptions) -> None:
        self._policy = policy
        self._options = options
        self._thread = ThreadPoolExecutor(1, "inference")
        self._clients = 0
        self._seeds = itertools.count()

    async def start(self) -> Server:
        """Listen; what is returned is an asynchronous context manager."""
        options = self._options
        return await serve(
            self._answer,
            options.host,
            options.port,
            ssl=options.tls,
            compression=None,
            max_size=largest_request_bytes(self._policy.manifest),
            max_queue=2,
            process_request=self._admit,
        )

    def _admit(self, connection: ServerConnection, request: HttpRequest) -> Response | None:
        if request.path == "/healthz":
            return connection.respond(http.HTTPStatus.OK, "OK\n")
        if self._options.token is not None:
            given = request.headers.get("Authorization", "").encode()
            if not hmac.compare_digest(given, f"Api-Key {self._options.token}".encode()):
                return connection.respond(http.HTTPStatus.UNAUTHORIZED, "the token is wrong\n")
        if self._clients >= self._options.max_clients:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "too many clients\n")
        return None

    async def _answer(self, connection: ServerConnection) -> None:
        self._clients += 1
        try:
            await connection.send(pack(metadata(self._policy.manifest)))
            async for message in connection:
                await connection.send(await self._reply(message))
        except ConnectionClosed:
            pass
        finally:
            self._clients -= 1

    async def _reply(self, message: str | bytes) -> str | bytes:
        came_s = steady_seconds()
        try:
            if isinstance(message, str):
                raise WireError("a request must be binary")
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._infer, message, came_s)
        except PushcellError as error:
            return str(error)

    def _infer(self, message: bytes, came_s: float) -> bytes:
        began_s = steady_seconds()
        request = to_request(unpack(message), self._policy.manifest, next(self._seeds))
        actions = self._policy.infer(request)
        timing = {
            "queue_ms": 1e3 * (began_s - came_s),
            "infer_ms": 1e3 * (steady_seconds() - began_s),
        }
        return pack({"actions": actions.astype(np.float32), "server_timing": timing})
