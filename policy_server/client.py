"""A policy on another machine: the same interface, with a limit to how long it may take.

Every failure is an error of one chunk. The next request connects again; until one succeeds there
is no new chunk, and the robot decelerates at the end of the last one and holds.
"""

from __future__ import annotations

import ssl
from contextlib import ExitStack

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from policy_server.bundle_format import Manifest
from policy_server.policy import Policy, Request
from policy_server.served import manifest_of, request_message, to_actions
from policy_server.wire import WireError, pack, unpack
from pushcell.errors import BundleError, PushcellError
from pushcell.geometry import Array

_LARGEST_ANSWER_BYTES = 1 << 22


class RemoteError(PushcellError):
    """The policy server is away, too slow, or refuses."""


class RemotePolicy(Policy):
    """A policy behind ``pushcell serve``; raises RemoteError when it cannot be reached."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout_s: float = 1.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``url``: ws://HOST:PORT, or wss://; no answer may take longer than ``timeout_s``."""
        self._url, self._token, self._timeout_s, self._tls = url, token, timeout_s, tls
        self._connection: ClientConnection | None = None
        self._closing = ExitStack()
        self._manifest: Manifest | None = None
        self._connected()

    @property
    def manifest(self) -> Manifest:
        """Of the bundle that is served."""
        assert self._manifest is not None  # set by the first connection
        return self._manifest

    def infer(self, request: Request) -> Array:
        """(H, 2) absolute pusher positions [m]; raises RemoteError."""
        connection = self._connected()
        try:
            connection.send(pack(request_message(request)))
            answer = connection.recv(timeout=self._timeout_s)
            if isinstance(answer, str):
                raise RemoteError(f"{self._url} answers: {answer}")
            return to_actions(unpack(answer), self.manifest)
        except (OSError, WebSocketException, WireError) as error:
            # An answer that comes later would be taken for that of another request.
            self.close()
            raise RemoteError(f"{self._url} failed: {_said(error)}") from None

    def close(self) -> None:
        """Let go of the server."""
        self._connection = None
        self._closing.close()

    def _connected(self) -> ClientConnection:
        if self._connection is not None:
            return self._connection
        headers = {"Authorization": f"Api-Key {self._token}"} if self._token else None
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(
                    connect(
                        self._url,
                        ssl=self._tls,
                        additional_headers=headers,
                        compression=None,
                        open_timeout=self._timeout_s,
                        close_timeout=self._timeout_s,
                        max_size=_LARGEST_ANSWER_BYTES,
                        proxy=None,
                    )
                )
                self._greet(connection)
            except (OSError, ValueError, WebSocketException, WireError, BundleError) as error:
                raise RemoteError(f"{self._url} cannot be used: {_said(error)}") from None
            self._closing = stack.pop_all()
        self._connection = connection
        return connection

    def _greet(self, connection: ClientConnection) -> None:
        message = connection.recv(timeout=self._timeout_s)
        if isinstance(message, str):
            raise WireError(message)
        manifest = manifest_of(unpack(message), self._url)
        if self._manifest is not None and manifest != self._manifest:
            raise BundleError("it serves another policy than before: configure anew")
        self._manifest = manifest


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
