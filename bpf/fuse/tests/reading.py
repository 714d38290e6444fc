# SPDX-License-Identifier: GPL-2.0
"""Tests of read() from the block cache: each rule, with toy.py and a cache with JuiceFS's layout."""

import base64
import contextlib
import ctypes
import errno
import itertools
import json
import mmap
import os
import random
import re
import shutil
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple, cast

import toy as t
from harness import (
    BOUND,
    DIR,
    MNT,
    PORT,
    TRACERS,
    Agent,
    Env,
    Redis,
    Rule,
    attached,
    held_back,
    missing,
    run,
    stopped_agent,
    thread,
    wait,
)
from rules import FORCE_SYNC, statx_size

CACHE = "/var/tmp/efuse-cache"
BLOCK = 4 << 20
CHUNK = 64 << 20
READS = ["--reads", "cache", "--cache-dir", CACHE]
# The agent refuses a folder that does not exist, also before the first test.
Path(CACHE).mkdir(parents=True, exist_ok=True)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def entry(c: int) -> int:
    for _ in range(8):
        c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
    return c


CRC = [entry(c) for c in range(256)]


def block_path(slice_id: int, index: int, size: int) -> str:
    return f"{CACHE}/raw/chunks/{slice_id // 1000000}/{slice_id // 1000}/{slice_id}_{index}_{size}"


class Volume:
    """The files of the toy daemon in Redis and in the block cache."""

    def __init__(self, e: Env) -> None:
        self.e, self.next_slice = e, 1000
        shutil.rmtree(CACHE, ignore_errors=True)
        Path(CACHE).mkdir(parents=True)

    def cache(
        self, slice_id: int, data: bytes, blocks: Container[int] | None = None, damage: bool = False, sums: bool = True
    ) -> None:
        """Stores the slice's blocks in the cache, or only those in `blocks`."""
        for i in range(0, len(data), BLOCK):
            if blocks is not None and i // BLOCK not in blocks:
                continue
            block = data[i : i + BLOCK]
            path = block_path(slice_id, i // BLOCK, len(block))
            Path(Path(path).parent).mkdir(exist_ok=True, parents=True)
            sum_ = (
                b"".join(struct.pack(">I", crc32c(block[k : k + 32768])) for k in range(0, len(block), 32768))
                if sums
                else b""
            )
            if damage:
                block = bytes([block[0] ^ 1]) + block[1:]
            with Path(path + ".tmp").open("wb") as f:
                f.write(block + sum_)
            Path(path + ".tmp").rename(path)

    def records(self, node: t.Node, *records: tuple[int, int, int, int, int], chunk: int = 0) -> None:
        """Stores this version of the file in Redis, with a chunk's slices: (position, slice, size, offset, length)."""
        attr = struct.pack(
            ">BHIIQIQIQIIQIQ", 0, 1 << 12 | 0o644, 0, 0, 0, 0, node.mtime, 0, node.ctime, 0, 1, node.size, 0, 1
        )
        packed = [struct.pack(">IQIII", *r) for r in records]
        self.e.redis.at_once(
            ("SET", f"i{node.ino}", attr),
            ("DEL", f"c{node.ino}_{chunk}"),
            *[("RPUSH", f"c{node.ino}_{chunk}", r) for r in packed],
        )

    def write(
        self,
        name: str,
        data: bytes,
        node: t.Node | None = None,
        cached: bool = True,
        blocks: Container[int] | None = None,
        damage: bool = False,
        sums: bool = True,
    ) -> t.Node:
        """Another client writes the file as one slice, which may be in this node's cache."""
        node = node or self.e.file(name)
        self.next_slice += 1
        if cached:
            self.cache(self.next_slice, data, blocks, damage, sums)
        with self.e.toy.lock:
            node.data, node.size = data, len(data)
            node.mtime += 1
            node.touch()
        self.records(node, (0, self.next_slice, len(data), 0, len(data)))
        self.e.pushed()
        return node


def some_bytes(n: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(n)


def cold(fd: int) -> None:
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def asked(e: Env, fd: int, offset: int = 0, size: int = 100) -> tuple[int, bytes]:
    """Number of READs that the daemon gets, and the data."""
    os.fstat(fd)
    cold(fd)
    before = e.toy.asked[t.READ]
    data = os.pread(fd, size, offset)
    return e.toy.asked[t.READ] - before, data


def becomes_served(e: Env, fd: int, offset: int = 0, seconds: float = 20) -> bool:
    """Whether a read() is answered in the kernel in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if asked(e, fd, offset)[0] == 0:
            return True
        time.sleep(0.05)
    return False


def served(e: Env, fd: int, offset: int = 0) -> None:
    """Waits until a read() is answered in the kernel."""
    if not becomes_served(e, fd, offset):
        raise RuntimeError(f"timeout: no read() was answered in the kernel: {e.agent.reads()}")


def opened(e: Env, name: str) -> int:
    return os.open(e.path(name), os.O_RDONLY)


class ServedFile(NamedTuple):
    """A file of which an open handle is read in the kernel."""

    volume: Volume
    node: t.Node
    fd: int


def served_file(e: Env, data: bytes) -> ServedFile:
    """A new file "f"."""
    v = Volume(e)
    node = v.write("f", data)
    fd = opened(e, "f")
    served(e, fd)
    return ServedFile(v, node, fd)


def hits(e: Env) -> None:
    data = some_bytes(300001, 1)
    fd = served_file(e, data).fd
    cold(fd)
    before, rnd = e.toy.asked[t.READ], random.Random(2)
    for _ in range(60):
        o, n = rnd.randrange(len(data) + 10), rnd.choice((1, 100, 4096, 5000, 70000, 400000))
        got = os.pread(fd, n, o)
        assert got == data[o : o + n], f"{n} at {o}: {len(got)} bytes, wrong data"
    with Path(e.path("f")).open("rb") as f:
        os.fstat(f.fileno())
        assert f.read() == data
    buffers = [bytearray(1000) for _ in range(3)]
    assert os.preadv(fd, buffers, 5) == 3000 and b"".join(buffers) == data[5:3005]
    assert e.toy.asked[t.READ] == before, "the daemon was asked"
    assert e.agent.metric("efuse_module_read_bytes_total") > len(data)
    assert "fuse_file_read_iter" in hooked()
    os.close(fd)


def hooked() -> str:
    with Path("/sys/kernel/tracing/enabled_functions").open() as f:
        return f.read()


def off_by_default(e: Env) -> None:
    """Without the option, the function is not hooked, and reads go to the daemon."""
    data = some_bytes(20000, 3)
    Volume(e).write("f", data)
    fd = opened(e, "f")
    for _ in range(5):
        count, got = asked(e, fd, 0, 20000)
        assert count and got == data
    os.close(fd)
    assert "fuse_file_read_iter" not in hooked()


def overlapping(e: Env) -> None:
    """Overlapping slices, a hole, truncations, a partly cached slice, and only a part of a larger slice.

    JuiceFS records a truncation, up or down, as slice 0 of size 0.
    """
    v = Volume(e)
    base, over, part = some_bytes(600000, 4), some_bytes(50000, 5), some_bytes(9 << 20, 6)
    v.cache(11, base)
    v.cache(12, over, sums=False)
    v.cache(13, part, blocks=(1,), sums=False)
    data = bytearray(7 << 20)
    data[:600000] = base
    data[100000:150000] = over
    data[300000:400000] = bytes(100000)
    data[5 << 20 : 6 << 20] = part[4 << 20 : 5 << 20]
    data[6 << 20 : 7 << 20] = part[: 1 << 20]
    node = e.file("f")
    with e.toy.lock:
        node.data, node.size = bytes(data), len(data)
    v.records(
        node,
        (0, 11, 600000, 0, 600000),
        (100000, 12, 50000, 0, 50000),
        (300000, 0, 0, 0, 100000),
        (1 << 20, 0, 0, 0, 4 << 20),
        (5 << 20, 13, 9 << 20, 4 << 20, 1 << 20),
        (6 << 20, 13, 9 << 20, 0, 1 << 20),
    )
    e.pushed()
    fd = opened(e, "f")
    for place in (0, 99000, 120000, 200000, (5 << 20) + 7, 450000):
        served(e, fd, place)
    assert (
        asked(e, fd, 350000)[0]
        and asked(e, fd, 700000)[0]
        and asked(e, fd, 2 << 20)[0]
        and asked(e, fd, (6 << 20) + 9)[0]
    )
    rnd = random.Random(7)
    for _ in range(80):
        o, n = rnd.randrange(len(data)), rnd.choice((10, 4096, 60000, 1 << 20))
        got = os.pread(fd, n, o)
        assert got == data[o : o + n], f"{n} at {o}: {len(got)} bytes, wrong data"
    os.close(fd)


def second_chunk(e: Env) -> None:
    """JuiceFS has a list of slices for each 64 MiB of a file. A read begins in one and ends in the next."""
    v = Volume(e)
    first, last, next_ = (some_bytes(100000, seed) for seed in (41, 42, 43))
    for slice_id, data in ((21, first), (22, last), (23, next_)):
        v.cache(slice_id, data, sums=False)
    node = e.file("f")
    with e.toy.lock:
        node.data = first + bytes(CHUNK - 200000) + last + next_
        node.size = len(node.data)
    v.records(node, (0, 21, 100000, 0, 100000), (CHUNK - 100000, 22, 100000, 0, 100000))
    v.records(node, (0, 23, 100000, 0, 100000), chunk=1)
    e.pushed()
    fd = opened(e, "f")
    for place in (0, CHUNK - 100000, CHUNK):
        served(e, fd, place)
    before = e.toy.asked[t.READ]
    for o, n in ((CHUNK, 5000), (CHUNK - 4096, 8192), (CHUNK - 1, 2), (CHUNK + 99999, 5000), (5, 100)):
        assert os.pread(fd, n, o) == node.data[o : o + n], f"{n} at {o}: wrong data"
    assert e.toy.asked[t.READ] == before, "the daemon was asked"
    os.close(fd)


@dataclass
class Versions:
    """A file of which an open handle reads the old version from the block cache, and its next version."""

    volume: Volume
    node: t.Node
    fd: int
    old: bytes
    new: bytes


def two_versions(e: Env) -> Versions:
    old, new = some_bytes(20000, 8), some_bytes(20000, 9)
    v, node, fd = served_file(e, old)
    return Versions(v, node, fd, old, new)


def kept_apart(e: Env, f: Versions, again: int) -> None:
    """A handle from after the change reads the new version from the block cache; the older one does not."""
    served(e, again)
    for _ in range(5):
        assert asked(e, again, 0, 20000) == (0, f.new)
        assert asked(e, f.fd, 0, 20000)[1] == f.old, "a newer version than the daemon has for this handle"


def other_version(e: Env) -> None:
    """Another client has written, and this node has only the blocks of the previous version."""
    f = two_versions(e)
    f.volume.write("f", f.new, f.node, cached=False)
    again = opened(e, "f")
    for _ in range(10):
        count, got = asked(e, again, 0, 20000)
        assert got == f.new, "the previous version"
        assert count
        time.sleep(0.05)
    os.close(f.fd)
    os.close(again)


def handle(e: Env) -> None:
    """The daemon keeps the data that it has read for a handle, so the kernel must not show a newer version there."""
    e.toy.sticky = True
    f = two_versions(e)
    f.volume.write("f", f.new, f.node)
    again = opened(e, "f")
    kept_apart(e, f, again)
    os.close(f.fd)
    os.close(again)


WORD = (1 << 64) - 1


def inode_hash(ino: int) -> int:
    """Of efuse_hash() in ../efuse.h."""
    device = Path(MNT).stat().st_dev
    dev = os.major(device) << 20 | os.minor(device)
    return (ino + dev * 0x9E3779B97F4A7C15) * 0xFF51AFD7ED558CCD & WORD


def places(ino: int, count: int) -> list[int]:
    """Handles of the inode with the same index in the programs' table (programs/handles.h)."""
    inode = inode_hash(ino)
    found: dict[int, list[int]] = {}
    for fh in range(1000000, 5000000):
        hash_ = (inode ^ fh) * 0xFF51AFD7ED558CCD & WORD
        same = found.setdefault((hash_ ^ hash_ >> 32) & 131071, [])
        same.append(fh)
        if len(same) == count:
            return same
    raise RuntimeError(f"no {count} handles with the same index")


def same_place(e: Env) -> None:
    """A handle is not confused with another at the same index; the older one keeps its place while it is open."""
    v = Volume(e)
    e.toy.sticky = True
    old, new = some_bytes(20000, 23), some_bytes(20000, 24)
    node = v.write("f", old)
    numbers = iter(places(node.ino, 4))

    def next_opened() -> int:
        e.toy.next_fh = next(numbers) - 1
        return opened(e, "f")

    first, second = next_opened(), next_opened()
    served(e, first)
    served(e, second)
    before = e.toy.asked[t.RELEASE]
    os.close(first)
    wait(lambda: e.toy.asked[t.RELEASE] > before, "the handle to be released")
    v.write("f", new, node)
    third = next_opened()
    served(e, third)
    for _ in range(5):
        assert asked(e, second, 0, 20000)[1] == old, "the version of the handle in the first place"
    fourth = next_opened()
    served(e, fourth)
    assert asked(e, third, 0, 20000) == (0, new)
    assert asked(e, second, 0, 20000)[1] == old, "the version of the handle that took its place"
    for fd in (second, third, fourth):
        os.close(fd)


def reported_by_daemon(e: Env) -> None:
    """The daemon reports another client's change, of which the agent has not been notified."""
    f = two_versions(e)
    with e.toy.lock:
        f.node.data = f.new
        f.node.touch()
        e.toy.nodes[1].children[b"f2"] = f.node.ino
    assert not missing(e.path("f2"))
    for _ in range(5):
        assert asked(e, f.fd, 0, 20000)[1] == f.new, "the previous version"
    os.close(f.fd)


def reported_after_open(e: Env) -> None:
    """As above, while the file is opened again: an older handle does not read the newer version."""
    e.toy.sticky = True
    f = two_versions(e)
    f.volume.write("f", f.new, f.node)
    # The first handle from after the change shows it to the programs; the second can be served.
    first = opened(e, "f")
    os.fstat(first)
    again = opened(e, "f")
    kept_apart(e, f, again)
    for fd in (f.fd, first, again):
        os.close(fd)


def first_handle(e: Env) -> None:
    """The daemon reports a change while it opens a file for the first time; the attributes show that there was none."""
    e.toy.keeping = True
    node = Volume(e).write("f", some_bytes(20000, 63))
    fd = opened(e, "f")
    assert becomes_served(e, fd, seconds=8), e.agent.reads()
    # The same when it forgets that the file was open: the older handle is served again, too.
    del e.toy.opened_at[node.ino]
    again = opened(e, "f")
    assert becomes_served(e, again, seconds=8), e.agent.reads()
    assert asked(e, fd)[0] == 0, "the older handle is no longer served"
    os.close(fd)
    os.close(again)


def changed_before_open(e: Env) -> None:
    """Only the daemon knows of a change, and reports it while the file is opened: an older handle does not read it."""
    e.toy.keeping = e.toy.sticky = True
    f = two_versions(e)
    f.volume.write("f", f.new, f.node)
    # The first handle from after the change shows it to the programs; the second can be served.
    first = opened(e, "f")
    os.fstat(first)
    again = opened(e, "f")
    kept_apart(e, f, again)
    for fd in (f.fd, first, again):
        os.close(fd)


def generations_slot(ino: int) -> int:
    """Of efuse_slot() in ../efuse.h, with as many slots as the tests' agents have."""
    inode = inode_hash(ino)
    return (inode ^ inode >> 32) >> 8 & 65535


def changed_after_open(e: Env) -> None:
    """After the daemon's report, Redis reports a change of another file whose generations are in the same slot."""
    e.toy.keeping = e.toy.sticky = True
    other = e.file("other")
    slot = generations_slot(other.ino)
    e.toy.next_ino = next(ino for ino in itertools.count(other.ino + 1) if generations_slot(ino) == slot)
    f = two_versions(e)
    Path(e.path("other")).stat()
    opening = opened(e, "other")
    f.volume.write("f", f.new, f.node)
    os.fstat(f.fd)
    os.fstat(opening)
    again = opened(e, "f")
    kept_apart(e, f, again)
    for fd in (f.fd, opening, again):
        os.close(fd)


def read_direct(e: Env, fd: int, data: bytes, seconds: float) -> bool:
    """Reads with O_DIRECT, which asks for no attributes, until the kernel answers; false if it does not in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = e.toy.asked[t.READ]
        assert os.pread(fd, len(data), 0) == data, "wrong data"
        if e.toy.asked[t.READ] == before:
            return True
        time.sleep(0.05)
    return False


def opened_direct(fd: int) -> int:
    """Opens an open file again, with O_DIRECT, without a LOOKUP and, if its attributes are valid, without a GETATTR."""
    return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECT)


def without_stat(e: Env) -> None:
    """Nothing asks for attributes after the open(): the agent finds in Redis that those from before it are current."""
    data = some_bytes(20000, 61)
    fd = served_file(e, data).fd
    for _ in range(3):
        direct = opened_direct(fd)
        before = e.toy.asked[t.GETATTR]
        assert read_direct(e, direct, data, 10), f"no read() is answered in the kernel: {e.agent.reads()}"
        assert e.toy.asked[t.GETATTR] == before, "the daemon was asked for attributes"
        os.close(direct)
    assert e.agent.metric("efuse_read_misses_total", result="renewed") >= 3
    os.close(fd)


def not_current(e: Env) -> None:
    """Before the push arrives (here: never), Redis has a newer version than the attributes from before the open()."""
    f = two_versions(e)
    f.volume.write("f", f.new, f.node, cached=False)
    again = opened_direct(f.fd)
    assert not read_direct(e, again, f.new, 2), "no block of this version is cached"
    os.close(again)
    os.close(f.fd)


def other_attributes(e: Env) -> None:
    """Another client has read the file, which changes its atime but not its version.

    The open() asks for attributes, but they are not cached, because one more change overtakes the answer.
    """
    data = some_bytes(20000, 62)
    _, node, fd = served_file(e, data)
    with e.toy.lock:
        node.atime = node.mtime + 1000
    e.redis.push(f"x{node.ino}")
    e.pushed()
    with held_back(e, t.GETATTR, lambda: opened_direct(fd)) as opening:
        e.redis.push(f"x{node.ino}")
        e.pushed()
    again = cast("int", opening.box[0])
    read_direct(e, again, data, 2)
    assert os.fstat(again).st_atime == node.atime, "the atime from before the change"
    os.close(again)
    os.close(fd)


def another_type(e: Env) -> None:
    """The kernel has seen that the inode is now a folder: reading fails, as without the extension."""
    data = some_bytes(20000, 29)
    _, node, fd = served_file(e, data)
    with e.toy.lock:
        node.mode = stat.S_IFDIR | 0o755
    with contextlib.suppress(OSError):
        statx_size(e.path("f"), FORCE_SYNC)
    try:
        os.pread(fd, 100, 0)
    except OSError as error:
        assert error.errno == errno.EIO, error
    else:
        raise AssertionError("a file that no longer exists was read")
    finally:
        # Also fails, for the same reason.
        with contextlib.suppress(OSError):
            os.close(fd)


def partly_cached(e: Env) -> None:
    """Only the first part of a read() is in the cache: the rest comes from the daemon, in the same read()."""
    data = some_bytes((4 << 20) + 50000, 12)
    Volume(e).write("f", data, blocks=(0,), sums=False)
    fd = opened(e, "f")
    served(e, fd)
    for before in (1, 4096, 70000):
        got = os.pread(fd, before + 10000, BLOCK - before)
        assert got == data[BLOCK - before : BLOCK + 10000], f"{len(got)} bytes, wrong data"
    with Path(e.path("f")).open("rb", buffering=0) as f:
        os.fstat(f.fileno())
        assert f.read(8 << 20) == data
    os.close(fd)


def written(e: Env) -> None:
    """While a file is open for writing, only the daemon knows its content."""
    f = two_versions(e)
    writer = os.open(e.path("f"), os.O_RDWR)
    with e.toy.lock:
        f.node.data = f.new
    for _ in range(5):
        assert asked(e, f.fd, 0, 20000)[1] == f.new, "the content of the block cache"
    os.close(writer)
    os.close(f.fd)


def own_write(e: Env) -> None:
    """This node's own write and truncation are read back."""
    old = some_bytes(20000, 15)
    fd = served_file(e, old).fd
    with Path(e.path("f")).open("r+b", buffering=0) as f:
        f.seek(5000)
        f.write(b"x" * 100)
        assert os.pread(fd, 100, 5000) == b"x" * 100
    for _ in range(5):
        assert asked(e, fd, 5000)[1] == b"x" * 100
        fresh = opened(e, "f")
        assert asked(e, fresh, 5000)[1] == b"x" * 100
        os.close(fresh)
    os.truncate(e.path("f"), 6000)
    fresh = opened(e, "f")
    assert asked(e, fresh, 0, 20000)[1] == old[:5000] + b"x" * 100 + old[5100:6000]
    os.close(fresh)
    os.close(fd)


def lease(e: Env) -> None:
    """A stopped agent receives no changes: the lease expires, and reads go to the daemon."""
    _, node, fd = served_file(e, some_bytes(20000, 16))
    new = some_bytes(20000, 17)
    with stopped_agent(e):
        with e.toy.lock:
            node.data = new
        time.sleep(BOUND + 0.1)
        assert asked(e, fd, 0, 20000)[1] == new, "the version from before the lease expired"
    os.close(fd)


def damaged(e: Env) -> None:
    """A block with a wrong checksum is not read from."""
    data = some_bytes(100000, 18)
    Volume(e).write("f", data, damage=True)
    fd = opened(e, "f")
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert asked(e, fd, 0, 1000)[1] == data[:1000], "the damaged block"
        time.sleep(0.1)
    assert e.agent.metric("efuse_read_misses_total", result="damaged") >= 1
    os.close(fd)


def evicted(e: Env) -> None:
    """A block that the cache has evicted is released, so that its space becomes free."""
    data = some_bytes(100000, 19)
    v, _, fd = served_file(e, data)
    assert e.agent.metric("efuse_read_blocks") == 1
    Path(block_path(v.next_slice, 0, len(data))).unlink()
    end = time.monotonic() + 6
    while time.monotonic() < end and e.agent.metric("efuse_read_blocks"):
        assert asked(e, fd, 0, 1000)[1] == data[:1000]
        time.sleep(0.2)
    assert e.agent.metric("efuse_read_blocks") == 0, "it is still held"
    count, got = asked(e, fd, 0, 1000)
    assert count and got == data[:1000]
    os.close(fd)


def evicted_in_a_storm(e: Env) -> None:
    """The same while other reads miss all the time, and each look-up takes long (the fault read-slow)."""
    data = some_bytes(5000, 30)
    v, _, fd = served_file(e, data)
    cached = block_path(v.next_slice, 0, len(data))
    missed = []
    for i in range(8):
        v.write(f"m{i}", data, cached=False)
        missed.append(opened(e, f"m{i}"))
    stop = threading.Event()

    def storm() -> None:
        while not stop.is_set():
            for m in missed:
                asked(e, m)

    th = thread(storm)
    try:
        before = e.agent.metric("efuse_read_misses_total", result="looked_for")
        wait(lambda: e.agent.metric("efuse_read_misses_total", result="looked_for") > before + 3, "misses")
        Path(cached).unlink()
        end = time.monotonic() + 4
        while time.monotonic() < end and e.agent.metric("efuse_read_blocks"):
            time.sleep(0.1)
        left = e.agent.metric("efuse_read_blocks")
    finally:
        stop.set()
        th.join(20)
    assert left == 0, "it is still held"
    for m in (fd, *missed):
        os.close(m)


def aged(e: Env) -> None:
    """Blocks that are not read for some time are released."""
    v = Volume(e)
    for i in range(4):
        v.write(f"f{i}", some_bytes(5000, i))
        fd = opened(e, f"f{i}")
        served(e, fd)
        os.close(fd)
    end = time.monotonic() + 8
    while time.monotonic() < end and e.agent.metric("efuse_read_blocks"):
        time.sleep(0.2)
    assert e.agent.metric("efuse_read_blocks") == 0


def limited(e: Env) -> None:
    """The number of blocks is limited to 16; one that is read all the time stays while 40 others are mapped."""
    v = Volume(e)
    data = some_bytes(5000, 31)
    v.write("hot", data)
    hot = opened(e, "hot")
    served(e, hot)
    kept = 0
    for i in range(40):
        v.write(f"f{i}", data, sums=False)
        fd = opened(e, f"f{i}")
        served(e, fd)
        os.close(fd)
        kept += asked(e, hot)[0] == 0
        assert e.agent.metric("efuse_read_blocks") <= 16
    assert e.agent.metric("efuse_read_dropped_total") >= 25
    # The attributes may have had to be fetched once.
    assert kept >= 39, f"it was released: {kept} of 40 reads were answered in the kernel"
    os.close(hot)


def limited_size(e: Env) -> None:
    """The size of the held files is limited to 1 MiB."""
    v = Volume(e)
    data = some_bytes(300000, 32)
    for i in range(8):
        v.write(f"f{i}", data, sums=False)
        fd = opened(e, f"f{i}")
        served(e, fd)
        os.close(fd)
        held = e.agent.metric("efuse_read_held_bytes")
        assert held <= 1 << 20, f"{held:.0f} bytes are held"
        assert held == 300000 * e.agent.metric("efuse_read_blocks")
    assert held == 900000
    assert e.agent.metric("efuse_read_dropped_total") == 5


def touched(e: Env) -> None:
    """The cached block's atime follows its reads, because JuiceFS evicts by it; that of an unread block does not."""
    v = Volume(e)
    data, paths = some_bytes(5000, 33), []
    for name in ("read", "unread"):
        v.write(name, data, sums=False)
        paths.append(Path(block_path(v.next_slice, 0, len(data))))
        os.utime(paths[-1], (1000, 1000))
    used, unused = opened(e, "read"), opened(e, "unread")
    served(e, used)

    def mapped() -> bool:
        """Maps the block without a read that is answered from it."""
        if e.agent.metric("efuse_read_blocks") < 2:
            asked(e, unused)
            # Else it may be released meanwhile, as unused.
            asked(e, used)
            time.sleep(0.5)
        return e.agent.metric("efuse_read_blocks") == 2

    wait(mapped, "the second block", 20)
    end = time.monotonic() + 12
    while time.monotonic() < end and paths[0].stat().st_atime == 1000:
        asked(e, used)
        time.sleep(0.3)
    at, other = (p.stat() for p in paths)
    assert at.st_atime > 1000 and at.st_mtime == 1000, at
    assert other.st_atime == 1000, other
    os.close(used)
    os.close(unused)


def frozen(e: Env) -> None:
    """Setting the atime takes seconds, as in a frozen file system (the fault read-frozen): the agent still unmounts."""
    v = Volume(e)
    v.write("f", some_bytes(5000, 44), sums=False)
    fd = opened(e, "f")
    served(e, fd)
    # Until the atime is being set: it is due after 2 s, and the block is looked at every 2 s.
    end = time.monotonic() + 4.5
    while time.monotonic() < end:
        asked(e, fd)
        time.sleep(0.1)
    os.close(fd)
    t.libc.umount2(MNT.encode(), 2)
    wait(lambda: "is gone" in e.agent.text(), "the agent to notice the unmount")
    began = time.monotonic()
    wait(lambda: e.agent.metric("efuse_mounted", state="mounted") == 0, "the agent to leave the mount")
    took = time.monotonic() - began
    assert took < 3, f"the agent left the mount after {took:.1f} s"


def traced(e: Env) -> None:
    """Tools that trace the hooked function do not change what read() returns."""
    data = some_bytes(300001, 45)
    Volume(e).write("f", data)
    for kind in TRACERS:
        # Before the file is opened: exec would close its descriptor and wait for the daemon, a thread of this process.
        tracer = ("--object", f"{DIR}/bystander.bpf.o", "--bystander", kind, "--function", "fuse_file_read_iter")
        other, why = attached(*tracer)
        assert other, f"{kind}: {why}"
        try:
            fd = opened(e, "f")
            served(e, fd)
            for o, n in ((0, 100), (5000, 70000), (299999, 10), (300001, 10)):
                count, got = asked(e, fd, o, n)
                assert got == data[o : o + n], f"{kind}: {n} at {o}: {len(got)} bytes, wrong data"
                assert count == 0 or not got, f"{kind}: the daemon was asked for {n} at {o}"
            os.close(fd)
        finally:
            other.kill()
            other.wait()


def slices(redis: Redis) -> None:
    """The agent's map of random lists of slices equals painting them in their order, and bad lists are refused."""
    del redis
    seed = str(random.SystemRandom().randrange(1 << 32))
    program = [f"{DIR}/efuse-slices", "20000", seed]
    right = run(program, capture_output=True, text=True)
    assert right.returncode == 0, f"seed {seed}: {right.stdout}"
    # Painted in the wrong order.
    wrong = run([*program, "reversed"], capture_output=True, text=True)
    assert wrong.returncode == 1 and "differs" in wrong.stdout, f"seed {seed}: {wrong.stdout}"


def hole_read_again(e: Env) -> None:
    """Bytes that the mapped block does not have are not looked for again at each read."""
    v = Volume(e)
    data = some_bytes(20000, 34)
    v.cache(40, data[:10000], sums=False)
    node = e.file("f")
    with e.toy.lock:
        node.data, node.size = data, len(data)
    v.records(node, (0, 40, 10000, 0, 10000), (10000, 41, 10000, 0, 10000))
    e.pushed()
    fd = opened(e, "f")
    served(e, fd)
    before = e.agent.metric("efuse_read_misses_total", result="looked_for")
    holes = e.agent.result("read()", "not_mapped")
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert asked(e, fd, 15000)[1] == data[15000:15100]
        time.sleep(0.1)
    assert e.agent.result("read()", "not_mapped") > holes + 5
    count = e.agent.metric("efuse_read_misses_total", result="looked_for") - before
    assert count <= 1, f"{count:.0f} look-ups"
    os.close(fd)


def absent_read_again(e: Env) -> None:
    """A block of which nothing is in the cache is looked for less and less often, and is found when it appears."""
    v = Volume(e)
    data = some_bytes(20000, 35)
    v.write("f", data, cached=False)
    fd = opened(e, "f")
    before = e.agent.metric("efuse_read_misses_total", result="looked_for")
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert asked(e, fd)[1] == data[:100]
        time.sleep(0.1)
    count = e.agent.metric("efuse_read_misses_total", result="looked_for") - before
    # After 0.1, 0.3, 0.5 s, and then each second.
    assert 2 <= count <= 8, f"{count:.0f} look-ups"
    v.cache(v.next_slice, data)
    served(e, fd)
    os.close(fd)


def read_once(e: Env) -> None:
    """Many small files are read once: their block is not looked for, even if read() is called until it returns 0."""
    v = Volume(e)
    data = some_bytes(20000, 63)
    for i in range(20):
        v.write(f"f{i}", data)
        fd = opened(e, f"f{i}")
        os.fstat(fd)
        assert os.pread(fd, 30000, 0) == data
        for _ in range(3):
            assert not os.pread(fd, 30000, len(data))
        os.close(fd)
    assert e.agent.result("read()", "absent") >= 40, e.agent.reads()
    time.sleep(0.5)
    assert e.agent.metric("efuse_read_misses_total", result="looked_for") == 0


def pages_first(e: Env) -> None:
    """What the mount's own pages have is read there; a read() of which an end is missing, from the block cache."""
    data = some_bytes(300000, 51)
    fd = served_file(e, data).fd
    # Not by a mapping: this process is the daemon, and would wait for itself.
    for at in range(0, len(data), 32768):
        os.posix_fadvise(fd, at, 32768, os.POSIX_FADV_WILLNEED)

    def reads() -> tuple[float, float]:
        """Reads answered from the block cache, and left to the pages."""
        each = (e.agent.metric("efuse_module_reads_total", result=result) for result in ("read", "pages"))
        return next(each), next(each)

    def in_memory() -> bool:
        before = reads()[1]
        places = range(0, len(data), mmap.PAGESIZE)
        for at in places:
            os.pread(fd, 1, at)
        return reads()[1] - before == len(places)

    end = time.monotonic() + 20
    while not in_memory():
        assert time.monotonic() < end, "reads of pages in memory are answered elsewhere"
        time.sleep(0.05)
    asked_before = e.toy.asked[t.READ]

    def counted(offset: int, size: int) -> tuple[float, float]:
        before = reads()
        got = os.pread(fd, size, offset)
        assert got == data[offset : offset + size], f"{size} at {offset}: {len(got)} bytes, wrong data"
        now = reads()
        return now[0] - before[0], now[1] - before[1]

    for offset, size in ((0, 1), (4095, 2), (5000, 100000), (299999, 1), (290000, 1 << 20)):
        assert counted(offset, size) == (0, 1), f"{size} at {offset}: not from the pages"
    os.posix_fadvise(fd, 0, 65536, os.POSIX_FADV_DONTNEED)
    for offset, size in ((0, 4096), (60000, 100000)):
        assert counted(offset, size) == (1, 0), f"{size} at {offset}, without the first page: not from the block"
    os.posix_fadvise(fd, 262144, 0, os.POSIX_FADV_DONTNEED)
    assert counted(200000, 100000) == (1, 0), "without the last page: not from the block"
    assert counted(100000, 100000) == (0, 1), "both ends are in memory"
    assert e.toy.asked[t.READ] == asked_before, "the daemon was asked"
    direct = os.open(e.path("f"), os.O_RDONLY | os.O_DIRECT)
    os.fstat(direct)
    before = reads()
    assert os.pread(direct, 4096, 131072) == data[131072 : 131072 + 4096]
    assert reads() == (before[0] + 1, before[1]), "O_DIRECT must not use pages"
    os.close(direct)
    os.close(fd)


def kinds_of_read(e: Env) -> None:
    """O_DIRECT, sendfile(), and a buffer of which a part is inaccessible.

    mmap() is tested in reading_juicefs.py: here a page fault would hold the interpreter's lock, which the daemon's
    thread needs.
    """
    data = some_bytes(300000, 20)
    fd = served_file(e, data).fd
    direct = os.open(e.path("f"), os.O_RDONLY | os.O_DIRECT)
    os.fstat(direct)
    before = e.toy.asked[t.READ]
    page = mmap.mmap(-1, 8192)
    for o in (0, 4096, 299008):
        n = os.preadv(direct, [page], o)
        assert page[:n] == data[o : o + 8192], f"O_DIRECT at {o}"
    assert e.toy.asked[t.READ] == before, "O_DIRECT: the daemon was asked"
    out = os.open("/var/tmp/efuse-out", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.fstat(fd)
    cold(fd)
    at = 0
    while at < len(data):
        at += os.sendfile(out, fd, at, len(data) - at)
    assert os.pread(out, len(data) + 1, 0) == data
    # On newer kernels, sendfile() does not pass the hooked function.
    in_kernel = e.toy.asked[t.READ] == before
    assert in_kernel == os.uname().release.startswith("6.1."), "sendfile()"
    os.close(out)
    # The second page of the buffer is inaccessible: a short read or EFAULT, as with any file.
    hole = mmap.mmap(-1, 8192)
    address = ctypes.addressof(ctypes.c_char.from_buffer(hole))
    t.libc.mprotect(ctypes.c_void_p(address + 4096), 4096, 0)
    t.libc.pread.restype = ctypes.c_ssize_t
    n = t.libc.pread(fd, ctypes.c_void_p(address), ctypes.c_size_t(8192), ctypes.c_long(100))
    t.libc.mprotect(ctypes.c_void_p(address + 4096), 4096, 3)
    assert n in (-1, 4096) and (n < 0 or hole[:4096] == data[100:4196]), n
    assert asked(e, fd, 10)[1] == data[10:110]
    os.close(direct)
    os.close(fd)


def removed(e: Env) -> None:
    """A removed file is still readable through its handle."""
    data = some_bytes(20000, 21)
    _, node, fd = served_file(e, data)
    Path(e.path("f")).unlink()
    for _ in range(3):
        assert asked(e, fd, 0, 20000)[1] == data
    os.close(fd)
    assert node


def example(e: Env) -> None:
    """examples/README.md: a custom program answers the reads of one inode from another file."""
    v = Volume(e)
    data = some_bytes(20000, 22)
    node = v.write("f", data)
    v.write("g", data)
    named = re.search(r"backing (\d+): ", e.agent.text())
    assert named, e.agent.text()
    number = int(named[1])
    prog, map_ = "/sys/fs/bpf/efuse-fixed", "/sys/fs/bpf/efuse-fixed-maps"
    handler = ["pinned", f"{PINS}/handlers", "key", "15", "0", "0", "0"]
    try:
        run(["bpftool", "prog", "load", f"{DIR}/fixed-file.bpf.o", prog, "pinmaps", map_], check=True)
        value = struct.pack("<QQII", node.ino, Path(BACKING).stat().st_size, number, 0)
        run(
            [
                "bpftool",
                "map",
                "update",
                "pinned",
                f"{map_}/fixed",
                "key",
                "0",
                "0",
                "0",
                "0",
                "value",
                *map(str, value),
            ],
            check=True,
        )
        run(["bpftool", "map", "update", *handler, "value", "pinned", prog], check=True)
        with Path(BACKING).open("rb") as f:
            other = f.read()
        fd, fd2 = opened(e, "f"), opened(e, "g")
        assert os.pread(fd, 30000, 0) == other and os.pread(fd, 100, 500) == other[500:600]
        assert asked(e, fd2, 0, 20000)[1] == data
        run(["bpftool", "map", "delete", *handler], check=True)
        assert asked(e, fd, 0, 20000)[1] == data
        os.close(fd)
        os.close(fd2)
    finally:
        if Path(prog).exists():
            Path(prog).unlink()
        shutil.rmtree(map_, ignore_errors=True)


# An empty ext2 file system of 64 KiB: `mke2fs -b 1024 -N 16`, compressed. Test machines have no mke2fs.
EMPTY = (
    b"c-rmSJugF190%arTOwMt-V&R}Skc%m_zE_QMJz-I%&dG3gQ>ICZt@jO7O^m2=ib{&l~KLj=V|_JPjcGyob-2dPEVr<D5`p>^-$$d%}}GEO8p%g"
    b"dDXkk`<>c;6eY>lQz`40w{yMMRr?xo_r0eF{KQyqSGKS2&NnYR*B7U2otLHbBTl><*Vk%<Td5%5qj6FClhSOCbaUSf_i@$&iXcfA(}%MJD4sD>"
    b"07Vt`?SFe!r1j6^M!o_1IR0|>+r_Z=w~c{z(dHij_<lF(`e*gC^-mlv^!2Mm`MFMdUNRYKDpW1X&xO*%oS9Iwq2@x(TmJz3dU1A5FU765=W*O>"
    b"<=6U$awR@!A0036wNDOr%@zDN)q(s!m-GAs1>rA0Apd~;1M&~ZKOp~r`~&h2$Uh+efcygh0000000000000000000000000000000000000000"
    b"0000000000z>vHGFf1e8"
)


# Of the volume "u", in .config.
SESSION = {"Sid": 7, "Heartbeat": 12_000_000_000}


def mounted_by(redis: Redis, pid: int) -> None:
    """Stores in Redis what JuiceFS does: the volume, and the session of this process."""
    redis.call("SET", "setting", '{"UUID": "u"}')
    redis.call("ZADD", "allSessions", str(int(time.time()) + 86400), "7")
    redis.call("HSET", "sessionInfos", "7", json.dumps({"ProcessID": pid}))


def refusals(redis: Redis) -> None:
    """Mounts whose reads go to the daemon, and why; everything else is answered."""
    loop, image = "/var/tmp/efuse-loop", "/var/tmp/efuse-loop.img"
    Path(loop).mkdir(exist_ok=True)
    Path(image).write_bytes(zlib.decompress(base64.b85decode(EMPTY)))
    # The first device appears some time after the module is loaded.
    run(["modprobe", "loop"], check=True)
    run(["udevadm", "settle"], check=True)
    run(["mount", "-o", "loop", image, loop], check=True)
    format_, chunk = {"UUID": "u", "MetaVersion": 1, "BlockSize": 4096}, {"CacheDir": CACHE}
    cases: list[tuple[dict[str, int], dict[str, str], str]] = [
        ({}, {}, ""),
        ({"BlockSize": 1024}, {"CacheDir": "/dev/shm"}, ""),
        ({"MetaVersion": 2}, {}, "metadata format"),
        ({"BlockSize": 512}, {}, "block size"),
        ({"BlockSize": 3000}, {}, "block size"),
        ({"BlockSize": 32768}, {}, "block size"),
        ({}, {"CacheDir": ""}, "has no cache folder"),
        ({}, {"CacheDir": "memory"}, "in the daemon's memory"),
        ({}, {"CacheDir": "/nowhere/at-all"}, "does not exist"),
        ({}, {"CacheDir": "/proc"}, "not ext4, xfs or tmpfs"),
        ({}, {"CacheDir": MNT}, "not ext4, xfs or tmpfs"),
        ({}, {"CacheDir": f"{CACHE}:{loop}"}, "a loop device"),
    ]
    # A process with the daemon's command line, of which it has the pid.
    daemon = subprocess.Popen(
        ["sh", "-c", "read end", f"redis://127.0.0.1:{PORT}", MNT], stdin=subprocess.PIPE, close_fds=False
    )
    mounted_by(redis, daemon.pid)
    agent = Agent("lease", extra=["--fstype", "fuse.juicefs", "--reads", "cache"], ready=False)

    def said(what: str, times: int) -> Callable[[], bool]:
        return lambda: agent.text().count(what) == times

    try:
        for count, (own, folders, why) in enumerate(cases, 1):
            config = {"Pid": daemon.pid, "Meta": SESSION, "Format": {**format_, **own}, "Chunk": {**chunk, **folders}}
            toy = t.Toy(MNT, fstype="fuse.juicefs", config=json.dumps(config).encode())
            try:
                wait(said("serving", count), "the mount to be served")
            finally:
                toy.close()
            reason = re.search("reads go to the daemon: (.*)", agent.text().split("serving")[count - 1])
            assert why in reason[1] if reason else not why, f"{own} {folders}: {agent.text()}"
            assert why or not reason, f"{own} {folders}: {agent.text()}"
            wait(said("is gone", count), "the end of the mount")
    finally:
        agent.stop()
        redis.call("DEL", "setting", "allSessions", "sessionInfos")
        daemon.kill()
        daemon.wait()
        run(["umount", loop])


# The daemon of a mount with one file, which answers no READ after a line on its standard input.
DAEMON = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import toy as t
config = {"Pid": os.getpid(), **json.loads(sys.argv[4])}
toy = t.Toy(sys.argv[3], fstype="fuse.juicefs", config=json.dumps(config).encode())
f = toy.add(toy.nodes[1], "f")
f.size = 20000
print(f.ino, f.mtime, f.ctime, flush=True)
sys.stdin.readline()
held = [toy.hold(t.READ, before=True) for _ in range(20)]
print("holding", flush=True)
held[0].wait()
print("held", flush=True)
sys.stdin.readline()
"""
READER = "import os, sys; os.pread(int(sys.argv[1]), 20000, 0)"


def daemon_dies(redis: Redis, faults: Sequence[str]) -> str:
    """A read() begins in a cached block and waits for the daemon, the agent is stopped, and the daemon is killed.

    Returns what does not end. The agent has a copy of the daemon's descriptor.
    """
    v = Volume(cast("Env", SimpleNamespace(redis=redis)))
    v.cache(40, some_bytes(10000, 36), sums=False)
    config = {
        "Meta": SESSION,
        "Format": {"UUID": "u", "MetaVersion": 1, "BlockSize": 4096},
        "Chunk": {"CacheDir": CACHE},
    }
    daemon = subprocess.Popen(
        [
            *[sys.executable, "-c", DAEMON, str(Path(__file__).parent), f"redis://127.0.0.1:{PORT}", MNT],
            json.dumps(config),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdin and daemon.stdout
    agent = reader = None
    control = Path("/nowhere")
    try:
        node = t.Node(0, stat.S_IFREG | 0o644)
        node.ino, node.mtime, node.ctime = map(int, daemon.stdout.readline().split())
        node.size = 20000
        control = Path(f"/sys/fs/fuse/connections/{os.minor(Path(MNT).stat().st_dev)}")
        mounted_by(redis, daemon.pid)
        v.records(node, (0, 40, 10000, 0, 10000), (10000, 41, 10000, 0, 10000))
        extra = ["--fstype", "fuse.juicefs", "--reads", "cache", "--kernel-cache", "on"]
        agent = Agent("lease", faults, extra)
        fd = os.open(f"{MNT}/f", os.O_RDONLY)

        def read_in_kernel() -> float:
            os.fstat(fd)
            cold(fd)
            os.pread(fd, 100, 0)
            return agent.result("read()", "hit")

        wait(read_in_kernel, "a read() to be answered in the kernel", 20)
        before = agent.metric("efuse_module_read_bytes_total")
        daemon.stdin.write("\n")
        daemon.stdin.flush()
        assert daemon.stdout.readline() == "holding\n"
        reader = subprocess.Popen([sys.executable, "-c", READER, str(fd)], pass_fds=[fd], stderr=subprocess.DEVNULL)
        os.close(fd)
        assert daemon.stdout.readline() == "held\n"
        began = agent.metric("efuse_module_read_bytes_total") - before
        assert began == 10000, f"the read() began elsewhere: {began:.0f} bytes, {agent.reads()}"
        agent.process.send_signal(signal.SIGTERM)
        time.sleep(2)
        assert agent.process.poll() is None, "the agent did not wait for the reader"
        daemon.kill()
        daemon.wait()
        left = []
        for name, process in (("reader", reader), ("agent", agent.process)):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                left.append(name)
        return " and ".join(left)
    finally:
        if (control / "abort").exists():
            (control / "abort").write_text("1")
        daemon.kill()
        daemon.wait()
        t.libc.umount2(MNT.encode(), 1 | 2)
        if reader:
            reader.kill()
            reader.wait()
        if agent:
            agent.stop()
        redis.call("DEL", "setting", "allSessions", "sessionInfos")


def dead_daemon(redis: Redis) -> None:
    # Closing the descriptor first is enough, and so is the thread that watches the daemon.
    for faults in ([], ["late-channel"]):
        left = daemon_dies(redis, faults)
        assert not left, f"{faults}: {left} did not end"
    left = daemon_dies(redis, ["late-channel", "no-guard"])
    assert left == "reader and agent", f"with both faults, only these did not end: {left or 'none'}"


PINS, BACKING = "/sys/fs/bpf/efuse-test", "/var/tmp/efuse-example"
with Path(BACKING).open("wb") as out:
    out.write(os.urandom(12345))

CACHED = {"mode": "lease", "extra": READS}

RULES: list[Rule] = [
    ("reads: answered from the block cache", hits, CACHED, ["read-offset"]),
    ("reads: off by default, and the function is not hooked", off_by_default, {"mode": "lease"}, []),
    ("reads: overlapping slices, holes and partly cached slices", overlapping, CACHED, ["read-offset"]),
    (
        "reads: rule 1: a cached block of another version is not used",
        other_version,
        CACHED,
        ["read-version", "read-equal"],
    ),
    ("reads: rule 1: a change that only the daemon has reported is seen", reported_by_daemon, CACHED, ["read-notice"]),
    (
        "reads: rule 1: such a change is also seen after another open()",
        reported_after_open,
        {**CACHED, "faults": ["no-push"]},
        ["read-notice", "read-reopen"],
    ),
    (
        "reads: rule 1: attributes from before an open() are used if Redis confirms them",
        without_stat,
        CACHED,
        ["renew-never"],
    ),
    (
        "reads: rule 1: they are used with --kernel-cache on as well",
        without_stat,
        {"mode": "lease", "extra": [*READS, "--kernel-cache", "on"]},
        ["renew-never"],
    ),
    (
        "reads: rule 1: they are not used if Redis has another version",
        not_current,
        {**CACHED, "faults": ["no-push"]},
        ["renew-any"],
    ),
    (
        "reads: rule 1: they are not used after another change",
        other_attributes,
        CACHED,
        ["renew-changed"],
    ),
    ("reads: rule 1: nothing is served after the lease", lease, CACHED, ["no-lease"]),
    ("reads: rule 2: a file open for writing is not served", written, CACHED, ["no-open-write"]),
    ("reads: rule 2: this node's own writes are read back", own_write, CACHED, []),
    ("reads: rule 3: an older handle does not read a newer version", handle, CACHED, ["read-handle"]),
    ("reads: rule 3: handles with the same hash slot are not confused", same_place, CACHED, ["read-place"]),
    (
        "reads: rule 3: a reported change that was none keeps no handle from being served",
        first_handle,
        CACHED,
        ["notice-keep"],
    ),
    (
        "reads: rule 3: a reported change of the version does",
        changed_before_open,
        {**CACHED, "faults": ["no-push"]},
        ["notice-any"],
    ),
    ("reads: rule 3: so does a change after the report", changed_after_open, CACHED, ["notice-later"]),
    ("reads: rule 4: the end of a cached block is not the end of the file", partly_cached, CACHED, ["read-end"]),
    ("reads: rule 5: a block with a wrong checksum is not used", damaged, CACHED, ["read-checksum"]),
    ("reads: rule 6: an evicted block is released", evicted, CACHED, ["read-keep"]),
    (
        "reads: rule 6: an evicted block is released while other reads miss",
        evicted_in_a_storm,
        {**CACHED, "faults": ["read-slow"]},
        ["read-idle"],
    ),
    (
        "reads: rule 6: unread blocks are released",
        aged,
        {"mode": "lease", "extra": [*READS, "--read-age", "1"]},
        ["read-keep"],
    ),
    (
        "reads: the number of blocks is limited, and one in use stays",
        limited,
        {"mode": "lease", "extra": [*READS, "--read-blocks", "16"]},
        ["read-used"],
    ),
    (
        "reads: the size of the held files is limited",
        limited_size,
        {"mode": "lease", "extra": [*READS, "--read-bytes", str(1 << 20)]},
        ["read-room"],
    ),
    (
        "reads: a block in use keeps its place in JuiceFS's cache",
        touched,
        {"mode": "lease", "extra": [*READS, "--read-age", "4"]},
        ["read-atime"],
    ),
    ("reads: beyond the first 64 MiB of a file", second_chunk, CACHED, ["read-chunk"]),
    (
        "reads: the agent leaves a mount while the cache's file system is frozen",
        frozen,
        {"mode": "lease", "extra": [*READS, "--read-age", "2"], "faults": ["read-frozen"]},
        ["read-locked"],
    ),
    ("reads: other tracers of the same function change no answer", traced, CACHED, []),
    ("reads: a hole is not looked for at each read", hole_read_again, CACHED, ["read-again"]),
    ("reads: the block of a file that is read once is not looked for", read_once, CACHED, []),
    ("reads: a block that is not cached is not looked for at each read", absent_read_again, CACHED, ["read-again"]),
    ("reads: a file that has become a folder is not read", another_type, CACHED, []),
    ("reads: O_DIRECT, sendfile() and a partly inaccessible buffer", kinds_of_read, CACHED, []),
    (
        "reads: after-pages: what the mount's own pages have is read there",
        pages_first,
        {"mode": "lease", "extra": ["--reads", "after-pages", *READS[2:]]},
        ["read-pages"],
    ),
    ("reads: a removed file is readable through its handle", removed, CACHED, []),
    (
        "reads: the example fixed-file answers read()",
        example,
        {"mode": "lease", "extra": [*READS, "--backing", BACKING, "--pin", PINS]},
        [],
    ),
]
