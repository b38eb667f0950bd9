"""The request handler: from messages to answers, apart from how they are transported."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policy_server.message_codec import ProtocolError, pack, unpack
from policy_server.policy import ChunkRequest, Policy
from policy_server.protocol import metadata, to_request
from pushcell.errors import PushcellError
from pushcell.geometry import Array
from pushcell.timing import steady_seconds


@dataclass(frozen=True)
class Message:
    """A client's message, and when it came [s]."""

    content: str | bytes
    came_s: float


class RequestHandler:
    """Handles several messages at once, so that they share the calls of the network."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._seeds = itertools.count()

    def metadata_message(self) -> bytes:
        """The first message of a connection."""
        return pack(metadata(self._policy.manifest))

    def handle(self, messages: Sequence[Message]) -> list[bytes | str]:
        """Chunks in the order of the messages; a sentence for one that is wrong."""
        began_s = steady_seconds()
        asked = [self._request(message) for message in messages]
        sound = [request for request in asked if isinstance(request, ChunkRequest)]
        chunks = iter(self._chunks(sound))
        found = [
            next(chunks) if isinstance(request, ChunkRequest) else request for request in asked
        ]
        infer_ms = 1e3 * (steady_seconds() - began_s)
        return [
            str(actions)
            if isinstance(actions, PushcellError)
            else pack(
                {
                    "actions": actions.astype(np.float32),
                    "server_timing": {
                        "queue_ms": 1e3 * (began_s - message.came_s),
                        "infer_ms": infer_ms,
                        "batch": len(sound),
                    },
                }
            )
            for message, actions in zip(messages, found, strict=True)
        ]

    def _chunks(self, requests: Sequence[ChunkRequest]) -> list[Array | PushcellError]:
        """Of each; where they break down together each is asked alone, and pays alone."""
        if not requests:
            return []
        try:
            return self._policy.infer_many(requests)
        # Whatever one client's values lead to, the others get their chunks.
        except Exception as error:  # noqa: BLE001
            if len(requests) == 1:
                return [PushcellError(f"no chunk can be made of the request: {error!r}")]
            return [chunk for request in requests for chunk in self._chunks([request])]

    def _request(self, message: Message) -> ChunkRequest | PushcellError:
        if isinstance(message.content, str):
            return ProtocolError("a request must be binary")
        try:
            return to_request(unpack(message.content), self._policy.manifest, next(self._seeds))
        except ProtocolError as error:
            return error
