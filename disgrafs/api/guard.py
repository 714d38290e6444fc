"""Checks of every request before the application's code: authentication, size limits, and security headers.

Closed by default: a route that is not in `_OPEN` needs the token or a session.
"""

import json
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from disgrafs.api.session import COOKIE, Sessions

MOST_BODY = 16 * 1024
_OPEN = frozenset({"/", "/health", "/api/session"})
_OPEN_FOLDERS = ("/static/", "/vendor/")
_SAFE = frozenset({"GET", "HEAD"})
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rejects the request, or passes it to the application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/api/") else "no-cache")
            await send(message)

        if refusal := self._refusal(scope):
            await _refuse(answer, *refusal)
            return
        await self._app(scope, _limited(receive), answer)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > MOST_BODY:
            return 413, f"the request has {length} bytes; at most {MOST_BODY} are taken"
        # A page of another origin can send a form here, without our cookie, but it cannot set this header.
        foreign = scope["method"] not in _SAFE and "x-disgrafs" not in headers
        path = scope["path"]
        if path in _OPEN or path.startswith(_OPEN_FOLDERS):
            return (403, "the header X-Disgrafs is missing") if foreign else None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._sessions.is_token(token.strip()):
            return None
        if not self._sessions.is_cookie(_cookie(headers)):
            return 401, "sign in with the token; ./lab open disgrafs says how to see it"
        return (403, "the header X-Disgrafs is missing") if foreign else None


def _cookie(headers: Headers) -> str:
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BODY:  # a body that did not announce its length
            raise HTTPException(413, f"a request may have at most {MOST_BODY} bytes")
        return message

    return limited


async def _refuse(send: Send, status: int, error: str) -> None:
    body = json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # The rest of a refused request is not read.
        (b"connection", b"close"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
