"""The page's web server: files, a socket for each page, nothing from or for elsewhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from pushcell.errors import PushcellError
from teleop.console.access import Access
from teleop.console.backend import ConsoleBackend
from teleop.console.client import Client, server_ms
from teleop.console.driver_arbitration import PageArbiter
from teleop.console.hold_delay import HoldDelay
from teleop.console.messages import Act, Hello, OperatorInput, Ping, Shown, TimeLine, Trials, parse
from teleop.console.pictures import PictureFeed

PAGE = Path(__file__).parent / "page"
_FIRST_PORT, _PORTS = 8500, 100
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_CLOSING_S = 0.5
_LARGEST_MESSAGE = 16_384
# Anybody who sees the page may stop the arm.
_FREE_ACTIONS = ("stop",)


class ConsoleServer:
    """Serves a backend on one address."""

    def __init__(
        self,
        backend: ConsoleBackend,
        feeds: Mapping[str, PictureFeed],
        access: Access,
        silence_s: float,
    ) -> None:
        self._backend = backend
        self._access = access
        self._feeds = feeds
        self._silence_s = silence_s
        self._pages = PageArbiter(silence_s)
        self._clients: set[Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        app = web.Application(middlewares=[self._check])
        app.router.add_get("/", self._index)
        app.router.add_get("/socket", self._socket)
        app.router.add_get("/episodes", self._episodes)
        app.router.add_get("/thumbnail/{episode}", self._thumbnail)
        app.router.add_static("/page/", PAGE)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    @property
    def watched(self) -> bool:
        """Whether any page is open."""
        return bool(self._clients)

    async def start(self, host: str, port: int) -> str:
        """Listen; the address to open. Port 0 takes the first free one of 8500 to 8599.

        Raises PushcellError for an address that cannot be had.
        """
        await self._runner.setup()
        listener = _listener(host, port)
        await web.SockSite(self._runner, listener).start()
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}/"
        return address if self._access.local_only else f"{address}#token={self._access.token}"

    async def close(self) -> None:
        """End every connection."""
        await self._runner.cleanup()

    @web.middleware
    async def _check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        is_socket = request.path == "/socket"
        origin = request.headers.get("Origin")
        refusal = self._access.refuses(request.host, origin, needs_origin=is_socket)
        if refusal is not None:
            raise web.HTTPForbidden(text=refusal)
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
            # The page may load and reach nothing but this server.
            response.headers["Content-Security-Policy"] = (
                f"default-src 'self'; connect-src 'self' ws://{request.host}; "
                "img-src 'self' blob:; frame-ancestors 'none'"
            )
        return response

    async def _index(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / "index.html")

    async def _episodes(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(await self._backend.episodes())

    async def _thumbnail(self, request: web.Request) -> web.StreamResponse:
        jpeg = await self._backend.thumbnail(request.match_info["episode"])
        if jpeg is None:
            raise web.HTTPNotFound()
        return web.Response(body=jpeg, content_type="image/jpeg")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        stream = web.WebSocketResponse(
            timeout=_CLOSING_S, heartbeat=5.0, compress=False, max_msg_size=_LARGEST_MESSAGE
        )
        await stream.prepare(request)
        client = Client(stream, self._backend, self._feeds, HoldDelay(self._silence_s))
        self._clients.add(client)
        try:
            await self._serve(client)
        finally:
            self._clients.discard(client)
            released = self._pages.left(client)
            if released is not None:
                self._backend.on_input(released)
            await client.close()
            await stream.close(code=WSCloseCode.UNSUPPORTED_DATA)
        return stream

    async def _serve(self, client: Client) -> None:
        async for message in client.stream:
            if message.type is not WSMsgType.TEXT:
                return
            try:
                parsed = parse(message.data)
            except ValueError:
                return
            if isinstance(parsed, Hello):
                client.begin(self._access.may_act(parsed.token))
            elif isinstance(parsed, Shown):
                client.shown(parsed.camera)
            elif isinstance(parsed, Ping):
                await client.send({"t": "pong", "sent_ms": parsed.sent_ms})
            elif isinstance(parsed, OperatorInput):
                self._on_input(client, parsed)
            else:
                self._start(self._on_wish(client, parsed))

    def _on_input(self, client: Client, operator_input: OperatorInput) -> None:
        if client.may_act:
            if not client.hold_delay.counts(operator_input, server_ms()):
                operator_input = self._backend.let_go(operator_input)
            heard = self._pages.heard(client, operator_input, asyncio.get_running_loop().time())
            if heard is not None:
                self._backend.on_input(heard)

    async def _on_wish(self, client: Client, wish: Act | Trials | TimeLine) -> None:
        name = wish.action if isinstance(wish, Act) else wish.t
        if not (client.may_act or name in _FREE_ACTIONS):
            problem = "this page may only look: open the address with its token"
        elif isinstance(wish, Act):
            problem = await self._backend.act(wish.action)
        elif isinstance(wish, TimeLine):
            problem = self._backend.move_time_line(wish)
        else:
            problem = await self._backend.run_trials(wish.trials, wish.seed)
        await client.send({"t": "answer", "action": name, "problem": problem})

    def _start(self, work: Any) -> None:
        """Do it beside what the page sends next: its input must never wait for an answer."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _listener(host: str, port: int) -> socket.socket:
    ports = [port] if port else range(_FIRST_PORT, _FIRST_PORT + _PORTS)
    problem = ""
    for candidate in ports:
        try:
            family, *_, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
        except OSError as error:
            raise PushcellError(
                f"the console cannot be at {host} ({error.strerror}): choose another host"
            ) from None
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            listener.close()
            problem = f" ({error.strerror})"
            continue
        return listener
    wanted = port or f"{_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1}"
    raise PushcellError(
        f"the console cannot use port {wanted} of {host}{problem}: choose a free port"
    )
