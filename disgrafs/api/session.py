"""Authentication by the token in an Authorization header, or by a cookie that is issued in exchange for the token.

A cookie contains its expiry and a signature made with the token, never the token itself. It remains valid after a
restart, and a new token ends all sessions.
"""

import hashlib
import hmac
import stat
import time
from pathlib import Path

COOKIE = "disgrafs"
SECONDS = 12 * 3600
SHORTEST_TOKEN = 32


def read_token(file: Path) -> str:
    """The token in a file that only its owner can read."""
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        raise ValueError(f"{file} can be read by others (mode {mode:o}); run: chmod 600 {file}")
    token = file.read_text(encoding="ascii").strip()
    if len(token) < SHORTEST_TOKEN:
        raise ValueError(f"the token in {file} has {len(token)} characters; at least {SHORTEST_TOKEN} are needed")
    return token


class Sessions:
    """Checks tokens and cookies."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def is_token(self, given: str) -> bool:
        """Takes the same time for each wrong token."""
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token)

    def new_cookie(self, now: float | None = None) -> str:
        """The value of a cookie for a new session."""
        end = str(int((time.time() if now is None else now) + SECONDS))
        return f"{end}.{self._signature(end)}"

    def is_cookie(self, value: str, now: float | None = None) -> bool:
        """Whether a cookie was issued here and has not expired."""
        end, _, signature = value.partition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), self._signature(end).encode()):
            return False
        return int(end) > (time.time() if now is None else now)

    def _signature(self, end: str) -> str:
        message = b"disgrafs session until " + end.encode("utf-8", "surrogateescape")
        return hmac.new(self._token, message, hashlib.sha256).hexdigest()
