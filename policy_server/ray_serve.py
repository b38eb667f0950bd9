"""A policy behind Ray Serve, on as many machines as its cluster has; in messages as `server`.

    serve run policy_server.ray_serve:application bundle=bundles/target_image replicas=4

Each replica holds the policy, and answers all requests that have come meanwhile together.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from pathlib import Path

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse
from ray import serve

from policy_server.answers import Answerer, Message
from policy_server.bundle import load_policy
from policy_server.opening import TOKEN_VARIABLE
from policy_server.server import ServerOptions
from pushcell.timing import steady_seconds

_app = FastAPI()
_REFUSED = 1008  # websocket: against the policy


@serve.ingress(_app)
class Replica:
    """One of them."""

    def __init__(self, bundle: str, token: str | None) -> None:
        self._answers = Answerer(load_policy(Path(bundle)))
        self._token = token

    @_app.get("/healthz")
    def health(self) -> PlainTextResponse:
        """It is up."""
        return PlainTextResponse("OK\n")

    @_app.websocket("/")
    async def connect(self, socket: WebSocket) -> None:
        """One client, until it goes."""
        given = socket.headers.get("Authorization", "").encode()
        if self._token and not hmac.compare_digest(given, f"Api-Key {self._token}".encode()):
            await socket.close(_REFUSED)
            return
        await socket.accept()
        await socket.send_bytes(self._answers.greeting())
        try:
            while True:
                await self._reply(socket)
        except WebSocketDisconnect:
            return

    @serve.batch(max_batch_size=ServerOptions.max_clients, batch_wait_timeout_s=0.0)
    async def answer(self, messages: list[Message]) -> list[bytes | str]:
        """Of all clients that wait, those of one batch."""
        return await asyncio.to_thread(self._answers.answer, messages)

    async def _reply(self, socket: WebSocket) -> None:
        got = await socket.receive()
        if got["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(got["code"])
        content = got.get("bytes") or got.get("text") or ""
        answer = await self.answer(Message(content, steady_seconds()))
        if isinstance(answer, str):
            await socket.send_text(answer)
        else:
            await socket.send_bytes(answer)


def application(arguments: dict[str, str]) -> serve.Application:
    """For ``serve run``: ``bundle`` is a path on every machine, ``replicas`` how many there are.

    Clients must send the token of PUSHCELL_POLICY_TOKEN, where that is set.
    """
    replicas = int(arguments.get("replicas", 1))
    deployment = serve.deployment(Replica, num_replicas=replicas)
    return deployment.bind(arguments["bundle"], os.environ.get(TOKEN_VARIABLE))
