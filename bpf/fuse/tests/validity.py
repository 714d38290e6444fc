# SPDX-License-Identifier: GPL-2.0
"""Tests of --kernel-cache, with which the kernel keeps answers for the rest of the lease; as in rules.py."""

import signal
import time
from pathlib import Path

import toy as t
from harness import BOUND, Env, Rule, missing, opened_stat, replaced_elsewhere, same, stopped_agent


def seen_by_programs(e: Env) -> float:
    return sum(e.agent.result(opcode, "asked") for opcode in ("lookup", "getattr"))


def stats(e: Env, name: str, count: int = 50) -> float:
    """Number of requests that the kernel makes for these stats."""
    before = seen_by_programs(e)
    for _ in range(count):
        missing(e.path(name))
    return seen_by_programs(e) - before


def kept(e: Env) -> None:
    """A few requests only, when the lease that the kernel knows has ended."""
    e.file("f")
    e.warm(e.path("f"))
    assert stats(e, "f") < 25
    missing(e.path("absent"))
    missing(e.path("absent"))
    assert stats(e, "absent") < 25


def not_kept(e: Env) -> None:
    e.file("f")
    e.warm(e.path("f"))
    assert stats(e, "f") >= 50


def change_elsewhere(e: Env) -> None:
    """The daemon cannot be notified here, so the kernel keeps the old answer, until the lease ends."""
    f = e.file("f")
    e.warm(e.path("f"))
    missing(e.path("f"))
    with e.toy.lock:
        f.size = 4711
        f.touch()
    e.redis.push(f"i{f.ino}")
    time.sleep(BOUND + 0.1)
    same(e.path("f"), f)


def created_elsewhere(e: Env) -> None:
    e.file("f")
    for _ in range(3):
        assert missing(e.path("new"))
    e.file("new")
    time.sleep(BOUND + 0.1)
    assert not missing(e.path("new"))


def without_agent(e: Env) -> None:
    f = e.file("f")
    e.warm(e.path("f"))
    missing(e.path("f"))
    e.agent.process.send_signal(signal.SIGSTOP)
    with e.toy.lock:
        f.size = 4712
        f.touch()
    time.sleep(BOUND + 0.1)
    same(e.path("f"), f)


def change_here(e: Env) -> None:
    f = e.file("f")
    e.warm(e.path("f"))
    missing(e.path("f"))
    Path(e.path("f")).chmod(0o600)
    same(e.path("f"), f)
    Path(e.path("f")).rename(e.path("g"))
    assert missing(e.path("f"))
    same(e.path("g"), f)


def asked_by_reopening(e: Env) -> int:
    """Requests for a name or attributes while an unchanged file is opened 20 times again."""
    e.toy.keeping = True
    e.file("f")
    e.pushed()
    for _ in range(3):
        opened_stat(e.path("f"))
    e.warm(e.path("f"))
    return e.upcalls((t.LOOKUP, t.GETATTR), lambda: [opened_stat(e.path("f")) for _ in range(20)])


def unchanged_open(e: Env) -> None:
    """An unchanged file that is opened again: only OPEN reaches the daemon."""
    assert asked_by_reopening(e) <= 2


def unchanged_open_asks(e: Env) -> None:
    assert asked_by_reopening(e) >= 20


def changed_open(e: Env) -> None:
    """Close-to-open: another client's change that Redis has not reported yet is seen after open()."""
    e.toy.keeping = True
    f = e.file("f")
    e.pushed()
    for _ in range(3):
        opened_stat(e.path("f"))
    e.warm(e.path("f"))
    with stopped_agent(e):
        with e.toy.lock:
            f.size = 888
            f.mtime += 1
            f.touch()
        size = opened_stat(e.path("f")).st_size
        assert size == 888, f"size {size}"


def replaced_before_stat(e: Env) -> None:
    """Another client renames a file over the name, which removes the old file, to which the kept name still leads."""
    f = e.file("f")
    e.warm(e.path("f"))
    missing(e.path("f"))
    # The kernel has no valid attributes after it.
    Path(e.path("f")).chmod(0o600)
    with stopped_agent(e):
        new = replaced_elsewhere(e, f, "f")
        try:
            ino = Path(e.path("f")).stat().st_ino
        except FileNotFoundError:
            raise AssertionError("stat() fails with ENOENT") from None
        assert ino == new.ino, ino


KEPT = {"mode": "lease", "extra": ["--kernel-cache", "on"]}

RULES: list[Rule] = [
    ("kernel cache: an answer is kept for the rest of the lease", kept, KEPT, []),
    ("kernel cache: without the option, nothing is kept", not_kept, {"mode": "lease"}, []),
    ("kernel cache: another client's change is seen within the bound", change_elsewhere, KEPT, ["long-grant"]),
    (
        "kernel cache: a name that another client creates is seen within the bound",
        created_elsewhere,
        KEPT,
        ["long-grant"],
    ),
    ("kernel cache: the copies of a stopped agent's lease end with it", without_agent, KEPT, ["long-grant"]),
    ("kernel cache: this client's changes are seen at once", change_here, KEPT, []),
    (
        "kernel cache: stat() of a name that another client replaced finds the new file",
        replaced_before_stat,
        KEPT,
        ["no-estale"],
    ),
    ("kernel cache: an unchanged file that is opened again asks only for OPEN", unchanged_open, KEPT, []),
    ("kernel cache: without the option, each open() asks for attributes", unchanged_open_asks, {"mode": "lease"}, []),
    ("kernel cache: open() sees what was closed before it", changed_open, KEPT, ["keep-all+no-notify"]),
]
