"""Takes the console's pictures: ``PYTHONPATH=. python docs/make_console_picture.py``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from benchmarks.browser import BrowserPage, open_page
from benchmarks.collection import Collection
from pushcell.geometry import Array

DOCS = Path(__file__).resolve().parent
DOMAIN = 86
VERDICTS = ("success", "failure", "success")
DESKTOP_PX, PHONE_PX = (1440, 900), (390, 844)
# Places that the finger goes to, from the pusher's home [m].
WAY = np.array([[0.03, -0.06], [-0.02, -0.14], [-0.06, -0.2], [-0.03, -0.12]])


def main() -> None:
    """Some episodes, then a picture in the middle of the next one, for a desk and for a phone."""
    with (
        tempfile.TemporaryDirectory() as episodes,
        Collection(DOMAIN, Path(episodes)) as cell,
        open_page(cell.address) as page,
    ):
        cell.arm(page)
        home = np.array(cell.cell.task.pusher_home_m)
        for number, verdict in enumerate(VERDICTS, start=1):
            page.press("start")
            for place in home + WAY:
                drag(cell, page, place)
            page.press(verdict)
            cell.until(lambda n=number: count(page) == n, "episode in the list")
            cell.until(lambda: cell.motion["reason"] == "at_home", "the next start")
            cell.watch(2.0)
        page.press("start")
        drag(cell, page, home + WAY[0])
        page.mouse("mousePressed", cell.pixel_of(home + WAY[2]))
        cell.watch(1.0)
        save(page, "console.png", DESKTOP_PX)
        page.mouse("mouseReleased", cell.pixel_of(home + WAY[2]))
        page.size(*PHONE_PX, phone=True)
        cell.watch(1.0)
        save(page, "console_phone.png", PHONE_PX)


def drag(cell: Collection, page: BrowserPage, place: Array) -> None:
    """Hold the finger at a place until the pusher is there."""
    pixel = cell.pixel_of(place)
    cell.drag_until(page, pixel, lambda: np.linalg.norm(cell.pusher - place) < 0.01, "pusher there")
    page.mouse("mouseReleased", pixel)


def count(page: BrowserPage) -> int:
    """How many episodes the page lists."""
    return int(page.script("return document.querySelectorAll('#episodes .shot').length"))


def save(page: BrowserPage, name: str, size_px: tuple[int, int]) -> None:
    """A screenshot."""
    shot = cv2.imdecode(np.frombuffer(page.driver.get_screenshot_as_png(), np.uint8), 1)
    cv2.imwrite(str(DOCS / name), shot, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{name}: {shot.shape[1]}x{shot.shape[0]} of a page of {size_px}")


if __name__ == "__main__":
    main()
