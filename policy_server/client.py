"""A policy on another machine: the same interface, with a limit to how long it may take.

Every failure is an error of one chunk. The next request connects again; until one succeeds there
is no new chunk, and the robot decelerates at the end of the last one and holds.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from websockets.exceptions import WebSocketException
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect

from policy_server.bundle_format import Manifest
from policy_server.message_codec import ProtocolError, pack, unpack
from policy_server.policy import ChunkRequest, Policy
from policy_server.protocol import manifest_of, request_message, to_actions
from pushcell.errors import BundleError, PushcellError
from pushcell.geometry import Array

_LARGEST_ANSWER_BYTES = 1 << 22
_LONGEST_SENTENCE = 500


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

    def infer(self, request: ChunkRequest) -> Array:
        """(H, 2) absolute pusher positions [m]; raises RemoteError."""
        connection = self._connected()
        try:
            with _cut_off_after(self._timeout_s, connection):
                connection.send(pack(request_message(request)))
                answer = connection.recv(timeout=self._timeout_s)
            if isinstance(answer, str):
                raise RemoteError(f"{self._url} answers: {answer[:_LONGEST_SENTENCE]}")
            return to_actions(unpack(answer), self.manifest)
        except (OSError, WebSocketException, ProtocolError) as error:
            # An answer that comes later would be taken for that of another request.
            _cut_off(connection)
            self.close()
            raise RemoteError(f"{self._url} failed: {_said(error)}") from None

    def close(self) -> None:
        """Let go of the server."""
        self._connection = None
        self._closing.close()

    def _connected(self) -> ClientConnection:
        if self._connection is not None and self._connection.state is State.OPEN:
            return self._connection
        self.close()
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
            except (OSError, ValueError, WebSocketException, ProtocolError, BundleError) as error:
                raise RemoteError(f"{self._url} cannot be used: {_said(error)}") from None
            self._closing = stack.pop_all()
        self._connection = connection
        return connection

    def _greet(self, connection: ClientConnection) -> None:
        message = connection.recv(timeout=self._timeout_s)
        if isinstance(message, str):
            raise ProtocolError(message)
        manifest = manifest_of(unpack(message), self._url)
        if self._manifest is not None and manifest != self._manifest:
            raise BundleError("it serves another policy than before: configure anew")
        self._manifest = manifest


@contextmanager
def _cut_off_after(timeout_s: float, connection: ClientConnection) -> Iterator[None]:
    """End what waits for the other side, sending too, in an error after a while."""
    timer = threading.Timer(timeout_s, _cut_off, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut_off(connection: ClientConnection) -> None:
    with suppress(OSError):  # it is closed already
        connection.socket.shutdown(socket.SHUT_RDWR)


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:_LONGEST_SENTENCE]
