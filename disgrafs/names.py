r"""Names of files: bytes in the volume, text with surrogates in Python, UTF-8 text in the graph.

A name that is not UTF-8 is kept in the graph behind a slash, percent-encoded: no real name has a slash, so it is no
other file's name.
"""

import os
import urllib.parse


def stored(name: bytes | str) -> str:
    r"""The graph's form of a name: b"a" is "a", and b"\xff" is "/%FF"."""
    raw = os.fsencode(name) if isinstance(name, str) else name
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "/" + urllib.parse.quote_from_bytes(raw, safe="")


def real(name: str) -> str:
    """From the graph's form to the form of `os` functions."""
    return os.fsdecode(urllib.parse.unquote_to_bytes(name[1:])) if name.startswith("/") else name


def shown(path: str) -> str:
    """A name or path for display and JSON: invalid UTF-8 becomes U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")
