# SPDX-License-Identifier: GPL-2.0
"""libschain for Python (lib/schain.h documents the functions).

    with schain.Image() as image:
        inode = image.path("a/b.txt")
        print(image.facts(inode))

Loads libschain.so from $LIBSCHAIN, or from this file's folder.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

READ, CHAIN = 1, 2
POSTING = 3


class _Result(ctypes.Structure):
    _fields_ = [
        ("error", ctypes.c_int),
        ("found", ctypes.c_bool),
        ("fell_back", ctypes.c_bool),
        ("hops", ctypes.c_uint),
        ("place", ctypes.c_uint),
        ("value", ctypes.c_ulonglong),
        ("last", ctypes.c_ulonglong),
        ("path", ctypes.c_ulonglong),
    ]


class _Many(ctypes.Structure):
    _fields_ = [("depth", ctypes.c_uint), ("poll", ctypes.c_bool), ("fixed", ctypes.c_bool)]


@dataclass(frozen=True)
class Result:
    """Result of one lookup. `hops`: nodes read; `fell_back`: not all of them through a door."""

    value: int | None
    hops: int
    fell_back: bool
    error: int


@dataclass(frozen=True)
class Facts:
    """The image's facts about a file or folder."""

    size: int
    mtime: int
    mode: int
    parent: int

    @property
    def is_directory(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)


def _load() -> ctypes.CDLL:
    path = os.environ.get("LIBSCHAIN") or str(Path(__file__).absolute().parent / "libschain.so")
    library = ctypes.CDLL(path, use_errno=True)
    number, text, handle = ctypes.c_ulonglong, ctypes.c_char_p, ctypes.c_void_p
    result = ctypes.POINTER(_Result)
    for name, returns, takes in (
        ("schain_error", text, []),
        ("schain_open", handle, [text, ctypes.c_uint]),
        ("schain_close", None, [handle]),
        ("schain_lookup", ctypes.c_int, [handle, text, number, result]),
        ("schain_lookup_at", ctypes.c_int, [handle, ctypes.c_int, number, number, result]),
        (
            "schain_lookup_many",
            ctypes.c_int,
            [handle, text, ctypes.POINTER(number), ctypes.c_size_t, result, ctypes.POINTER(_Many)],
        ),
        ("schain_path_key", number, [handle, text]),
        ("schain_tag_key", number, [handle, text]),
        ("schain_path", ctypes.c_int, [handle, number, text, ctypes.c_size_t, result]),
        ("schain_facts", ctypes.c_int, [handle, number, ctypes.POINTER(number), result]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = returns, takes
    return library


def _public(result: _Result) -> Result:
    return Result(result.value if result.found else None, result.hops, result.fell_back, result.error)


class Image:
    """An image and its doors; for one thread at a time."""

    def __init__(self, path: str | None = None, flags: int = 0) -> None:
        self._library = _load()
        self._handle = self._library.schain_open(None if path is None else os.fsencode(path), flags)
        if not self._handle:
            raise self._failure(ctypes.get_errno())

    def __enter__(self) -> Image:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the image and its doors; may be called more than once."""
        if self._handle:
            self._library.schain_close(self._handle)
        self._handle = None

    def _failure(self, error: int) -> OSError:
        return OSError(error, self._library.schain_error().decode(errors="replace"))

    def lookup(self, index: str, key: int) -> Result:
        """Look up one key in an index."""
        result = _Result()
        error = self._library.schain_lookup(self._handle, index.encode(), key, ctypes.byref(result))
        if error:
            raise self._failure(-error)
        return _public(result)

    def lookup_many(
        self, index: str, keys: Sequence[int], depth: int = 32, poll: bool = False, fixed: bool = False
    ) -> list[Result]:
        """Look up keys with io_uring, `depth` at a time. A failed lookup has its `error` set."""
        wanted = (ctypes.c_ulonglong * len(keys))(*keys)
        results = (_Result * len(keys))()
        how = _Many(depth, poll, fixed)
        error = self._library.schain_lookup_many(
            self._handle, index.encode(), wanted, len(keys), results, ctypes.byref(how)
        )
        if error:
            raise self._failure(-error)
        return [_public(result) for result in results]

    def path(self, path: str) -> int | None:
        """Inode of a path below the folder that was indexed."""
        return self.lookup("paths", self._library.schain_path_key(self._handle, os.fsencode(path))).value

    def where(self, inode: int) -> str | None:
        """Path of an inode, in the form that `os` uses; "." is the top."""
        path = ctypes.create_string_buffer(4096)
        result = _Result()
        error = self._library.schain_path(self._handle, inode, path, len(path), ctypes.byref(result))
        if error:
            raise self._failure(-error)
        return os.fsdecode(path.value) if result.found else None

    def facts(self, inode: int) -> Facts | None:
        """Facts about an inode; None if the image does not have it."""
        facts = (ctypes.c_ulonglong * 4)()
        result = _Result()
        error = self._library.schain_facts(self._handle, inode, facts, ctypes.byref(result))
        if error:
            raise self._failure(-error)
        return Facts(*facts) if result.found else None

    def tagged(self, tag: str, least: int = 0) -> Iterator[int]:
        """Inodes with a tag, in order, from `least` on."""
        start = self._first_node(tag)
        while start is not None:
            result = _Result()
            error = self._library.schain_lookup_at(self._handle, POSTING, start, least, ctypes.byref(result))
            if error == -errno.ESTALE:
                # Another image has replaced this one.
                start = self._first_node(tag)
                continue
            if error:
                raise self._failure(-error)
            if not result.found:
                return
            yield result.value
            least = result.value + 1

    def _first_node(self, tag: str) -> int | None:
        return self.lookup("tags", self._library.schain_tag_key(self._handle, tag.encode())).value
