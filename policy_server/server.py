"""Serves a policy over websockets, in openpi's protocol: metadata first, then chunks for requests.

Each client has one request under way at most. All that have come while a chunk was made are
answered together, by calls of the network that they share: nobody waits for more than the batch
under way. A request that is wrong is answered with a sentence (as text), and changes nothing for
anybody.
"""

from __future__ import annotations

import asyncio
import hmac
import http
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from policy_server.policy import Policy
from policy_server.protocol import largest_request_bytes
from policy_server.request_handler import Message, RequestHandler
from pushcell.timing import steady_seconds


@dataclass(frozen=True)
class ServerOptions:
    """Who may connect, and how; port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    tls: ssl.SSLContext | None = None
    max_clients: int = 32
    idle_s: float = 10.0
    """Who has asked for nothing for so long makes room for others, once all places are taken."""


@dataclass(frozen=True)
class _Waiting:
    message: Message
    answer: asyncio.Future[str | bytes]


class PolicyServer:
    """For one policy; `start` within a running event loop."""

    def __init__(self, policy: Policy, options: ServerOptions) -> None:
        self._policy = policy
        self._options = options
        self._thread = ThreadPoolExecutor(1, "inference")
        self._handler = RequestHandler(policy)
        self._waiting: list[_Waiting] = []
        self._working: asyncio.Task[None] | None = None
        self._asked_s: dict[ServerConnection, float] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def start(self) -> Server:
        """Listen; what is returned is an asynchronous context manager."""
        options = self._options
        return await serve(
            self._serve_client,
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
        if len(self._asked_s) >= self._options.max_clients and not self._make_room():
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "too many clients\n")
        return None

    async def _serve_client(self, connection: ServerConnection) -> None:
        self._asked_s[connection] = steady_seconds()
        try:
            await connection.send(self._handler.metadata_message())
            async for message in connection:
                if connection in self._asked_s:
                    self._asked_s[connection] = steady_seconds()
                await connection.send(await self._reply(message))
        except ConnectionClosed:
            pass
        finally:
            self._asked_s.pop(connection, None)

    def _make_room(self) -> bool:
        """Turn out whoever has asked for nothing for the longest time; False when all ask."""
        idlest = min(self._asked_s, key=self._asked_s.__getitem__)
        if steady_seconds() - self._asked_s[idlest] < self._options.idle_s:
            return False
        del self._asked_s[idlest]
        closing = asyncio.ensure_future(idlest.close(1013, "idle while others wait"))
        self._leaving.add(closing)
        closing.add_done_callback(self._leaving.discard)
        return True

    async def _reply(self, content: str | bytes) -> str | bytes:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(Message(content, steady_seconds()), loop.create_future())
        self._waiting.append(waiting)
        if self._working is None:
            self._working = loop.create_task(self._work())
        return await waiting.answer

    async def _work(self) -> None:
        """Answer whoever waits, all of them at a time, until nobody does."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                messages = [waiting.message for waiting in batch]
                answers = loop.run_in_executor(self._thread, self._handler.handle, messages)
                await asyncio.wait([answers])
                for number, waiting in enumerate(batch):
                    if waiting.answer.cancelled():  # its client has gone
                        continue
                    if error := answers.exception():
                        waiting.answer.set_exception(error)
                    else:
                        waiting.answer.set_result(answers.result()[number])
        finally:
            self._working = None
