"""A server that runs beside the test, and messages that are not what they say."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from policy_server.policy import Policy
from policy_server.server import PolicyServer, ServerOptions


@contextmanager
def serving(policy: Policy, **options) -> Iterator[str]:
    """The address of a server that runs beside the test."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    found = []

    async def run(ending: asyncio.Event) -> None:
        server = await PolicyServer(policy, ServerOptions(**{"port": 0, **options})).start()
        async with server:
            found.extend([ending, next(iter(server.sockets)).getsockname()[1]])
            started.set()
            await ending.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run(asyncio.Event())))
    thread.start()
    assert started.wait(10)
    try:
        yield f"ws://127.0.0.1:{found[1]}"
    finally:
        loop.call_soon_threadsafe(found[0].set)
        thread.join(10)
        loop.close()


MALFORMED = [
    {"pusher": {b"__ndarray__": True, b"dtype": "<f4", b"shape": [1]}},
    {"pusher": {b"__ndarray__": True, b"dtype": "(1,f4", b"shape": [1], b"data": b"1234"}},
    {"pusher": {b"__npgeneric__": True}},
]
