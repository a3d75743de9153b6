"""Requests that claim, or turn out, to be too large are refused before anything is made of them.

Nor does the server fetch what a request names by its address: the page's framework would read all of it into memory, of
any size, from any public machine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import gradio as gr

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
OVERHEAD = 1_000_000  # bytes that a form puts around its files


class _TooLarge(Exception):
    pass


class BoundedBodies:
    """ASGI middleware: uploads end at one bound, every other request's body at another.

    The server bounds each uploaded file itself while it reads; this refuses a request by what its header claims, and
    one that claims little and sends much.
    """

    def __init__(self, app: Any, upload_bytes: int, other_bytes: int) -> None:
        """Wrap an application.

        Args:
            app: the application.
            upload_bytes: most bytes of an upload.
            other_bytes: most bytes of any other request.
        """
        self.app, self.upload_bytes, self.other_bytes = app, upload_bytes, other_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        uploads = scope["path"].rstrip("/").endswith("/upload")
        most = (self.upload_bytes if uploads else self.other_bytes) + OVERHEAD
        claimed = dict(scope["headers"]).get(b"content-length", b"0")
        if not claimed.isdigit() or int(claimed) > most:
            await _refuse(send, most)
            return
        seen, started, whole = 0, False, False

        async def counted() -> Message:
            nonlocal seen, whole
            message = await receive()
            seen += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if seen > most:
                raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start" and message["status"] >= 400 and not whole:
                # Refused before the end of it: without this the server would take in the rest, gigabytes if they come.
                message = {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
            await send(message)

        try:
            await self.app(scope, counted, watched)
        except _TooLarge:
            if not started:
                await _refuse(send, most)


async def _refuse(send: Send, most: int) -> None:
    said = f"the request is larger than {most // 1_000_000} MB; send a smaller file".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": said})


def fetch_nothing(page: gr.Blocks) -> None:
    """Let a page take uploads alone, never the address of a file elsewhere.

    Args:
        page: as built; each of its parts gets the check, since a file can be named in any input.
    """
    for block in page.blocks.values():
        _guard(block)


def _guard(block: Any) -> None:
    fetch_later, fetch = block.async_move_resource_to_block_cache, block.move_resource_to_block_cache

    async def later(path: Any) -> Any:
        _see_that_it_is_here(path)
        return await fetch_later(path)

    def now(path: Any) -> Any:
        _see_that_it_is_here(path)
        return fetch(path)

    block.async_move_resource_to_block_cache, block.move_resource_to_block_cache = later, now


def _see_that_it_is_here(path: Any) -> None:
    if str(path).strip().lower().startswith(("http:", "https:")):
        message = "a file is given by its address, and this server fetches none. Upload the file itself."
        raise gr.Error(message, duration=None, print_exception=False)
