"""The page's server as a browser, or somebody else, meets it; a real server and real sockets."""

import asyncio
import json
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="no aiohttp: install pushcell[teleop]")

import aiohttp

from pushcell.errors import PushcellError
from pushcell.node_states import ReplayState
from teleop.console.access import Access
from teleop.console.backend import ConsoleBackend
from teleop.console.pictures import CameraPicture, PictureFeed
from teleop.console.server import ConsoleServer

REPLAY = ReplayState(position_s=0.0, duration_s=9.0, playing=True, rate=1.0, loop=False)

pytestmark = pytest.mark.timeout(30)


class FakeCell:
    """Keeps what the backend says."""

    simulated_time = True

    def __init__(self):
        self.joys, self.called, self.placed = [], [], []

    def now(self):
        return 10.0

    async def call(self, service):
        self.called.append(service)
        return "refused: no" if service == "/recorder/start" else ""

    async def activate_policy(self):
        return ""

    def say_joy(self, topic, axes, buttons):
        self.joys.append((topic, axes, buttons))

    def place_slider(self, start):
        self.placed.append(start)

    def request_trials(self, trials, seed):
        self.called.append((trials, seed))

    def request_replay(self, do, value):
        self.called.append((do, value))

    def pointer(self):
        """The last word on the pointer: pressed, and where."""
        _, axes, buttons = [joy for joy in self.joys if joy[0] == "/teleop/browser"][-1]
        return buttons[0], axes


class ServedConsole:
    """A console on a port of its own, and a client session."""

    def __init__(self, cell, host="127.0.0.1", token=""):
        self.cell_interface, self.host, self.token = FakeCell(), host, token
        self.backend = ConsoleBackend(cell, self.cell_interface, "none", 0)

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.feeds = {"overhead": PictureFeed(loop), "wrist": PictureFeed(loop)}
        access = Access(self.host, self.token)
        self.server = ConsoleServer(self.backend, self.feeds, access, 0.2)
        self.address = await self.server.start(self.host, 0)
        port = self.address.split(":")[2].split("/")[0]
        self.url = f"http://127.0.0.1:{port}"
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_):
        await self.session.close()
        await self.server.close()

    async def page(self, token=""):
        socket = await self.session.ws_connect(f"{self.url}/socket", origin=self.url)
        await socket.send_json({"t": "hello", "token": token})
        assert (await next_json(socket))["t"] == "welcome"
        return socket


def held(**what):
    """What a page says of what is held now; its clock is the server's."""
    return {"t": "input", "said_ms": 1e3 * time.monotonic(), **what}


async def next_json(socket, kind=None):
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            content = json.loads(message.data)
            if kind in (None, content["t"]):
                return content
    raise AssertionError("the socket was closed")


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


def test_another_sites_page_reaches_nothing(cell):
    async def play():
        async with ServedConsole(cell) as console:
            for origin in ("http://evil.example", "http://127.0.0.1:1", "null", None):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                    await console.session.ws_connect(f"{console.url}/socket", origin=origin)
                assert refusal.value.status == 403
            bent = {"Host": "evil.example"}
            async with console.session.get(console.url, headers=bent) as response:
                assert response.status == 403

    asyncio.run(play())


def test_the_page_loads_nothing_from_elsewhere(cell):
    async def play():
        async with ServedConsole(cell) as console:
            async with console.session.get(console.url) as response:
                text = await response.text()
                policy = response.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "http:" not in text
            assert "https:" not in text
            async with console.session.get(f"{console.url}/page/../server.py") as response:
                assert response.status == 404

    asyncio.run(play())


def test_beyond_loopback_only_the_token_moves_anything_but_all_may_stop(cell):
    async def play():
        async with ServedConsole(cell, "0.0.0.0", "secret") as console:
            assert console.address.endswith("#token=secret")
            for wrong in ("", "guess"):
                stranger = await console.page(wrong)
                await stranger.send_json(held(run=True))
                await stranger.send_json({"t": "act", "action": "arm"})
                assert "token" in (await next_json(stranger, "answer"))["problem"]
                assert console.cell_interface.called == []
                assert console.cell_interface.joys == []
                await stranger.send_json({"t": "act", "action": "stop"})
                assert (await next_json(stranger, "answer"))["problem"] == ""
                assert console.cell_interface.called == ["/safety/stop"]
                console.cell_interface.called.clear()
            friend = await console.page("secret")
            await friend.send_json(held(run=True))
            await until(lambda: console.cell_interface.joys)
            assert console.cell_interface.pointer() == (1, [])

    asyncio.run(play())


def test_a_random_token_is_made_and_is_hard_to_guess():
    assert Access("127.0.0.1").token == ""
    tokens = {Access("0.0.0.0").token for _ in range(10)}
    assert len(tokens) == 10
    assert all(len(token) >= 20 for token in tokens)


def test_a_press_goes_to_its_place_and_closing_the_page_releases_it(cell):
    async def play():
        async with ServedConsole(cell) as console:
            page = await console.page()
            await page.send_json(held(drag=[160, 120]))
            await until(lambda: console.cell_interface.joys)
            pressed, place = console.cell_interface.pointer()
            assert pressed
            assert cell.workspace.polygon.contains(place)
            await page.close()
            await until(lambda: console.cell_interface.pointer() == (0, []))

    asyncio.run(play())


def test_two_pages_do_not_pull_at_one_arm(cell):
    async def play():
        async with ServedConsole(cell) as console:
            first, second = await console.page(), await console.page()
            await first.send_json(held(drag=[160, 120]))
            await until(lambda: console.cell_interface.joys)
            place = console.cell_interface.pointer()
            await second.send_json(held(drag=[200, 100]))
            await second.send_json({"t": "ping", "sent_ms": 1})
            await next_json(second, "pong")
            assert console.cell_interface.pointer() == place
            await second.send_json({"t": "input"})
            await second.send_json({"t": "ping", "sent_ms": 2})
            await next_json(second, "pong")
            assert console.cell_interface.pointer() == place, (
                "another page's silence releases nothing"
            )
            await first.send_json({"t": "input"})
            await until(lambda: console.cell_interface.pointer() == (0, []))
            await second.send_json(held(drag=[200, 100]))
            await until(lambda: console.cell_interface.pointer()[0] == 1)

    asyncio.run(play())


STOP, DEADMAN = 1, 4  # buttons of a page's gamepad


def pad(*pressed):
    return {"axes": [0.0] * 4, "buttons": [int(button in pressed) for button in range(17)]}


@pytest.mark.parametrize("said_ms", [-1e3, 1e3, None], ids=["long ago", "later", "unknown"])
def test_a_hold_that_was_said_long_ago_is_none_until_it_was_let_go(cell, said_ms):
    """Its STOP counts, however late."""

    async def play():
        async with ServedConsole(cell) as console:
            page = await console.page()
            late = held(drag=[160, 120], keys=["Space"], pad=pad(STOP, DEADMAN))
            late["said_ms"] = None if said_ms is None else late["said_ms"] + said_ms
            for words in (late, held(drag=[160, 120], pad=pad(STOP, DEADMAN))):
                console.cell_interface.joys.clear()
                await page.send_json(words)
                await until(lambda: len(console.cell_interface.joys) == 3)
                pointer, keyboard, gamepad = (joy[2] for joy in console.cell_interface.joys)
                assert not any(pointer + keyboard)
                assert gamepad[STOP]
                assert not gamepad[DEADMAN]
            await page.send_json({"t": "input"})
            await page.send_json(held(drag=[160, 120]))
            await until(lambda: console.cell_interface.pointer()[0] == 1)

    asyncio.run(play())


@pytest.mark.parametrize(
    "nonsense",
    ["", "[]", '{"t":"input","drag":[1]}', '{"t":"input","drag":[NaN,1]}', '{"t":"x"}', "{" * 9999],
)
def test_nonsense_ends_the_connection_and_releases(cell, nonsense):
    async def play():
        async with ServedConsole(cell) as console:
            page = await console.page()
            await page.send_json(held(run=True))
            await page.send_str(nonsense)
            await until(
                lambda: console.cell_interface.joys and console.cell_interface.pointer() == (0, [])
            )

    asyncio.run(play())


def test_a_refusal_is_answered_in_words(cell):
    async def play():
        async with ServedConsole(cell) as console:
            page = await console.page()
            for action, word in (("start", "refused"), ("fly", "no action"), ("hold", "")):
                await page.send_json({"t": "act", "action": action})
                problem = (await next_json(page, "answer"))["problem"]
                assert word in problem
                assert bool(problem) == bool(word)

    asyncio.run(play())


def test_a_time_line_reaches_the_replay_where_there_is_one(cell):
    async def play():
        async with ServedConsole(cell) as console:
            page = await console.page()
            seek = {"t": "time_line", "do": "seek", "value": 2.5}
            await page.send_json(seek)
            assert "nothing is being replayed" in (await next_json(page, "answer"))["problem"]
            console.backend.view.replay.put(REPLAY)
            await page.send_json(seek)
            assert (await next_json(page, "answer"))["problem"] == ""
            assert console.cell_interface.called == [("seek", 2.5)]

    asyncio.run(play())


def test_arming_a_simulated_cell_puts_the_slider_to_its_start_once(cell):
    async def play():
        async with ServedConsole(cell) as console:
            page = await console.page()
            for _ in range(2):
                await page.send_json({"t": "act", "action": "arm"})
                await next_json(page, "answer")
            assert console.cell_interface.called == ["/safety/release"] * 2
            assert len(set(console.cell_interface.placed)) == 1

    asyncio.run(play())


def test_a_page_gets_the_newest_picture_and_one_at_a_time(cell):
    async def play():
        async with ServedConsole(cell) as console:
            page = await console.page()
            feed = console.feeds["overhead"]

            async def next_grey():
                async for message in page:
                    if message.type is aiohttp.WSMsgType.BINARY:
                        length = int.from_bytes(message.data[:4], "big")
                        header = json.loads(message.data[4 : 4 + length])
                        jpeg = np.frombuffer(message.data[4 + length :], np.uint8)
                        return header, int(cv2.imdecode(jpeg, 0).mean())
                raise AssertionError("the socket was closed")

            feed.put(CameraPicture(9.5, np.full((24, 32, 3), 10, np.uint8)))
            header, grey = await next_grey()
            assert header["camera"] == "overhead"
            assert header["age_ms"] == pytest.approx(500)
            assert grey == pytest.approx(10, abs=2)
            for shade in range(20, 201, 10):  # while the page has not shown the first
                feed.put(CameraPicture(9.6, np.full((24, 32, 3), shade, np.uint8)))
            await page.send_json({"t": "shown", "camera": "overhead"})
            assert (await next_grey())[1] == pytest.approx(200, abs=2)

    asyncio.run(play())


def test_a_taken_port_is_one_clear_sentence(cell):
    async def play():
        async with ServedConsole(cell) as console:
            port = int(console.url.rsplit(":", 1)[1])
            other = ConsoleServer(console.backend, console.feeds, Access("127.0.0.1"), 0.2)
            with pytest.raises(PushcellError, match=f"port {port} of 127.0.0.1"):
                await other.start("127.0.0.1", port)
            await other.close()

    asyncio.run(play())
