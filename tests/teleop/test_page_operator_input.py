"""What is held on the real page is let go of, and its STOP is not lost silently; in a Chromium."""

import asyncio
import time
from collections.abc import Callable

import pytest

pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")
pytest.importorskip("selenium", reason="no selenium: install pushcell[dev]")

from selenium.webdriver.support.wait import WebDriverWait

from benchmarks.browser import BrowserPage, found_browser, open_page
from pushcell.config.cell import CellConfig
from tests.teleop.test_console_server import ServedConsole

pytestmark = pytest.mark.skipif(
    found_browser() is None, reason="no browser: install chromium, chromedriver"
)

PATIENCE_S = 60.0
CONTROL = 2  # of the DevTools protocol
TYPE_SOMETHING = (
    "const input = document.body.appendChild(document.createElement('input')); input.focus();"
)


class Queue:
    """Stands before the server; what the page says waits for ``delay_s``."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rsplit(":", 1)[1])
        self.delay_s = 0.0

    async def __aenter__(self) -> "Queue":
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, onward = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._up(reader, onward), self._down(answers, writer))

    async def _up(self, reader: asyncio.StreamReader, onward: asyncio.StreamWriter) -> None:
        loop, due_s = asyncio.get_running_loop(), 0.0
        while heard := await reader.read(65536):
            due_s = max(due_s, loop.time() + self.delay_s)
            loop.call_at(due_s, onward.write, heard)
        loop.call_at(due_s, onward.close)

    async def _down(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while heard := await answers.read(65536):
            writer.write(heard)
        writer.close()


def on_page(cell: CellConfig, look: Callable[[BrowserPage, ServedConsole, Callable], None]) -> None:
    """Open the page; ``look`` gets it, the server and what waits for a condition."""

    async def play() -> None:
        async with ServedConsole(cell) as console, Queue(console.url) as console.queue:
            await asyncio.to_thread(open_and_look, console, asyncio.get_running_loop())

    def open_and_look(console: ServedConsole, loop: asyncio.AbstractEventLoop) -> None:
        console.loop = loop
        with open_page(console.queue.url) as page:
            patience = WebDriverWait(page.driver, PATIENCE_S)
            patience.until(lambda _: console.cell_interface.joys)
            look(page, console, lambda condition: patience.until(lambda _: condition()))

    asyncio.run(play())


def key(page: BrowserPage, event: str, code: str, **more) -> None:
    page.command("Input.dispatchKeyEvent", type=event, code=code, key=code, **more)


def held_keys(console: ServedConsole) -> int:
    """How many the page says are held."""
    return sum([joy[2] for joy in console.cell_interface.joys if joy[0] == "/teleop/keyboard"][-1])


def pressed_anew(page: BrowserPage) -> bool:
    """Press Space; a page that lost its line for a moment has let go and waits for a new press."""
    key(page, "keyUp", "Space")
    key(page, "rawKeyDown", "Space")
    time.sleep(0.3)
    return True


def test_a_key_is_let_go_wherever_the_focus_has_come_to(cell):
    def look(page, console, until):
        until(lambda: pressed_anew(page) and held_keys(console) == 1)
        page.script(TYPE_SOMETHING)
        key(page, "keyUp", "Space")
        until(lambda: held_keys(console) == 0)
        key(page, "rawKeyDown", "Space")
        time.sleep(0.3)
        assert held_keys(console) == 0, "typing is no deadman"

    on_page(cell, look)


def test_meta_lets_go_of_all_and_a_repeat_is_no_press(cell):
    def look(page, console, until):
        until(lambda: pressed_anew(page) and held_keys(console) == 1)
        page.command("Input.dispatchKeyEvent", type="rawKeyDown", code="MetaLeft", key="Meta")
        until(lambda: held_keys(console) == 0)
        key(page, "rawKeyDown", "Space", autoRepeat=True)
        time.sleep(0.3)
        assert held_keys(console) == 0

    on_page(cell, look)


def test_escape_stops_while_somebody_types_and_with_other_keys_held(cell):
    def look(page, console, until):
        page.script(TYPE_SOMETHING)
        key(page, "rawKeyDown", "Escape", modifiers=CONTROL)
        until(lambda: console.cell_interface.called == ["/safety/stop"])
        key(page, "rawKeyDown", "KeyA")
        time.sleep(0.3)
        assert console.cell_interface.called == ["/safety/stop"], "typing an A arms nothing"

    on_page(cell, look)


def test_a_line_that_fell_silent_is_told_and_so_is_a_stop_that_was_not_sent(cell):
    def look(page, console, until):
        until(lambda: page.text("light-motion"))
        console.loop.call_soon_threadsafe(time.sleep, 12.0)  # its socket stays open
        until(lambda: "STOP does not reach the arm" in page.text("banner"))
        key(page, "rawKeyDown", "Escape")
        until(lambda: "Not sent" in page.text("toast"))
        until(lambda: "No connection" not in page.text("banner"))

    on_page(cell, look)


@pytest.mark.parametrize("queue_s", [2.0, 5.0])
def test_behind_a_queue_nothing_is_held(cell, queue_s):
    def look(page, console, until):
        until(lambda: pressed_anew(page) and held_keys(console) == 1)
        console.queue.delay_s = queue_s
        time.sleep(queue_s)
        key(page, "keyUp", "Space")
        key(page, "rawKeyDown", "Space")
        heard = len(console.cell_interface.joys)
        time.sleep(queue_s + 0.5)
        key(page, "keyUp", "Space")
        time.sleep(queue_s + 0.5)
        assert len(console.cell_interface.joys) > heard, "what was said did come"
        later = [joy for joy in console.cell_interface.joys[heard:] if joy[0] == "/teleop/keyboard"]
        assert not any(any(buttons) for _, _, buttons in later)
        console.queue.delay_s = 0.0
        until(lambda: pressed_anew(page) and held_keys(console) == 1)

    on_page(cell, look)
