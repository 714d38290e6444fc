# SPDX-License-Identifier: GPL-2.0
"""A test of each rule; RULES has the faults with which it must fail."""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import toy as t
from extfuse import hidden_attr, read_then_write, rename_across, stale_getattr
from harness import (
    BOUND,
    DIR,
    LOAD_SECONDS,
    MNT,
    OTHER,
    Env,
    Rule,
    grown_elsewhere,
    held_back,
    missing,
    opened_stat,
    replaced_elsewhere,
    run,
    same,
    stopped_agent,
    thread,
    wait,
)


def hits(e: Env) -> None:
    f = e.file("f")
    e.warm(e.path("f"))
    assert e.upcalls((t.LOOKUP, t.GETATTR), lambda: [Path(e.path("f")).stat() for _ in range(50)]) == 0
    same(e.path("f"), f)
    assert e.agent.metric("efuse_module_requests_total", result="handled") >= 50


def absent(e: Env) -> None:
    assert missing(e.path("none"))
    e.warm(e.path("none"))
    e.toy.add(e.toy.nodes[1], "none")
    e.redis.push("d1", "i1")
    e.pushed()
    assert not missing(e.path("none"))


def two_mounts(e: Env) -> None:
    """Another mount has the same inode numbers."""
    other = t.Toy(OTHER)
    try:
        e.file("f", 10)
        with other.lock:
            other.next_ino = e.toy.node("f").ino
            node = other.add(other.nodes[1], "f")
            node.size = 77
        e.warm(e.path("f"))
        asked = other.asked[t.LOOKUP] + other.asked[t.GETATTR]
        for _ in range(10):
            assert Path(f"{OTHER}/f").stat().st_size == 77
            assert Path(e.path("f")).stat().st_size == 10
        assert other.asked[t.LOOKUP] + other.asked[t.GETATTR] - asked >= 10
    finally:
        other.close()


def own_changes(e: Env) -> None:
    """The client that changes something sees the change at once, for every operation."""
    root = e.toy.nodes[1]
    d1, d2 = e.dir("d1"), e.dir("d2")
    p = e.path
    libc = t.libc

    def check(name: str, touch: Callable[[], object], do: Callable[[], object], *paths: str) -> None:
        """`paths` are cached before the change, and correct after it."""
        try:
            touch()
            for path in paths:
                e.warm(p(path))
            do()
            for path in paths:
                try:
                    node = e.toy.node(path)
                except KeyError:
                    assert missing(p(path)), f"{path} is still there"
                    continue
                same(p(path), node)
        except (AssertionError, RuntimeError) as error:
            raise AssertionError(f"{name}: {error}") from None

    def with_fd(path: str, flags: int, do: Callable[[int], object]) -> None:
        fd = os.open(p(path), flags)
        try:
            do(fd)
        finally:
            os.close(fd)

    def nothing() -> None:
        pass

    for name in ("a", "b", "c", "x", "y"):
        e.file(name)
    check("chmod", nothing, lambda: Path(p("a")).chmod(0o600), "a")
    check("truncate", nothing, lambda: os.truncate(p("a"), 99), "a")
    check("utimens", nothing, lambda: os.utime(p("a"), (7, 7)), "a")
    check("write", nothing, lambda: with_fd("a", os.O_WRONLY, lambda fd: os.write(fd, b"z" * 200)), "a")
    check("fallocate", nothing, lambda: with_fd("a", os.O_WRONLY, lambda fd: os.posix_fallocate(fd, 0, 500)), "a")

    def copy(fd: int) -> None:
        src = os.open(p("a"), os.O_RDONLY)
        os.copy_file_range(src, fd, 150)
        os.close(src)

    check("copy_file_range", nothing, lambda: with_fd("b", os.O_WRONLY, copy), "b")
    check("setxattr", nothing, lambda: os.setxattr(p("a"), "user.k", b"v"), "a")
    check("removexattr", nothing, lambda: os.removexattr(p("a"), "user.k"), "a")
    check("mknod", nothing, lambda: os.mknod(p("d1/n")), "d1", "d1/n")
    check("mkdir", nothing, lambda: Path(p("d1/s")).mkdir(), "d1", "d1/s")
    check("symlink", nothing, lambda: Path(p("d1/l")).symlink_to("t"), "d1")
    check("create", nothing, lambda: os.close(os.open(p("d1/c"), os.O_CREAT | os.O_EXCL)), "d1", "d1/c")
    check("link", nothing, lambda: os.link(p("a"), p("d1/h")), "a", "d1", "d1/h")
    check("unlink", nothing, lambda: Path(p("d1/h")).unlink(), "a", "d1", "d1/h")
    check("rmdir", nothing, lambda: Path(p("d1/s")).rmdir(), "d1", "d1/s")
    check("rename", nothing, lambda: Path(p("d1/n")).rename(p("d2/n")), "d1", "d2", "d1/n", "d2/n")
    os.link(p("x"), p("x2"))
    check("rename over", nothing, lambda: Path(p("y")).rename(p("x")), "x2", "x", "y")
    e.file("y")

    def exchange() -> None:
        if libc.renameat2(-100, p("c").encode(), -100, p("d1/c").encode(), 2):
            raise OSError(ctypes.get_errno(), "renameat2")

    check("rename exchange", nothing, exchange, "c", "d1/c", "d1")
    check("tmpfile", nothing, lambda: os.close(os.open(p("d1"), os.O_TMPFILE | os.O_RDWR)), "d1")
    e.toy.ioctl_result = 0
    try:
        check("ioctl", nothing, lambda: with_fd("b", os.O_RDONLY, lambda fd: fcntl.ioctl(fd, 0x6601)), "a", "b", "d2")
    finally:
        e.toy.ioctl_result = errno.ENOTTY
    assert root and d1 and d2


def change_in_flight(e: Env) -> None:
    """The answer to a stat() between the start and the end of a change must not be served after it."""
    f = e.file("f")
    e.warm(e.path("f"))
    with held_back(e, t.SETATTR, lambda: Path(e.path("f")).chmod(0o611), before=True):
        for _ in range(5):
            Path(e.path("f")).stat()
    same(e.path("f"), f)


def fill_race(e: Env) -> None:
    """The daemon's reply is outdated when it arrives, and must not be cached."""
    f = e.file("f")
    fd = os.open(e.path("f"), os.O_RDONLY)
    with held_back(e, t.GETATTR, lambda: os.fstat(fd)):
        grown_elsewhere(e, f)
    size = os.fstat(fd).st_size
    os.close(fd)
    assert size == 4242, f"size {size}"


def fill_race_lookup(e: Env) -> None:
    """The same for the attributes in the reply to a LOOKUP."""
    f = e.file("f")
    with held_back(e, t.LOOKUP, lambda: Path(e.path("f")).stat()):
        grown_elsewhere(e, f)
    size = Path(e.path("f")).stat().st_size
    assert size == 4242, f"size {size}"


def open_for_write(e: Env) -> None:
    """While a file is open for writing, the daemon may know changes that are not yet in Redis."""
    f = e.file("f")
    fd = os.open(e.path("f"), os.O_RDWR)
    try:
        for size in range(100, 110):
            with e.toy.lock:
                f.size = size
            assert Path(e.path("f")).stat().st_size == size, "LOOKUP"
            assert os.fstat(fd).st_size == size, "GETATTR"
    finally:
        os.close(fd)
    e.warm(e.path("f"))


def created_is_open(e: Env) -> None:
    fd = os.open(e.path("new"), os.O_CREAT | os.O_WRONLY)
    f = e.toy.node("new")
    try:
        for size in range(100, 105):
            with e.toy.lock:
                f.size = size
            assert Path(e.path("new")).stat().st_size == size
    finally:
        os.close(fd)


def pushed(e: Env) -> None:
    f = e.file("f")
    e.warm(e.path("f"))
    with e.toy.lock:
        f.size = 555
        f.touch()
    e.redis.push(f"i{f.ino}")
    e.pushed()
    same(e.path("f"), f)


def unlinked_elsewhere(e: Env) -> None:
    e.file("f")
    e.warm(e.path("f"))
    with e.toy.lock:
        e.toy.drop(e.toy.nodes[1], b"f")
    e.redis.push("d1", "i1")
    e.pushed()
    assert missing(e.path("f"))


def flushed(e: Env) -> None:
    """The push after FLUSHALL has no keys, so everything is dropped."""
    f = e.file("f")
    e.warm(e.path("f"))
    with e.toy.lock:
        f.size = 556
    e.redis.call("FLUSHALL")
    e.pushed()
    same(e.path("f"), f)


def lease_ends(e: Env) -> None:
    """A stopped agent cannot revoke the lease, so the program must check that it has expired."""
    f = e.file("f")
    e.warm(e.path("f"))
    e.agent.process.send_signal(signal.SIGSTOP)
    with e.toy.lock:
        f.size = 666
    e.redis.push(f"i{f.ino}")
    time.sleep(BOUND + 0.1)
    same(e.path("f"), f)
    assert e.upcalls((t.LOOKUP, t.GETATTR), lambda: Path(e.path("f")).stat()) > 0
    e.agent.process.send_signal(signal.SIGCONT)
    e.warm(e.path("f"))


def lease_needs_redis(e: Env) -> None:
    """While Redis does not answer, the lease is not renewed."""
    f = e.file("f")
    e.warm(e.path("f"))
    e.redis.process.send_signal(signal.SIGSTOP)
    try:
        with e.toy.lock:
            f.size = 667
        time.sleep(BOUND * 1.5 + 0.1)
        same(e.path("f"), f)
    finally:
        e.redis.process.send_signal(signal.SIGCONT)
    e.warm(e.path("f"))


def reconnect(e: Env) -> None:
    """Changes while Redis was down were not pushed."""
    f = e.file("f")
    e.warm(e.path("f"))
    e.redis.stop()
    with e.toy.lock:
        f.size = 777
    e.redis.start()
    time.sleep(BOUND)
    wait(
        lambda: e.agent.metric("efuse_redis_connects_total") >= 2 and e.agent.metric("efuse_lease_seconds") > 0,
        "the lease after a restart",
    )
    same(e.path("f"), f)
    e.warm(e.path("f"))


def fresh_after_open(e: Env) -> None:
    """After open(), answers from before it are not served."""
    f = e.file("f")
    e.warm(e.path("f"))
    with stopped_agent(e):
        with e.toy.lock:
            f.size = 888
        size = opened_stat(e.path("f")).st_size
        assert size == 888, f"size {size}"


# AT_STATX_FORCE_SYNC
FORCE_SYNC = 0x2000


def statx_size(path: str, flags: int) -> int:
    result = ctypes.create_string_buffer(256)
    # The basic attributes: others are asked for with another opcode.
    if t.libc.syscall(332, -100, path.encode(), flags, 0x7FF, result):
        raise OSError(ctypes.get_errno(), "statx")
    (size,) = struct.unpack_from("<Q", result, 40)
    return int(size)


def forced(e: Env) -> None:
    """statx() with AT_STATX_FORCE_SYNC asks the daemon, and only that one."""
    f = e.file("f")
    e.warm(e.path("f"))
    assert e.upcalls((t.LOOKUP, t.GETATTR), lambda: [statx_size(e.path("f"), 0) for _ in range(5)]) == 0
    assert e.upcalls((t.GETATTR,), lambda: [statx_size(e.path("f"), FORCE_SYNC) for _ in range(5)]) == 5
    with e.toy.lock:
        f.size = 4321
        f.touch()
    # Redis has not reported the change.
    assert statx_size(e.path("f"), FORCE_SYNC) == 4321
    assert e.upcalls((t.LOOKUP, t.GETATTR), lambda: [statx_size(e.path("f"), 0) for _ in range(5)]) == 0


def truncated_at_open(e: Env) -> None:
    f = e.file("f")
    e.warm(e.path("f"))
    os.close(os.open(e.path("f"), os.O_WRONLY | os.O_TRUNC))
    # RELEASE is sent a little later than close().
    for _ in range(25):
        same(e.path("f"), f)
        time.sleep(0.02)


def internal(e: Env) -> None:
    """JuiceFS's own files have no inode in Redis: the daemon generates them."""
    with e.toy.lock:
        f = e.toy.add(e.toy.nodes[1], ".stats", ino=t.INTERNAL + 3)
    e.redis.push("d1", "i1")
    for size in range(20, 30):
        with e.toy.lock:
            f.size = size
        assert Path(e.path(".stats")).stat().st_size == size


def control(e: Env) -> None:
    """A command written to .control may change any file."""
    f = e.file("f")
    with e.toy.lock:
        e.toy.add(e.toy.nodes[1], ".control", ino=t.INTERNAL + 2)
    e.redis.push("d1", "i1")
    fd = os.open(e.path(".control"), os.O_RDWR)
    e.warm(e.path("f"))
    with e.toy.lock:
        f.size = 999
    os.write(fd, b"command")
    size = Path(e.path("f")).stat().st_size
    os.close(fd)
    assert size == 999, f"size {size}"


def unknown_opcode(e: Env) -> None:
    """POLL is not in the table of opcodes, so everything may have changed."""
    import select

    f, g = e.file("f"), e.file("g")
    fd = os.open(e.path("g"), os.O_RDONLY)
    e.warm(e.path("f"))
    poll = select.poll()
    poll.register(fd)
    poll.poll(10)
    os.close(fd)
    assert e.toy.asked[t.POLL]
    same(e.path("f"), f)
    same(e.path("g"), g)


def long_name(e: Env) -> None:
    """Names that do not fit in the context go to the daemon."""
    for n in (126, 127, 128, 200, 255):
        name = "n" * n
        f = e.file(name)
        for size in (1, 2):
            with e.toy.lock:
                f.size = size
            e.redis.push(f"i{f.ino}")
            e.pushed()
            same(e.path(name), f)
    assert e.agent.result("lookup", "name_too_long") >= 3
    e.warm(e.path("n" * 127))


def xattr_default(e: Env) -> None:
    e.file("f")
    for _ in range(3):
        assert e.upcalls((t.GETXATTR,), lambda: no_xattr(e.path("f"))) == 1


def statfs_default(e: Env) -> None:
    for _ in range(3):
        assert e.upcalls((t.STATFS,), lambda: os.statvfs(MNT)) == 1


def no_xattr(path: str) -> None:
    try:
        os.getxattr(path, "user.none")
    except OSError as e:
        assert e.errno == errno.ENODATA, e
        return
    raise AssertionError("the attribute exists")


def xattr_ttl(e: Env) -> None:
    e.file("f")
    no_xattr(e.path("f"))
    assert e.upcalls((t.GETXATTR,), lambda: no_xattr(e.path("f"))) == 0
    os.setxattr(e.path("f"), "user.none", b"1")
    try:
        assert os.getxattr(e.path("f"), "user.none") == b"1"
    except OSError as error:
        raise AssertionError(f"getxattr after setxattr: {error}") from None
    os.removexattr(e.path("f"), "user.none")
    no_xattr(e.path("f"))
    time.sleep(3.1)
    assert e.upcalls((t.GETXATTR,), lambda: no_xattr(e.path("f"))) == 1


def statfs_ttl(e: Env) -> None:
    os.statvfs(MNT)
    assert e.upcalls((t.STATFS,), lambda: os.statvfs(MNT)) == 0
    time.sleep(3.1)
    assert e.upcalls((t.STATFS,), lambda: os.statvfs(MNT)) == 1


def ttl_hits(e: Env) -> None:
    """A READ invalidates the kernel's own attributes, but not those of the extension."""
    f = e.file("f")
    fd = os.open(e.path("f"), os.O_RDONLY)
    os.fstat(fd)

    def read_and_stat() -> None:
        for _ in range(10):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.pread(fd, 5, 0)
            os.fstat(fd)

    assert e.upcalls((t.GETATTR,), read_and_stat) <= 3
    assert e.agent.result("getattr", "hit") >= 1
    os.close(fd)
    assert f


def ttl_does_not_add(e: Env) -> None:
    """Another client's change is seen when the first validity has ended, even after hits."""
    f = e.file("f")
    fd = os.open(e.path("f"), os.O_RDONLY)
    os.pread(fd, 5, 0)
    os.fstat(fd)
    with e.toy.lock:
        f.size = 1234
    end = time.monotonic() + e.toy.ttl[1] + 0.5
    while time.monotonic() < end:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.pread(fd, 5, 0)
        os.fstat(fd)
        time.sleep(0.05)
    os.pread(fd, 5, 0)
    size = os.fstat(fd).st_size
    os.close(fd)
    assert size == 1234, f"size {size}"


def zero_validity(e: Env) -> None:
    """With zero validity, nothing may be cached."""
    f = e.file("f")
    for size in range(10, 15):
        with e.toy.lock:
            f.size = size
        assert Path(e.path("f")).stat().st_size == size


def notified(e: Env) -> None:
    """The daemon's notification to the kernel also invalidates the extension's cache."""
    f = e.file("f")
    fd = os.open(e.path("f"), os.O_RDONLY)
    os.fstat(fd)
    os.pread(fd, 5, 0)
    os.fstat(fd)
    with e.toy.lock:
        f.size = 1235
    e.toy.notify_inode(f.ino)
    size = os.fstat(fd).st_size
    os.close(fd)
    assert size == 1235, f"size {size}"


def flush_error(e: Env) -> None:
    """close() must report the daemon's error; a program cannot answer FLUSH."""
    e.toy.flush_error = errno.EIO
    e.file("f")
    fuzz = subprocess.Popen(
        [f"{DIR}/efuse-fuzz", "--answer-flush", "--mount", MNT, "--seconds", "60", "--object", f"{DIR}/fuzz.bpf.o"],
        stdout=subprocess.PIPE,
        text=True,
        close_fds=False,
    )
    try:
        assert fuzz.stdout and fuzz.stdout.readline().startswith("attached")
        before = e.agent.metric("efuse_module_requests_total", result="refused")
        fd = os.open(e.path("f"), os.O_WRONLY)
        try:
            os.close(fd)
            raise AssertionError("close() reports no error")
        except OSError as error:
            assert error.errno == errno.EIO, error
        assert e.agent.metric("efuse_module_requests_total", result="refused") > before
    finally:
        fuzz.kill()
        fuzz.wait()


def shadow(e: Env) -> None:
    own_changes(e)
    for test in (pushed, fill_race, fill_race_lookup, open_for_write, created_is_open, truncated_at_open):
        test(e)
    f = e.file("s")
    before = e.agent.result("getattr", "shadow_match") + e.agent.result("lookup", "shadow_match")
    assert e.upcalls((t.LOOKUP, t.GETATTR), lambda: [Path(e.path("s")).stat() for _ in range(20)]) >= 20
    after = e.agent.result("getattr", "shadow_match") + e.agent.result("lookup", "shadow_match")
    assert after - before >= 15, "nothing was compared"
    time.sleep(2 * BOUND + 0.3)
    assert e.agent.metric("efuse_shadow_total", result="mismatch") == 0, e.agent.text()
    assert f


def shadow_sees(e: Env) -> None:
    """Like shadow(), but the only check is that of shadow mode."""
    f = e.file("s")
    for _ in range(3):
        Path(e.path("s")).stat()
    Path(e.path("s")).chmod(0o640)
    for _ in range(3):
        Path(e.path("s")).stat()
    time.sleep(2 * BOUND + 0.3)
    Path(e.path("s")).stat()
    assert e.agent.metric("efuse_shadow_total", result="mismatch") == 0, "mismatch"
    assert f


def remount_unseen(e: Env) -> None:
    """A mount is replaced while the agent is stopped: the new one has the same device number, but other files."""
    e.file("f", 10)
    e.warm(e.path("f"))
    device = Path(MNT).stat().st_dev
    with stopped_agent(e):
        e.toy.close()
        e.toy = t.Toy(MNT)
        f = e.toy.add(e.toy.nodes[1], "f")
        f.size = 20
        assert Path(MNT).stat().st_dev == device
        same(e.path("f"), f)
    wait(lambda: e.agent.text().count("serving") == 2, "the mount to be found again")
    e.warm(e.path("f"))
    same(e.path("f"), f)


def renamed_during_lookup(e: Env) -> None:
    """While a LOOKUP is in flight, the kernel learns that another client renamed the directory, and moves its dentry.

    The reply must be cached under the name that was sent.
    """
    d = e.dir("old")
    Path(e.path("old")).stat()
    with e.toy.lock:
        children = e.toy.nodes[1].children
        del children[b"old"]
        children[b"new"] = d.ino
        e.toy.nodes[1].touch()
    e.redis.push("d1", "i1")
    e.pushed()
    with held_back(e, t.LOOKUP, lambda: Path(e.path("old")).stat()) as th:
        assert not missing(e.path("new"))
    assert isinstance(th.box[0], FileNotFoundError), th.box
    for _ in range(3):
        assert not missing(e.path("new")), "the reply about the old name was cached under the new one"
    e.warm(e.path("new"))
    assert missing(e.path("old"))


def replaced_before_open(e: Env) -> None:
    """Another client renames a file over the name, which removes the old file; the name exists all the time."""
    f = e.file("f")
    e.warm(e.path("f"))
    with stopped_agent(e):
        new = replaced_elsewhere(e, f, "f")
        ino = opened_stat(e.path("f")).st_ino
        assert ino == new.ino, ino


def replaced_link(e: Env) -> None:
    """The same for a symbolic link on the path: the inode of the old link is gone."""
    e.file("a", 11)
    e.file("b", 22)
    link = e.link("l", "a")
    e.warm(e.path("l"))
    assert Path(e.path("l")).stat().st_size == 11
    with stopped_agent(e):
        replaced_elsewhere(e, link, "l", stat.S_IFLNK | 0o777).data = b"b"
        size = opened_stat(e.path("l")).st_size
        assert size == 22, size


def replaced_before_change(e: Env) -> None:
    """The same for a change by path."""
    changes: list[Callable[[str], None]] = [
        lambda path: Path(path).chmod(0o601),
        lambda path: os.truncate(path, 7),
        lambda path: os.utime(path, (7, 7)),
    ]
    for change in changes:
        f = e.file("f")
        e.warm(e.path("f"))
        with stopped_agent(e):
            new = replaced_elsewhere(e, f, "f")
            before = (new.mode, new.size, new.mtime)
            try:
                change(e.path("f"))
            except FileNotFoundError:
                raise AssertionError("the change fails with ENOENT") from None
            assert (new.mode, new.size, new.mtime) != before
            same(e.path("f"), new)


def made_up_root(e: Env) -> None:
    """JuiceFS makes up attributes of the root while Redis does not answer: they must not be kept.

    It replies with success, mode 0777, and all times 0.
    """
    root = e.toy.nodes[1]
    real = (root.mode, root.mtime, root.ctime)
    e.pushed()
    with e.toy.lock:
        root.mode, root.mtime, root.ctime = stat.S_IFDIR | 0o777, 0, 0
    e.redis.push("i1")
    e.pushed()
    assert Path(MNT).stat().st_mode & 0o777 == 0o777
    # Redis answers again. Nothing has changed, so nothing is pushed.
    with e.toy.lock:
        root.mode, root.mtime, root.ctime = real
    same(MNT, root)
    e.warm(MNT)
    same(MNT, root)


@contextlib.contextmanager
def one_cpu() -> Iterator[None]:
    """All threads, callers and the daemon, run on one CPU: a freed element returns to the CPU that took it."""

    def use(cpus: Iterable[int]) -> None:
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), cpus)

    before = os.sched_getaffinity(0)
    use({0})
    try:
        yield
    finally:
        use(before)


def torn(e: Env) -> None:
    """An answer is replaced twice during its copy, so that the same element has it again: old and new are not mixed.

    The fault replaces it so. The daemon's attributes do not change, so each answer must be them.
    """
    f = e.file("f")
    path = e.path("f")
    with one_cpu(), Path(path).open("rb") as opened:
        asks: list[Callable[[], os.stat_result]] = [lambda: Path(path).stat(), lambda: os.fstat(opened.fileno())]
        for ask in asks:
            for _ in range(4):
                st = ask()
                more = (st.st_size - f.size, int(st.st_mtime) - f.mtime)
                assert more == (0, 0), more


def killed_lookup(e: Env) -> None:
    """A task is killed while its LOOKUP is queued; a later one, for a long name, has its arguments at the same address.

    So that it is queued, the daemon waits for the lock and reads no further request. The address is on the kernel's
    stack, which the next task gets, at one of a few random offsets.
    """
    queue = Path(f"/sys/fs/fuse/connections/{os.minor(e.toy.device)}/waiting")
    script = "import os, sys\nfor _ in range(int(sys.argv[2])):\n try: os.stat(sys.argv[1])\n except OSError: pass\n"

    def asker(name: str, times: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", script, e.path(name), str(times)], close_fds=False)

    for i in range(6):
        name = f"victim{i}"
        e.file(name)
        e.pushed()
        # Its path then needs no other request than the LOOKUP.
        e.warm(MNT)
        with e.toy.lock:
            blocker = thread(lambda: os.statvfs(MNT))
            wait(lambda: int(queue.read_text()) == 1, "the daemon to wait")
            victim = asker(name, 1)
            wait(lambda: int(queue.read_text()) == 2, "the LOOKUP to be queued")
            victim.kill()
            victim.wait()
        blocker.join(20)
        assert asker("n" * 200, 300).wait() == 0
        assert not missing(e.path(name)), "the absence of the long name was cached under another name"


def restored(e: Env) -> None:
    """A file renamed out of the trash appears at once."""
    with e.toy.lock:
        trash = e.toy.add(e.toy.nodes[1], ".trash", stat.S_IFDIR | 0o755, ino=t.INTERNAL + 0x10000000)
        e.toy.add(trash, "f")
    e.redis.push("d1", "i1")
    assert missing(e.path("f"))
    e.warm(e.path("f"))
    Path(e.path(".trash/f")).rename(e.path("f"))
    assert not missing(e.path("f"))


def read_flags(e: Env) -> None:
    """The ioctl() of lsattr and of isatty() change nothing; an unknown command may change everything."""
    e.file("f")
    e.file("g")
    fd = os.open(e.path("g"), os.O_RDONLY)
    e.warm(e.path("g"))
    assert not os.isatty(fd)
    assert e.upcalls((t.LOOKUP, t.GETATTR), lambda: Path(e.path("g")).stat()) == 0
    e.warm(e.path("f"))
    e.toy.ioctl_result = 0
    try:

        def lsattr() -> None:
            fcntl.ioctl(fd, 0x80086601, bytearray(8))

        lsattr()
        assert e.upcalls((t.LOOKUP, t.GETATTR), lambda: Path(e.path("f")).stat()) == 0
        before = e.agent.metric("efuse_epoch")
        fcntl.ioctl(fd, 0x6677)
        assert e.agent.metric("efuse_epoch") > before
    finally:
        e.toy.ioctl_result = errno.ENOTTY
        os.close(fd)


def many_entries(e: Env) -> None:
    """The table of generations is as large as that of the entries."""
    f = e.file("f")
    e.warm(e.path("f"))
    Path(e.path("f")).chmod(0o611)
    same(e.path("f"), f)
    maps = json.loads(run(["bpftool", "-j", "map"], capture_output=True, text=True).stdout)
    sizes = [m["bytes_value"] for m in maps if m.get("name") == ".data.gens"]
    assert sizes == [8 << 18], sizes


# One of several processes: changes its own files, and stats shared files.
WORKER = """
import os, sys, time
mount, mine, end = sys.argv[1], f"{sys.argv[1]}/{sys.argv[2]}", time.monotonic() + float(sys.argv[3])
os.close(os.open(mine, os.O_CREAT | os.O_WRONLY))
rounds = 0
while time.monotonic() < end or not rounds:
    rounds += 1
    os.chmod(mine, 0o600 + rounds % 8)
    assert os.stat(mine).st_mode & 0o777 == 0o600 + rounds % 8, "chmod"
    os.truncate(mine, rounds)
    assert os.stat(mine).st_size == rounds, "truncate"
    os.rename(mine, mine + "x")
    assert not os.path.exists(mine) and os.path.exists(mine + "x"), "rename"
    os.link(mine + "x", mine)
    assert os.stat(mine).st_nlink == 2, "link"
    os.unlink(mine + "x")
    assert os.stat(mine).st_nlink == 1, "unlink"
    os.mkdir(mine + "d")
    assert os.path.isdir(mine + "d"), "mkdir"
    os.rmdir(mine + "d")
    assert not os.path.exists(mine + "d"), "rmdir"
    for i in range(32):
        os.stat(f"{mount}/s{i % 8}")
print(rounds)
"""


def several(e: Env) -> None:
    """Several processes, while keys are pushed: each sees its own changes at once, and finally all pushed changes."""
    shared = [e.file(f"s{i}") for i in range(8)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, MNT, f"own{i}", str(LOAD_SECONDS)],
            close_fds=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for i in range(4)
    ]
    try:
        while any(w.poll() is None for w in workers):
            for f in shared:
                with e.toy.lock:
                    f.size += 1
                e.redis.push(f"i{f.ino}")
    finally:
        # The workers end after LOAD_SECONDS, because the daemon answers each of their requests.
        outputs = [w.communicate(timeout=60) for w in workers]
    assert not any(w.returncode for w in workers), outputs[0][1] + outputs[1][1] + outputs[2][1] + outputs[3][1]
    e.pushed()
    for i, f in enumerate(shared):
        same(e.path(f"s{i}"), f)
    hits = e.agent.result("lookup", "hit") + e.agent.result("getattr", "hit")
    assert hits, "nothing was answered in the kernel"
    print(f"# rounds {' '.join(out.strip() for out, _ in outputs)}, hits {hits:.0f}")


LEASE = {"mode": "lease"}
TTL = {"mode": "ttl", "ttl": (2, 2)}
ZERO = {"mode": "ttl", "ttl": (0, 0)}
LONG = {"mode": "ttl", "ttl": (60, 60)}

RULES: list[Rule] = [
    ("a stat is answered in the kernel", hits, LEASE, []),
    ("a missing name is answered in the kernel until another client creates it", absent, LEASE, ["no-push"]),
    ("rule 1: requests of another mount go to its daemon", two_mounts, LEASE, []),
    ("rule 1: internal inodes are not answered", internal, LEASE, ["no-internal"]),
    ("rule 1: a new mount with the same device number gets no old answers", remount_unseen, LEASE, ["no-remount"]),
    ("rule 2: a program cannot answer FLUSH", flush_error, LEASE, []),
    (
        "rule 3: a client sees its own changes at once, for every operation",
        own_changes,
        LEASE,
        ["no-raise", "extfuse-rename", "extfuse-toggle", "no-target"],
    ),
    (
        "rule 3: a client sees its own changes also if other CPUs win every race for a generation",
        own_changes,
        {**LEASE, "faults": ["lost-swap"]},
        ["no-raise"],
    ),
    ("rule 3: each of several processes sees its own changes at once", several, LEASE, ["no-raise"]),
    ("rule 3: attributes from during a change are not served after it", change_in_flight, LEASE, ["no-raise-done"]),
    ("rule 3: a truncation by O_TRUNC is seen at once", truncated_at_open, LEASE, ["no-raise+no-open-write"]),
    ("rule 3: a command written to .control invalidates the cache", control, LEASE, ["no-raise"]),
    ("rule 3: an unknown opcode invalidates the cache", unknown_opcode, LEASE, ["no-unknown"]),
    ("rule 3: a file restored from the trash appears at once", restored, LEASE, ["no-raise"]),
    ("rule 3: an ioctl() that only reads invalidates nothing, an unknown one everything", read_flags, LEASE, []),
    ("rule 4: a reply is cached under the name that was sent", renamed_during_lookup, LEASE, ["done-name"]),
    ("rule 4: a long name's reply is not cached under the name of a killed task", killed_lookup, LEASE, ["no-untrack"]),
    ("rule 4: an outdated reply to GETATTR is not cached", fill_race, LEASE, ["fill-race"]),
    ("rule 4: an outdated reply to LOOKUP is not cached", fill_race_lookup, LEASE, ["fill-race"]),
    ("rule 4: what the daemon makes up about the root is not cached", made_up_root, LEASE, ["invented"]),
    (
        "rule 4: an answer that is replaced during its copy is not a mixture",
        torn,
        {**LEASE, "faults": ["tear"]},
        ["no-twice"],
    ),
    ("rule 5: a file open for writing is not served", open_for_write, LEASE, ["no-open-write"]),
    ("rule 5: a created file is not served while it is open", created_is_open, LEASE, ["no-open-write"]),
    ("rule 6: attributes are served within the daemon's validity", ttl_hits, LONG, []),
    ("rule 6: a hit does not extend the validity", ttl_does_not_add, TTL, ["ttl-adds"]),
    ("rule 6: zero validity is not cached", zero_validity, ZERO, ["zero-ttl"]),
    ("rule 6: the daemon's notification invalidates an inode", notified, LONG, ["no-notify"]),
    ("rule 7: another client's change is seen after its push", pushed, LEASE, ["no-push"]),
    ("rule 7: another client's unlink is seen after its push", unlinked_elsewhere, LEASE, ["no-push"]),
    ("rule 7: FLUSHALL invalidates the cache", flushed, LEASE, ["no-push"]),
    ("rule 7: the lease of a stopped agent expires", lease_ends, LEASE, ["no-lease"]),
    ("rule 7: the lease expires while Redis does not answer", lease_needs_redis, LEASE, ["early-renewal"]),
    ("rule 7: a new connection to Redis invalidates the cache", reconnect, LEASE, ["no-reconnect-epoch"]),
    ("rule 8: by default, each GETXATTR goes to the daemon", xattr_default, LEASE, []),
    ("rule 8: by default, each STATFS goes to the daemon", statfs_default, LEASE, []),
    (
        "rule 8: a missing extended attribute is cached for --xattr-ttl",
        xattr_ttl,
        {"mode": "lease", "extra": ["--opcodes", "lookup,getattr,getxattr", "--xattr-ttl", "3000"]},
        ["no-raise"],
    ),
    (
        "rule 8: STATFS is cached for --statfs-ttl",
        statfs_ttl,
        {"mode": "lease", "extra": ["--opcodes", "lookup,getattr,statfs", "--statfs-ttl", "3000"]},
        [],
    ),
    ("rule 9: fstat() after open() shows the daemon's current attributes", fresh_after_open, LEASE, ["no-open-raise"]),
    ("rule 9: statx() with AT_STATX_FORCE_SYNC shows the daemon's current attributes", forced, LEASE, ["no-sync"]),
    (
        "rule 9: open() of a name that another client replaced opens the new file",
        replaced_before_open,
        LEASE,
        ["no-estale"],
    ),
    (
        "rule 9: a symbolic link that another client replaced leads to the new target",
        replaced_link,
        LEASE,
        ["no-estale"],
    ),
    (
        "rule 9: chmod() and truncate() of a name that another client replaced change the new file",
        replaced_before_change,
        LEASE,
        ["no-estale"],
    ),
    (
        "the table of generations grows with --entries",
        many_entries,
        {"mode": "lease", "extra": ["--entries", "250000"]},
        [],
    ),
    ("names too long for the context are answered by the daemon", long_name, LEASE, []),
    ("ExtFUSE: LOOKUP returns the current attributes", hidden_attr, LONG, ["extfuse-lookup-attr"]),
    ("ExtFUSE: GETATTR returns the current attributes", stale_getattr, LEASE, ["extfuse-getattr-stale"]),
    ("ExtFUSE: RENAME to another directory is seen under both names", rename_across, LEASE, ["extfuse-rename"]),
    ("ExtFUSE: a change marked twice does not validate old attributes", stale_getattr, LEASE, ["extfuse-toggle"]),
    ("ExtFUSE: WRITE after READ changes the size at once", read_then_write, LEASE, ["extfuse-write"]),
    ("shadow: cached answers match the daemon's", shadow, {"mode": "lease", "extra": ["--shadow"]}, []),
    ("shadow: no mismatch after a change", shadow_sees, {"mode": "lease", "extra": ["--shadow"]}, ["no-raise"]),
]
