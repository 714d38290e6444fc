# SPDX-License-Identifier: GPL-2.0
"""Tests of the published defects of ExtFUSE."""

import os
from pathlib import Path

from harness import Env, missing, same


def hidden_attr(e: Env) -> None:
    """After chmod() by another name of the file, the attributes that came with the entry are outdated."""
    f = e.file("f")
    with e.toy.lock:
        e.toy.nodes[1].children[b"g"] = f.ino
        f.nlink = 2
    Path(e.path("f")).stat()
    Path(e.path("g")).stat()
    Path(e.path("g")).chmod(0o601)
    # Makes the kernel drop its dentries, so that it sends LOOKUP again.
    with Path("/proc/sys/vm/drop_caches").open("w") as drop:
        drop.write("2")
    same(e.path("f"), f)


def stale_getattr(e: Env) -> None:
    f = e.file("f")
    fd = os.open(e.path("f"), os.O_RDONLY)
    e.warm("f", fd)
    Path(e.path("f")).chmod(0o602)
    mode = os.fstat(fd).st_mode & 0o777
    os.close(fd)
    assert mode == 0o602, oct(mode)
    assert f


def rename_across(e: Env) -> None:
    d1, d2 = e.dir("r1"), e.dir("r2")
    with e.toy.lock:
        e.toy.add(d1, "f")
    e.redis.push(f"d{d1.ino}")
    e.warm(e.path("r1/f"))
    e.warm(e.path("r2/g"))
    Path(e.path("r1/f")).rename(e.path("r2/g"))
    assert missing(e.path("r1/f")), "the old name is still there"
    assert not missing(e.path("r2/g")), "the new name is not there"
    assert d2


def read_then_write(e: Env) -> None:
    f = e.file("f")
    fd = os.open(e.path("f"), os.O_RDWR)
    os.pread(fd, 5, 0)
    e_path = e.path("f")
    for _ in range(3):
        Path(e_path).stat()
    os.pwrite(fd, b"x" * 300, 0)
    size = Path(e_path).stat().st_size
    os.close(fd)
    assert size == f.size == 300, f"{size} {f.size}"
