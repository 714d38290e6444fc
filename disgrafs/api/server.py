"""uvicorn with deadlines: a client that sends or reads too slowly is disconnected and cannot block others.

uvicorn itself waits without limit for a request's head, for its body, and for a client to read.
"""

import asyncio
import contextlib
import resource
import socket
import struct
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

SEND_BUFFER = 128 * 1024


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Time limits in seconds, and the maximum number of connections."""

    head: float = 10
    """From the first byte of a request, or from the connection, to the end of its head."""
    body: float = 10
    """Time limit for the whole body."""
    read: float = 30
    """Time limit for the client to read its buffered data, about 64 KiB."""
    connections: int = 2500
    """Above this number, a request is answered with 503."""


def protocol(deadlines: Deadlines) -> type[H11Protocol]:
    """A protocol for uvicorn's `http` setting."""

    class Patient(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.app = self._with_deadlines(self.app)

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            connection = transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                # By default, the kernel would buffer megabytes for each client that does not read.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
                # For an answer that is complete in the buffer but never read: only the kernel can time that out.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(deadlines.read * 2000))
            self._timer = self.loop.call_later(deadlines.head, self._cut)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._stop()
            elif self._timer is None:
                self._timer = self.loop.call_later(deadlines.head, self._cut)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _cut(self) -> None:
            """Resets the connection, so that the kernel also drops data that the client has not read."""
            with contextlib.suppress(OSError):
                connection = self.transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _with_deadlines(self, app: Any) -> ASGIApp:
            async def with_deadlines(scope: Scope, receive: Receive, send: Send) -> None:
                whole = False
                end = self.loop.time() + deadlines.body

                async def in_time() -> Message:
                    nonlocal whole
                    if whole:  # only the end of the connection is still to come, which may take long
                        return await receive()
                    try:
                        async with asyncio.timeout_at(end):
                            message = await receive()
                    except TimeoutError:
                        self._cut()
                        return {"type": "http.disconnect"}
                    whole = not message.get("more_body", False)
                    return message

                async def patiently(message: Message) -> None:
                    try:
                        async with asyncio.timeout(deadlines.read):
                            await send(message)
                    except TimeoutError:
                        self._cut()

                await app(scope, in_time, patiently)

            return with_deadlines

    return Patient


def config(app: ASGIApp, host: str, port: int, deadlines: Deadlines | None = None) -> uvicorn.Config:
    """How uvicorn serves the application. It logs no requests, because searches are private."""
    limits = deadlines or Deadlines()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol(limits),
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        backlog=2048,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
    )
