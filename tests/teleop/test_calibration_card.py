"""What a calibration still needs, on the real page in a real Chromium."""

import asyncio

import pytest

pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")
pytest.importorskip("selenium", reason="no selenium: install pushcell[dev]")

from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.browser import found_browser, open_page
from tests.teleop.test_console_server import Served

pytestmark = pytest.mark.skipif(
    found_browser() is None, reason="no browser: install chromium, chromedriver"
)

PATIENCE_S = 60.0
GUIDANCE = {
    "progress": "overhead: view 3 of 30",
    "counts": [[0, 24, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]],
    "missing": ["show the board at the top far left of the image"],
}


def test_the_page_shows_which_parts_of_the_picture_are_missing(cell):
    async def play():
        async with Served(cell) as console:

            async def calibrate():
                while True:
                    console.desk.view.calibration.put(GUIDANCE)
                    await asyncio.sleep(0.1)

            calibrating = asyncio.create_task(calibrate())
            await asyncio.to_thread(look, console.url)
            calibrating.cancel()

    def look(url):
        with open_page(url) as page:
            parts = "return [...document.querySelectorAll('#coverage li')].map(l => l.className)"
            WebDriverWait(page.driver, PATIENCE_S).until(lambda _: len(page.script(parts)) == 12)
            assert page.text("calibration-progress") == GUIDANCE["progress"]
            assert [i for i, name in enumerate(page.script(parts)) if name] == [1, 4]
            assert page.text("missing") == GUIDANCE["missing"][0]

    asyncio.run(play())
