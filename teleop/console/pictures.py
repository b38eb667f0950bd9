"""The newest picture of each camera, coded once for all who look, and never an older one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from teleop.console.outlines import Outline

_JPEG_QUALITY = 80


@dataclass(frozen=True, eq=False)
class CameraPicture:
    """An RGB image (H, W, 3) uint8, its capture stamp of control time, and outlines over it."""

    captured_s: float
    image: NDArray[np.uint8]
    outlines: Sequence[Outline] = ()


class PictureFeed:
    """One camera's pictures: put in by any thread, awaited on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._newest: CameraPicture | None = None
        self._coded: tuple[CameraPicture, bytes] | None = None
        self._news = asyncio.Event()
        self._coding = asyncio.Lock()

    def put(self, picture: CameraPicture) -> None:
        """A new picture; the one before is forgotten, seen or not."""
        self._newest = picture
        self._loop.call_soon_threadsafe(self._tell)

    async def other_than(self, seen: CameraPicture | None) -> tuple[CameraPicture, bytes]:
        """The newest picture and its JPEG; waits for another than the one that was seen."""
        while self._newest is None or self._newest is seen:
            await self._news.wait()
        async with self._coding:
            if self._coded is None or self._coded[0] is not self._newest:
                picture = self._newest
                self._coded = picture, await asyncio.to_thread(self._code, picture)
            return self._coded

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _code(self, picture: CameraPicture) -> bytes:
        bgr = cv2.cvtColor(picture.image, cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        return jpeg.tobytes()
