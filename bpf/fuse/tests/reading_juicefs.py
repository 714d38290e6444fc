#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""read() from the block cache with JuiceFS and two clients on one machine: compares every byte, for every way to read.

Meanwhile another client writes, blocks are evicted, the daemon is stopped, agents are killed, and the module is loaded
and unloaded. Run as root inside a virtual machine:

    reading_juicefs.py DIR [pattern]     DIR has efuse.ko, efuse-agent, efuse-agent-faulty

Prints TAP. EFUSE_ONLY: the pattern, if there is no argument; EFUSE_CYCLES: number of kills and loads (default 5);
EFUSE_CHANGES: number of changes in the coherence test (default 25).
"""

import contextlib
import errno
import glob
import json
import mmap
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import volume as v
from asynchronous import read_by_aio, read_by_uring
from volume import MOUNTS, Agent, mount, quiet, report, umount, wait

PATTERN = re.compile(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("EFUSE_ONLY", ""))
CYCLES = int(os.environ.get("EFUSE_CYCLES", "5"))
CHANGES = int(os.environ.get("EFUSE_CHANGES", "25"))
READS = ["--reads", "cache"]
SIZES = {"small": 4096, "odd": 131073, "one": 1000001, "block": 4 << 20, "big": (9 << 20) + 77, "empty": 0}
rnd = random.Random(5)
content: dict[str, bytes] = {}


def path(name: str, i: int = 0) -> str:
    return f"{MOUNTS[i]}/{name}"


def cold(fd: int) -> None:
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def kernel_bytes(agent: Agent) -> float:
    return float(agent.metrics()["efuse_module_read_bytes_total"])


def make() -> None:
    """Writes files with the other client, so that none is open here, and reads them here, which fills the cache."""
    for name, size in SIZES.items():
        content[name] = rnd.randbytes(size)
        with Path(path(name, 1)).open("wb") as f:
            f.write(content[name])
    # Overlapping slices.
    data = bytearray(rnd.randbytes(700000))
    with Path(path("layers", 1)).open("wb") as f:
        f.write(data)
    for _ in range(3):
        at, part = rnd.randrange(600000), rnd.randbytes(rnd.randrange(1, 90000))
        with Path(path("layers", 1)).open("r+b") as f:
            f.seek(at)
            f.write(part)
        data[at : at + len(part)] = part
    content["layers"] = bytes(data)
    fill()


def fill() -> None:
    for name, data in content.items():
        for _ in range(2):
            with Path(path(name)).open("rb") as f:
                os.fstat(f.fileno())
                cold(f.fileno())
                assert f.read() == data, name
    time.sleep(1)


def warm(*names: str) -> None:
    """Waits until these files, by default the large ones, are read in the kernel."""
    for name in names or ("one", "block", "big"):
        for at in range(0, len(content[name]), 4 << 20):

            def in_kernel(name: str = name, at: int = at) -> bool:
                # A handle from before the last change of the file is never read in the kernel.
                fd = os.open(path(name), os.O_RDONLY)
                os.fstat(fd)
                cold(fd)
                before = kernel_bytes(agents[0])
                os.pread(fd, 100, at)
                os.close(fd)
                return kernel_bytes(agents[0]) > before

            wait(in_kernel, f"{name} to be read in the kernel at {at}", 30)


def whole(name: str, data: bytes) -> list[bool]:
    with Path(path(name)).open("rb") as f:
        return [f.read() == data]


def parts(name: str, data: bytes) -> list[bool]:
    fd = os.open(path(name), os.O_RDONLY)
    os.fstat(fd)
    right = []
    for _ in range(15):
        o, n = rnd.randrange(len(data) + 1), rnd.choice((1, 10, 4096, 5000, 65536, 300000, 1 << 20))
        right.append(os.pread(fd, n, o) == data[o : o + n])
        if rnd.random() < 0.3:
            cold(fd)
    os.close(fd)
    return right


def pieces(name: str, data: bytes) -> list[bool]:
    n = rnd.choice((10007, 131072))
    with Path(path(name)).open("rb", buffering=0) as f:
        os.fstat(f.fileno())
        got = []
        while part := f.read(n):
            got.append(part)
    return [b"".join(got) == data]


def mapped(name: str, data: bytes) -> list[bool]:
    if not data:
        return []
    fd = os.open(path(name), os.O_RDONLY)
    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as m:
        right = [m[:] == data]
    os.close(fd)
    return right


def direct(name: str, data: bytes) -> list[bool]:
    fd = os.open(path(name), os.O_RDONLY | os.O_DIRECT)
    os.fstat(fd)
    page = mmap.mmap(-1, 1 << 20)
    right = []
    for _ in range(8):
        o, n = rnd.randrange(len(data) // 512 + 1) * 512, rnd.choice((512, 4096, 65536, 1 << 20))
        with memoryview(page) as m:
            got = os.preadv(fd, [m[:n]], o)
        right.append(page[:got] == data[o : o + n])
    os.close(fd)
    return right


def asynchronous(name: str, data: bytes) -> list[bool]:
    """Reads by Linux AIO and io_uring, with and without O_DIRECT; these go to the daemon."""
    page, right = mmap.mmap(-1, 1 << 16), []
    for flags in (0, os.O_DIRECT):
        fd = os.open(path(name), os.O_RDONLY | flags)
        os.fstat(fd)
        for read in (read_by_aio, read_by_uring):
            o = rnd.randrange(len(data) // 4096 + 1) * 4096
            n = read(fd, page, 1 << 16, o)
            right.append(page[:n] == data[o : o + (1 << 16)])
        os.close(fd)
    return right


def nowait(name: str, data: bytes) -> list[bool]:
    """A read that must not wait returns what is in the page cache, or nothing."""
    fd = os.open(path(name), os.O_RDONLY)
    os.fstat(fd)
    right = []
    for _ in range(4):
        o, buffer = rnd.randrange(len(data) + 1), bytearray(10000)
        try:
            n = os.preadv(fd, [buffer], o, os.RWF_NOWAIT)
            right.append(buffer[:n] == data[o : o + n] and (n > 0 or o == len(data)))
        except OSError as error:
            right.append(error.errno in (errno.EAGAIN, errno.EOPNOTSUPP))
    os.close(fd)
    return right


def splice(name: str, data: bytes) -> list[bool]:
    fd = os.open(path(name), os.O_RDONLY)
    os.fstat(fd)
    come, go = os.pipe()
    got = b""
    while n := os.splice(fd, go, 65536, offset_src=len(got)):
        got += os.read(come, n)
    for f in (fd, come, go):
        os.close(f)
    return [got == data]


def sendfile(name: str, data: bytes) -> list[bool]:
    out = os.open("/var/tmp/efuse-out", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    fd, at = os.open(path(name), os.O_RDONLY), 0
    while at < len(data):
        n = os.sendfile(out, fd, at, len(data) - at)
        if not n:
            break
        at += n
    right = [os.pread(out, len(data) + 1, 0) == data]
    os.close(fd)
    os.close(out)
    return right


def tools(name: str, data: bytes) -> list[bool]:
    """Reads with cat and dd."""
    p = path(name)
    return [
        subprocess.run(command, capture_output=True, check=True).stdout == data
        for command in (["cat", p], ["dd", f"if={p}", "bs=128k", "status=none"])
    ]


def every_way() -> tuple[int, list[str]]:
    """Returns the number of comparisons, and those that failed."""
    count, wrong = 0, []
    for way in (whole, parts, pieces, mapped, direct, sendfile, splice, nowait, asynchronous, tools):
        for name, data in content.items():
            fd = os.open(path(name), os.O_RDONLY)
            cold(fd)
            os.close(fd)
            right = way(name, data)
            count += len(right)
            wrong += [f"{way.__name__} {name}"] * right.count(False)
    return count, wrong


def every_way_in_kernel() -> tuple[bool, str]:
    """Returns whether every way to read had every byte, with much of it read in the kernel; and the figures."""
    before = kernel_bytes(agents[0])
    count, wrong = every_way()
    read = kernel_bytes(agents[0]) - before
    figures = f"{count} comparisons, {len(wrong)} wrong {wrong[:5]}, {read / 1e6:.0f} MB read in the kernel"
    return not wrong and count > 150 and read > 50 << 20, figures


def contents() -> None:
    warm()
    right, figures = every_way_in_kernel()
    report(right, "contents: every way to read returns every byte", figures)


def off_by_one() -> None:
    """With a fault, the comparisons must find wrong bytes."""
    restart(faults=["read-offset"])
    wait(lambda: every_way()[1], "a wrong byte")
    count, wrong = every_way()
    report(
        len(wrong) > count / 4,
        "contents: the comparisons find data that is off by one byte",
        f"{len(wrong)} of {count} wrong, as expected",
    )
    restart()


def changes() -> tuple[int, int, list[str]]:
    """Both clients change a file, and one opens and reads it repeatedly.

    Returns the number of comparisons, of those with reads in the kernel, and the failed ones.
    """
    data, count, kernel, wrong = rnd.randbytes(1 << 20), 0, 0, []
    with Path(path("coherent")).open("wb") as f:
        f.write(data)
    for turn in range(CHANGES):
        who, how = rnd.randrange(2), rnd.choice(("over", "over", "rewrite", "truncate", "append", "rename", "none"))
        p = path("coherent", who)
        if how == "over":
            o, part = rnd.randrange(len(data)), rnd.randbytes(rnd.randrange(1, 200000))
            with Path(p).open("r+b") as f:
                f.seek(o)
                f.write(part)
            data = data[:o] + part + data[o + len(part) :]
        elif how in ("rewrite", "rename"):
            data = rnd.randbytes(rnd.randrange(1, 1 << 20))
            with Path(p + ".new" * (how == "rename")).open("wb") as f:
                f.write(data)
            if how == "rename":
                Path(p + ".new").rename(p)
        elif how == "truncate":
            n = rnd.randrange(1, len(data) + 1)
            os.truncate(p, n)
            data = data[:n]
        elif how == "append":
            part = rnd.randbytes(50000)
            with Path(p).open("ab") as f:
                f.write(part)
            data += part
        # A name may be stale for as long as the bound; the content of an opened file may not.
        if how == "rename" and who:
            time.sleep(v.BOUND / 1000)
        for again in range(4):
            before = kernel_bytes(agents[0])
            fd = os.open(path("coherent"), os.O_RDONLY)
            size = os.fstat(fd).st_size
            cold(fd)
            got = b""
            while part := os.read(fd, 131072):
                got += part
            os.close(fd)
            count += 1
            kernel += kernel_bytes(agents[0]) > before
            if got != data or size != len(data):
                wrong.append(f"turn {turn}: {how} by client {who}, read {again}: {len(got)} of {len(data)} bytes")
            if not again:
                time.sleep(0.4)
    return count, kernel, wrong


def coherent() -> None:
    count, kernel, wrong = changes()
    report(
        not wrong and kernel > count / 8,
        "coherence: a file opened here has what any client had written and closed, with reads in the kernel",
        f"{count} comparisons, {kernel} of them with reads in the kernel, {len(wrong)} wrong {wrong[:5]}",
    )


def incoherent() -> None:
    restart(faults=["read-version"])
    count, _kernel, wrong = changes()
    report(
        wrong,
        "coherence: the same comparisons find blocks of another version",
        f"{len(wrong)} of {count} wrong, as expected",
    )
    restart()


def caches() -> list[str]:
    # The meaning of ** in Path.glob() depends on the version of Python.
    return [
        f
        for f in glob.glob(  # noqa: PTH207
            "/tmp/jfs-cache0/*/raw/chunks/**", recursive=True
        )
        if Path(f).is_file()
    ]


def evicted() -> None:
    warm()
    held = float(agents[0].metrics()["efuse_read_blocks"])
    for f in caches():
        Path(f).unlink()
    count, wrong = every_way()
    wait(lambda: float(agents[0].metrics()["efuse_read_dropped_total"]) >= held, "the blocks to be released", 30)
    count2, wrong2 = every_way()
    report(
        not wrong + wrong2 and held >= 4,
        "evicted: every byte is right, and the files are released",
        f"{held:.0f} blocks were held, {count + count2} comparisons, wrong {(wrong + wrong2)[:5]}",
    )
    fill()


def stopped() -> None:
    """Cached blocks can be read while the daemon is stopped."""
    warm()
    fd = os.open(path("block"), os.O_RDONLY)
    os.fstat(fd)
    os.pread(fd, 1, 0)
    daemons = subprocess.check_output(["pgrep", "-f", "cache-dir /tmp/jfs-cache0"], text=True).split()
    for d in daemons:
        os.kill(int(d), signal.SIGSTOP)
    try:
        right = os.pread(fd, 4 << 20, 0) == content["block"]
    finally:
        for d in daemons:
            os.kill(int(d), signal.SIGCONT)
    os.close(fd)
    report(right, "stopped: 4 MiB are read while the daemon is stopped")


READER = """
import os, sys
while not os.path.exists("/tmp/readers-end"):
    for p, want in zip(sys.argv[1::2], sys.argv[2::2]):
        fd = os.open(p, os.O_RDONLY)
        os.fstat(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        got = b""
        while part := os.read(fd, 200000):
            got += part
        os.close(fd)
        if got != open(want, "rb").read():
            print("WRONG", p, len(got), flush=True)
            sys.exit(1)
"""


def readers(count: int) -> list[subprocess.Popen[str]]:
    args = []
    for name in ("one", "block", "layers"):
        with Path(f"/var/tmp/want-{name}").open("wb") as f:
            f.write(content[name])
        args += [path(name), f"/var/tmp/want-{name}"]
    if Path("/tmp/readers-end").exists():
        Path("/tmp/readers-end").unlink()
    return [
        subprocess.Popen([sys.executable, "-c", READER, *args], stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]


def end(processes: list[subprocess.Popen[str]]) -> list[str]:
    with Path("/tmp/readers-end").open("w"):
        pass
    outputs = [p.communicate(timeout=120)[0] for p in processes]
    return [o for p, o in zip(processes, outputs, strict=True) if p.returncode]


def killed() -> None:
    """Agents are killed, and the module is unloaded and loaded, while three processes read."""
    running, total = readers(3), 0.0
    for i in range(CYCLES):
        with contextlib.suppress(RuntimeError):
            warm()
        total += kernel_bytes(agents[0]) if i == CYCLES - 1 else 0
        agents[0].stop(signal.SIGKILL if i % 2 else signal.SIGTERM)
        wait(lambda: quiet("rmmod", "efuse") == 0, "the module to be free")
        v.load_module()
        agents[0] = Agent(0, extra=READS)
        time.sleep(0.5)
    wrong = end(running)
    report(
        not wrong and total,
        f"killed: readers read every byte while {CYCLES} agents end and the module is reloaded",
        " ".join(wrong),
    )


def readers_killed() -> None:
    warm()
    before = kernel_bytes(agents[0])
    for i in range(CYCLES):
        some = readers(2)
        time.sleep(0.3 + 0.2 * (i % 4))
        for p in some:
            p.kill()
            p.wait()
    count, wrong = every_way()
    report(
        not wrong and kernel_bytes(agents[0]) > before,
        "every byte is right after readers were killed",
        f"{count} comparisons, wrong {wrong[:5]}",
    )


def formats() -> None:
    """Other layouts: hash-prefix, two cache folders, compression and encryption, and blocks that are staged."""
    key, folders = "/tmp/jfs-key.pem", ["/tmp/jfs-cache0", "/tmp/jfs-cache0-more"]
    agents[0].stop()
    for i in range(2):
        umount(i)
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    v.format_at(
        v.OTHER_META,
        "formats",
        "/tmp/jfs-bucket-formats",
        ["--hash-prefix", "--compress", "lz4", "--encrypt-rsa-key", key],
    )
    mount(0, [*v.NOCACHE, "--writeback"], v.OTHER_META, ":".join(folders))
    mount(1, meta=v.OTHER_META)
    make()
    restart(extra=["--meta", v.OTHER_META])
    content["staged"] = rnd.randbytes(300000)
    Path(path("staged")).write_bytes(content["staged"])
    uuid = json.loads(Path(path(".config")).read_text())["Format"]["UUID"]
    cached = [
        sum(f.is_file() for f in Path(folder, uuid, "raw/chunks").glob("[0-9A-F][0-9A-F]/*/*")) for folder in folders
    ]
    warm("one", "block", "big", "staged")
    right, figures = every_way_in_kernel()
    report(
        right and all(cached),
        "formats: every way to read, with hash-prefix, two folders, lz4, encryption and staged blocks",
        f"{figures}, {cached} blocks",
    )


def block_sizes() -> None:
    """Volumes with blocks of 1, 4 and 16 MiB, and a file with data on both sides of its first 64 MiB."""
    for database, mib in enumerate((1, 4, 16), 3):
        agents[0].stop()
        for i in range(2):
            umount(i)
        meta = f"{v.OTHER_META.removesuffix('2')}{database}"
        v.format_at(meta, f"blocks{mib}", f"/tmp/jfs-bucket-{mib}", ["--block-size", str(mib << 10)])
        for i in range(2):
            mount(i, meta=meta)
        content.clear()
        make()
        restart(extra=["--meta", meta])
        warm("one", "block", "big")
        right, figures = every_way_in_kernel()
        far, far_wrong = beyond_first_chunk()
        report(
            right and not far_wrong and far,
            f"blocks of {mib} MiB: every way to read, and reads beyond the first 64 MiB",
            f"{figures}, beyond 64 MiB: {far:.0f} bytes in the kernel, wrong {far_wrong[:5]}",
        )


def beyond_first_chunk() -> tuple[float, list[str]]:
    """Reads around 64 MiB and 128 MiB of a sparse file. Returns the bytes read in the kernel, and what is wrong."""
    chunk, half = 64 << 20, 3 << 20
    written = {at - half: rnd.randbytes(2 * half) for at in (chunk, 2 * chunk)}
    with Path(path("far", 1)).open("wb") as f:
        for start, data in written.items():
            f.seek(start)
            f.write(data)
    before, wrong = kernel_bytes(agents[0]), []
    in_kernel: set[int] = set()
    until = time.monotonic() + 60
    places = [(start, at) for start in written for at in (0, half - 50000, half, 2 * half - 60000)]
    while time.monotonic() < until and len(in_kernel) < len(places):
        fd = os.open(path("far"), os.O_RDONLY)
        os.fstat(fd)
        for number, (start, at) in enumerate(places):
            cold(fd)
            asked = kernel_bytes(agents[0])
            if os.pread(fd, 60000, start + at) != written[start][at : at + 60000]:
                wrong.append(f"60000 at {start + at}")
            if kernel_bytes(agents[0]) >= asked + 60000:
                in_kernel.add(number)
        os.close(fd)
    if len(in_kernel) < len(places):
        wrong.append(f"only {len(in_kernel)} of {len(places)} places were read in the kernel")
    return kernel_bytes(agents[0]) - before, wrong


def first_open(faults: Sequence[str], seconds: float) -> tuple[bool, bool]:
    """Opens a file once after its volume was mounted: whether a read() is answered in the kernel, and all are right."""
    agents[0].stop()
    v.remount()
    restart(faults)
    fd = os.open(path("big"), os.O_RDONLY)
    os.fstat(fd)
    right, until, before = True, time.monotonic() + seconds, kernel_bytes(agents[0])
    while time.monotonic() < until and kernel_bytes(agents[0]) == before:
        at = rnd.randrange(SIZES["big"])
        cold(fd)
        right = right and os.pread(fd, 4096, at) == content["big"][at : at + 4096]
    os.close(fd)
    return kernel_bytes(agents[0]) > before, right


def opened_once() -> None:
    title = "the first handle of a file since the mount is served"
    report(first_open([], 20) == (True, True), title, Path(agents[0].log).read_text())
    report(first_open(["notice-keep"], 5) == (False, True), f"{title}: fails with the fault notice-keep")
    restart()


def kernel_log() -> None:
    bad = [
        line
        for line in subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout.splitlines()
        if re.search(r"BUG|WARNING|Oops|hung_task|stall|Call Trace|general protection|KASAN|KCSAN", line)
    ]
    report(not bad, "no errors in the kernel log", "\n".join(bad[-10:]))


agents: list[Agent] = []


def restart(faults: Sequence[str] = (), extra: Sequence[str] = ()) -> None:
    if agents:
        agents[0].stop()
    agents[:] = [Agent(0, extra=[*READS, *extra], faults=faults)]


def main() -> int:
    redis = v.redis_start()
    v.format_volume()
    for i in range(2):
        mount(i)
    v.load_module()
    make()
    restart()
    tests = [
        contents,
        off_by_one,
        coherent,
        incoherent,
        evicted,
        stopped,
        readers_killed,
        killed,
        formats,
        block_sizes,
        opened_once,
        kernel_log,
    ]
    for test in tests:
        if not PATTERN.search(test.__name__):
            continue
        began = time.monotonic()
        try:
            test()
        except Exception as error:
            report(False, test.__name__, f"{type(error).__name__} {error}")
            if not agents or agents[0].process.poll() is not None:
                restart()
        print(f"# {test.__name__}: {time.monotonic() - began:.0f} s", flush=True)
    agents[0].stop()
    for i in range(2):
        umount(i)
    redis.kill()
    quiet("rmmod", "efuse")
    return v.finish()


sys.exit(main())
