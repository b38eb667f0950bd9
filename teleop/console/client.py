"""One open page: its state ten times a second, and each camera's pictures as it shows them."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from teleop.console.backend import ConsoleBackend
from teleop.console.hold_delay import HoldDelay
from teleop.console.pictures import CameraPicture, PictureFeed

_STATE_PERIOD_S = 0.1
_PICTURE_PERIOD_S = 0.04
# A page that does not say that it shows a picture gets the next one all the same, but late.
_SHOWN_TIMEOUT_S = 2.0


def server_ms() -> float:
    """The clock by which a page says when something was held."""
    return 1e3 * asyncio.get_running_loop().time()


class Client:
    """Sends to one page, and never more pictures than it has shown."""

    def __init__(
        self,
        stream: web.WebSocketResponse,
        backend: ConsoleBackend,
        feeds: Mapping[str, PictureFeed],
        hold_delay: HoldDelay,
    ) -> None:
        self.stream = stream
        self.hold_delay = hold_delay
        self.may_act = False
        self._backend = backend
        self._feeds = feeds
        self._shown = {name: asyncio.Event() for name in feeds}
        self._senders: list[asyncio.Task[None]] = []

    def begin(self, may_act: bool) -> None:
        """The page said hello."""
        self.may_act = may_act
        if not self._senders:
            work = [self._send_state(), *map(self._send_pictures, self._feeds)]
            self._senders = [asyncio.get_running_loop().create_task(_quietly(it)) for it in work]

    def shown(self, camera: str) -> None:
        """The page shows the picture it was sent."""
        if camera in self._shown:
            self._shown[camera].set()

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message; a page that is gone hears nothing."""
        with suppress(ConnectionError):
            await self.stream.send_str(json.dumps(message, separators=(",", ":")))

    async def close(self) -> None:
        """The page is gone."""
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    async def _send_state(self) -> None:
        welcome = {"t": "welcome", "may_act": self.may_act, **self._backend.welcome()}
        await self.stream.send_json(welcome)
        while True:
            await self.send({"t": "state", "server_ms": server_ms(), **self._backend.state()})
            await asyncio.sleep(_STATE_PERIOD_S)

    async def _send_pictures(self, camera: str) -> None:
        feed, seen = self._feeds[camera], None
        while True:
            pause = asyncio.create_task(asyncio.sleep(_PICTURE_PERIOD_S))
            seen, jpeg = await feed.other_than(seen)
            self._shown[camera].clear()
            await self._send_picture(camera, seen, jpeg)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._shown[camera].wait(), _SHOWN_TIMEOUT_S)
            await pause

    async def _send_picture(self, camera: str, picture: CameraPicture, jpeg: bytes) -> None:
        """Header length (4 bytes, big endian), header as JSON, JPEG."""
        age_ms = 1e3 * self._backend.picture_age_s(picture.captured_s)
        header = {"camera": camera, "age_ms": round(age_ms, 1), "outlines": picture.outlines}
        text = json.dumps(header, separators=(",", ":")).encode()
        await self.stream.send_bytes(struct.pack(">I", len(text)) + text + jpeg)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    """A page that goes away in the middle of a message is no error."""
    with suppress(ConnectionError):
        await work
