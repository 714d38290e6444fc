# SPDX-License-Identifier: GPL-2.0
"""Tests of the cache filled from directory listings: one for each rule, as in rules.py."""

import contextlib
import ctypes
import os
import random
import signal
import stat
import struct
import time
from pathlib import Path

import toy as t
from harness import BOUND, MNT, Env, Rule, grown_elsewhere, held_back, missing, same

FILES = 60  # more than fit in a page


def some_files(e: Env) -> list[t.Node]:
    files = [e.file(f"f{i}") for i in range(FILES)]
    e.pushed()
    return files


def names() -> list[str]:
    return os.listdir(MNT)  # noqa: PTH208 (its requests are tested)


def part(fd: int) -> int:
    """Reads a part of a directory that is less than one reply of the daemon; 0 at the end."""
    buffer = ctypes.create_string_buffer(1024)
    n: int = t.libc.syscall(217, fd, buffer, len(buffer))  # getdents64
    assert n >= 0
    return n


def rest(fd: int) -> None:
    while part(fd):
        pass


def asked(e: Env, *paths: str) -> int:
    """Number of requests to the daemon when these paths are stat()ed."""
    Path(MNT).stat()
    return e.upcalls((t.LOOKUP, t.GETATTR), lambda: [missing(e.path(p)) for p in paths])


def listed(e: Env) -> None:
    files = some_files(e)
    assert len(names()) == FILES
    assert e.toy.asked[t.READDIR] == 0, "the kernel continued without attributes"
    assert asked(e, *(f"f{i}" for i in range(FILES))) == 0
    for i, f in enumerate(files):
        same(e.path(f"f{i}"), f)
    assert e.agent.result("readdirplus", "listed") == FILES
    assert e.agent.metric("efuse_module_entries_total") >= FILES


def off(e: Env) -> None:
    some_files(e)
    names()
    assert e.agent.result("readdirplus", "listed") == 0
    assert asked(e, "f0", "f1") == 2


def walked(e: Env) -> None:
    """A tree walk may send one request for each folder, but none for each entry."""
    for i in range(4):
        folder = e.dir(f"d{i}")
        for k in range(10):
            e.toy.add(folder, f"f{k}")
    e.pushed()

    def walk() -> None:
        for folder, folders, files in os.walk(MNT):
            for name in folders + files:
                os.lstat(f"{folder}/{name}")

    Path(MNT).stat()
    assert e.upcalls((t.LOOKUP, t.GETATTR), walk) <= 5


def changed_elsewhere(e: Env) -> None:
    """Changes between the listing and its use."""
    files = some_files(e)
    names()
    with e.toy.lock:
        files[3].size = 555
        files[3].touch()
        e.toy.drop(e.toy.nodes[1], b"f4")
    e.redis.push(f"i{files[3].ino}", "d1", "i1")
    e.pushed()
    same(e.path("f3"), files[3])
    assert missing(e.path("f4"))


def changed_here(e: Env) -> None:
    files = some_files(e)
    names()
    Path(e.path("f3")).chmod(0o611)
    same(e.path("f3"), files[3])
    Path(e.path("f4")).unlink()
    assert missing(e.path("f4"))
    Path(e.path("f5")).rename(e.path("f6"))
    assert missing(e.path("f5"))
    same(e.path("f6"), files[5])


def changed_in_flight(e: Env) -> None:
    """A file changes while the reply to the listing is in flight; the folder does not."""
    f = some_files(e)[0]
    with held_back(e, t.READDIRPLUS, names):
        grown_elsewhere(e, f)
    same(e.path("f0"), f)


def removed_in_flight(e: Env) -> None:
    """A name is removed while the reply to the listing is in flight."""
    some_files(e)
    with held_back(e, t.READDIRPLUS, names):
        with e.toy.lock:
            e.toy.drop(e.toy.nodes[1], b"f0")
        e.redis.push("d1", "i1")
        e.pushed()
    assert missing(e.path("f0"))


def kept_by_handle(e: Env) -> None:
    """The daemon answers the rest of a listing with the entries that it fetched at the start."""
    last = some_files(e)[-1]
    fd = os.open(MNT, os.O_RDONLY | os.O_DIRECTORY)
    assert part(fd)
    with e.toy.lock:
        last.size = 4242
        last.touch()
    e.redis.push(f"i{last.ino}")
    e.pushed()
    rest(fd)
    same(e.path(f"f{FILES - 1}"), last)
    os.close(fd)


def open_for_write(e: Env) -> None:
    f = some_files(e)[0]
    fd = os.open(e.path("f0"), os.O_RDWR)
    try:
        for size in range(100, 105):
            names()
            with e.toy.lock:
                f.size = size
            assert Path(e.path("f0")).stat().st_size == size
    finally:
        os.close(fd)


def internal(e: Env) -> None:
    with e.toy.lock:
        f = e.toy.add(e.toy.nodes[1], ".stats", ino=t.INTERNAL + 3)
    e.redis.push("d1", "i1")
    e.pushed()
    for size in range(20, 25):
        names()
        with e.toy.lock:
            f.size = size
        assert Path(e.path(".stats")).stat().st_size == size


def without_attributes(e: Env) -> None:
    """An entry without attributes, as in the protocol: node 0."""
    f = some_files(e)[0]
    e.toy.given[b"f0"] = bytes(128)
    names()
    assert not missing(e.path("f0"))
    same(e.path("f0"), f)


def zeros(e: Env) -> None:
    """An entry without attributes, as JuiceFS sends it: all zeros."""
    f = some_files(e)[0]
    e.toy.given[b"f0"] = struct.pack("<QQ", f.ino, 1).ljust(128, b"\0")
    names()
    try:
        same(e.path("f0"), f)
    except OSError as error:
        raise AssertionError(f"stat(): {error}") from None


def dots(e: Env) -> None:
    """The kernel does not use the attributes of "." and "..", and the daemon may send any."""
    some_files(e)
    names()
    assert Path(MNT).stat().st_size == 0


def zero_validity(e: Env) -> None:
    f = e.file("f")
    for size in range(10, 15):
        names()
        with e.toy.lock:
            f.size = size
        assert Path(e.path("f")).stat().st_size == size


def long_names(e: Env) -> None:
    """A name that does not fit in the context does not affect the other entries."""
    files = {"n" * n: e.file("n" * n) for n in (126, 127, 128, 255)}
    files["z"] = e.file("z")
    e.pushed()
    assert len(names()) == len(files)
    for name, f in files.items():
        same(e.path(name), f)
    assert asked(e, "z", "n" * 127) == 0


def malformed(e: Env) -> None:
    """Malformed or truncated records are not cached, and do no harm."""
    f, g = e.file("f"), e.file("g", 77)
    e.pushed()

    def record(name: bytes, length: int | None = None) -> bytes:
        """An entry with the attributes of g, under another name."""
        item = e.toy.entry(g) + struct.pack("<QQII", g.ino, 1, len(name) if length is None else length, 8) + name
        return item.ljust((len(item) + 7) // 8 * 8, b"\0")

    rnd = random.Random(1)
    replies = [
        record(b"f\0"),  # equals f if compared only up to the NUL
        record(b"f\0" + b"x" * 100),
        record(b"f/g"),
        record(b"", 0),
        record(b"f", 0),
        record(b"f", 2000),
        record(b"f", 0xFFFFFFFF),
        record(b"f", 0xFFFFFF68),  # so that the record's length is 0 in 32 bits
        record(b"f" * 24)[:-8],
        record(b"x")[:151],
        record(b"x") + record(b"f", 5000),
        *(rnd.randbytes(rnd.randrange(4097)) for _ in range(20)),
    ]
    for reply in replies:
        e.toy.listing = reply
        with contextlib.suppress(OSError):
            names()
        same(e.path("f"), f)
        same(e.path("g"), g)
    e.toy.listing = None
    assert sorted(names()) == ["f", "g"]
    assert stat.S_ISDIR(Path(MNT).stat().st_mode)


ABSENT = [f"absent{i}" for i in range(20)]


def created_elsewhere(e: Env, name: str) -> None:
    """Creates a file as another client would; the agent has received the push."""
    e.file(name)
    e.pushed()


def absent(e: Env) -> None:
    some_files(e)
    names()
    assert asked(e, *ABSENT) == 0
    assert e.agent.result("lookup", "unlisted") == len(ABSENT)
    assert not missing(e.path("f0"))


def absent_asked(e: Env) -> None:
    some_files(e)
    names()
    assert asked(e, *ABSENT) == len(ABSENT)


def absent_shadow(e: Env) -> None:
    some_files(e)
    names()
    for name in ABSENT:
        assert missing(e.path(name))
    assert e.agent.result("lookup", "shadow_match") >= len(ABSENT)
    assert e.agent.result("lookup", "shadow_differs") == 0


def absent_then_created_elsewhere(e: Env) -> None:
    some_files(e)
    names()
    assert asked(e, "new") == 0
    created_elsewhere(e, "new")
    assert not missing(e.path("new"))


def absent_then_created_here(e: Env) -> None:
    some_files(e)
    names()
    assert asked(e, "new", "folder", "other") == 0
    Path(e.path("new")).touch()
    Path(e.path("folder")).mkdir()
    Path(e.path("f0")).rename(e.path("other"))
    assert not missing(e.path("new"))
    assert not missing(e.path("folder"))
    assert not missing(e.path("other"))


def absent_without_agent(e: Env) -> None:
    """The agent cannot receive pushes: after the bound, absent names are asked for again."""
    some_files(e)
    names()
    assert missing(e.path("new"))
    e.agent.process.send_signal(signal.SIGSTOP)
    e.file("new")
    time.sleep(BOUND + 0.1)
    assert not missing(e.path("new"))


def absent_created_in_flight(e: Env) -> None:
    """A file is created while the reply to the listing is in flight."""
    some_files(e)
    with held_back(e, t.READDIRPLUS, names):
        created_elsewhere(e, "new")
    assert not missing(e.path("new"))


def absent_created_between(e: Env) -> None:
    """A file is created between two parts; the daemon's list is older."""
    some_files(e)
    fd = os.open(MNT, os.O_RDONLY | os.O_DIRECTORY)
    assert part(fd)
    created_elsewhere(e, "new")
    rest(fd)
    assert not missing(e.path("new"))
    os.close(fd)


def partly_listed(e: Env) -> None:
    some_files(e)
    fd = os.open(MNT, os.O_RDONLY | os.O_DIRECTORY)
    assert part(fd)
    assert not missing(e.path(f"f{FILES - 1}"))
    os.close(fd)


def gap(e: Env) -> None:
    """lseek() has skipped a part."""
    some_files(e)
    fd = os.open(MNT, os.O_RDONLY | os.O_DIRECTORY)
    assert part(fd)
    os.lseek(fd, 50, os.SEEK_SET)
    rest(fd)
    assert not missing(e.path("f40"))  # at position 43
    os.close(fd)


def reread(e: Env) -> None:
    """The caller goes back and reads a part again: nothing is missing."""
    some_files(e)
    fd = os.open(MNT, os.O_RDONLY | os.O_DIRECTORY)
    for position in (0, 3, 1):
        os.lseek(fd, position, os.SEEK_SET)
        assert part(fd)
    rest(fd)
    assert asked(e, *ABSENT) == 0
    assert not any(missing(e.path(f"f{i}")) for i in range(FILES))
    os.close(fd)


def cut(e: Env) -> None:
    """A reply with a malformed record, after which the listing ends."""
    f, g = e.file("f"), e.file("g")
    e.pushed()
    record = e.toy.record
    e.toy.listing = record(b"g", e.toy.entry(g), g.ino, 1, 8) + record(b"f", e.toy.entry(f), f.ino, 2, 8)[:-8]
    assert names() == ["g"]
    assert not missing(e.path("f"))


def evicted(e: Env) -> None:
    """More entries than the cache keeps."""
    with e.toy.lock:
        for i in range(1600):
            e.toy.add(e.toy.nodes[1], f"f{i}")
    e.redis.push("d1", "i1")
    e.pushed()
    assert len(names()) == 1600
    found = [not missing(e.path(f"f{i}")) for i in range(0, 400, 8)]
    assert all(found)
    assert asked(e, *ABSENT) < len(ABSENT) / 2


def never_listed(e: Env) -> None:
    """JuiceFS answers some names that it does not list: all in the root, .control everywhere."""
    folder = e.dir("folder")
    own = [b".config", b".control", b".accesslog", b".stats", b".trash", b".jfs.config", b".jfs.trash"]
    e.toy.unlisted.update(own)
    with e.toy.lock:
        for i, name in enumerate(own):
            e.toy.add(e.toy.nodes[1], name.decode(), ino=t.INTERNAL + 10 + i)
        e.toy.add(folder, ".control", ino=t.INTERNAL + 30)
    e.redis.push("d1", "i1", f"d{folder.ino}", f"i{folder.ino}")
    e.pushed()
    assert names() == ["folder"]
    assert os.listdir(e.path("folder")) == []  # noqa: PTH208
    assert not missing(e.path("folder/.control"))
    for name in own:
        assert not missing(e.path(name.decode()))
    assert asked(e, ".git", ".confi", "folder/.gitignore") == 0


def slot(dev: int, ino: int) -> int:
    """The directory's element of 4096; see efuse_slot()."""
    h = (ino + dev * 0x9E3779B97F4A7C15) * 0xFF51AFD7ED558CCD % 2**64
    return ((h ^ h >> 32) >> 8) % 4096


def stolen(e: Env) -> None:
    """Two directories share an element: the second takes it over while the first is listed."""
    first = e.dir("first")
    dev = os.major(e.toy.device) << 20 | os.minor(e.toy.device)
    ino = next(n for n in range(10000, 100000) if slot(dev, n) == slot(dev, first.ino))
    with e.toy.lock:
        second = e.toy.add(e.toy.nodes[1], "second", stat.S_IFDIR | 0o755, ino=ino)
        for i in range(FILES):
            e.toy.add(first, f"a{i}")
            e.toy.add(second, f"b{i}", ino=20000 + i)
    e.redis.push("d1", "i1")
    e.pushed()
    fds = [os.open(e.path(name), os.O_RDONLY | os.O_DIRECTORY) for name in ("first", "second")]
    assert part(fds[0])
    assert part(fds[1])
    rest(fds[0])
    assert not missing(e.path(f"second/b{FILES - 1}"))
    assert not missing(e.path(f"first/a{FILES - 1}"))
    rest(fds[1])
    assert asked(e, *(f"second/{name}" for name in ABSENT)) == 0
    for fd in fds:
        os.close(fd)


LEASE = {"mode": "lease", "plus": True}

RULES: list[Rule] = [
    ("listings: listed entries are answered in the kernel", listed, LEASE, []),
    ("listings: with --listings off, entries are not cached", off, {**LEASE, "extra": ["--listings", "off"]}, []),
    ("listings: a tree walk sends no request for each name", walked, LEASE, []),
    ("listings: another client's change after the listing is seen", changed_elsewhere, LEASE, ["no-push"]),
    ("listings: this client's change after the listing is seen", changed_here, LEASE, ["no-raise"]),
    ("listings: a file that changes during the listing is not cached", changed_in_flight, LEASE, ["fill-race"]),
    ("listings: a name removed during the listing is not cached", removed_in_flight, LEASE, ["fill-race"]),
    ("listings: entries are only as recent as the directory's handle", kept_by_handle, LEASE, ["list-handle"]),
    ("listings: a file open for writing is not served", open_for_write, LEASE, ["no-open-write"]),
    ("listings: internal inodes are not answered", internal, LEASE, ["no-internal"]),
    ("listings: an entry without attributes is not cached", without_attributes, LEASE, ["list-any"]),
    ("listings: an entry with zeros as attributes is not cached", zeros, LEASE, ["list-any"]),
    ('listings: "." and ".." are not cached', dots, LEASE, ["list-any"]),
    (
        "listings: zero validity is not cached",
        zero_validity,
        {"mode": "ttl", "ttl": (0, 0), "plus": True},
        ["zero-ttl"],
    ),
    ("listings: absent names of a directory that was listed are answered in the kernel", absent, LEASE, []),
    (
        "listings: with --listings entries, absent names are asked for",
        absent_asked,
        {**LEASE, "extra": ["--listings", "entries"]},
        [],
    ),
    (
        "listings: in shadow mode, the daemon confirms that names are absent",
        absent_shadow,
        {**LEASE, "extra": ["--shadow"]},
        [],
    ),
    (
        "listings: an absent name that another client creates is seen",
        absent_then_created_elsewhere,
        LEASE,
        ["no-push"],
    ),
    ("listings: an absent name that this client creates is seen", absent_then_created_here, LEASE, ["no-raise"]),
    ("listings: absent names are not answered without a lease", absent_without_agent, LEASE, ["no-lease"]),
    ("listings: a name created during the listing is seen", absent_created_in_flight, LEASE, ["fill-race"]),
    ("listings: a name created between two parts is seen", absent_created_between, LEASE, ["fill-race"]),
    ("listings: a part of a listing does not answer absent names", partly_listed, LEASE, ["list-part"]),
    ("listings: a listing with a gap does not answer absent names", gap, LEASE, ["list-gap"]),
    ("listings: parts that are read again leave no gap", reread, LEASE, []),
    ("listings: a malformed listing does not answer absent names", cut, LEASE, ["list-gap"]),
    (
        "listings: a name that was evicted from the cache is not absent",
        evicted,
        {**LEASE, "extra": ["--entries", "1024"]},
        ["list-cached"],
    ),
    ("listings: names that are never listed are not absent", never_listed, LEASE, ["list-hidden"]),
    ("listings: directories that share an element do not share names", stolen, LEASE, ["list-stolen"]),
    ("listings: names too long for the context do not affect others", long_names, LEASE, []),
    ("listings: malformed records are ignored", malformed, LEASE, []),
]
