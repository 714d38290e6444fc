# SPDX-License-Identifier: GPL-2.0
"""Shared by the tests of storage chains: the loader, doors on test devices, and requests built by hand."""

import ctypes
import itertools
import json
import mmap
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, overload

DIR = sys.argv[1]
RUN = "/run/disgrafs/storage-chain"
NODE, SECTORS, DOOR = 4096, 8, 2048
MAGIC, VERSION = 0x31304E4941484353, 1
HEADER = struct.Struct("<QIIQ8QiIQ8Q")
UNANSWERED = 0x7FFFFFFF
KERNEL = tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2])
HAS_STRUCT_OPS = KERNEL >= (6, 9)
FAULTS = {
    name: 1 << bit
    for bit, name in enumerate(
        [
            "stale_next",
            "no_bounds",
            "no_limit",
            "no_notrun",
            "no_retry",
            "no_stop",
            "no_crc",
            "no_bounce",
            "miss",
            "again",
            "again_fails",
            "busy_irq",
            "no_error",
            "direct",
        ]
    )
}


# Result of a command that may fail.
Done = subprocess.CompletedProcess[str]


@overload
def run(*args: str, env: Mapping[str, str] | None = None, ok: Literal[True] = True, timeout: float = 600) -> str: ...
@overload
def run(*args: str, env: Mapping[str, str] | None = None, ok: Literal[False], timeout: float = 600) -> Done: ...
@overload
def run(*args: str, env: Mapping[str, str] | None = None, ok: bool, timeout: float = 600) -> str | Done: ...
def run(*args: str, env: Mapping[str, str] | None = None, ok: bool = True, timeout: float = 600) -> str | Done:
    """Runs a command; returns its standard output or, with `ok=False`, the result, even if it failed."""
    done = subprocess.run(
        args, capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})}, check=False
    )
    if not ok:
        return done
    if done.returncode:
        raise AssertionError(f"{' '.join(args)}: {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def wait(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"timeout: waited for {what}")
        time.sleep(0.05)


def read(path: str) -> str:
    return Path(path).read_text().strip()


def write(path: str, text: object) -> None:
    Path(path).write_text(str(text))


def data_disk() -> str:
    """The disk that the tests may overwrite: the one with serial `data`."""
    for controller in sorted(path.name for path in Path("/sys/class/nvme").iterdir()):
        if read(f"/sys/class/nvme/{controller}/serial") == "data":
            return f"/dev/{controller}n1"
    raise AssertionError("no NVMe disk with serial `data`")


@overload
def dm(*args: str, ok: Literal[True] = True) -> str: ...
@overload
def dm(*args: str, ok: Literal[False]) -> Done: ...
def dm(*args: str, ok: bool = True) -> str | Done:
    return run(f"{DIR}/dm-tool", *args, ok=ok)


@overload
def schain(*args: str, ok: Literal[True] = True, env: Mapping[str, str] | None = None) -> str: ...
@overload
def schain(*args: str, ok: Literal[False], env: Mapping[str, str] | None = None) -> Done: ...
def schain(*args: str, ok: bool = True, env: Mapping[str, str] | None = None) -> str | Done:
    return run(f"{DIR}/schain", *args, ok=ok, env=env)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def status(name: str) -> dict[str, Any]:
    """A door's counters."""
    words = dict(word.split("=") for word in dm("status", name).split())
    return {key: value if key == "mode" else int(value) for key, value in words.items()}


def kernel_log() -> str:
    return run("dmesg")


class Loader:
    """The extension's loader; with `faults`, with a module whose safety checks can be disabled."""

    def __init__(self, *options: str, faults: Sequence[str] = ()) -> None:
        self.folder = DIR
        if faults:
            self.folder = "/tmp/schain-faults"
            Path(self.folder).mkdir(exist_ok=True, parents=True)
            shutil.copy(f"{DIR}/faults/storage-chain.ko", self.folder)
            shutil.copy(f"{DIR}/storage-chain", self.folder)
        self.faults = faults
        self.options = options

    def __enter__(self) -> Self:
        address = "\0schain-test"
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.bind(address)
        ready.settimeout(1)
        self.errors = Path("/tmp/schain-loader.err").open("w+")
        self.process = subprocess.Popen(
            [f"{self.folder}/storage-chain", *self.options],
            stderr=self.errors,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "NOTIFY_SOCKET": "@schain-test"},
        )
        end = time.monotonic() + 120
        while True:
            try:
                if b"READY=1" in ready.recv(4096):
                    break
            except TimeoutError:
                pass
            if self.process.poll() is not None or time.monotonic() > end:
                ready.close()
                self.errors.seek(0)
                raise AssertionError(f"the loader ended with {self.process.returncode}: {self.errors.read()}")
        ready.close()
        self.set_faults(*self.faults)
        return self

    def set_faults(self, *names: str) -> None:
        if self.faults:
            write("/sys/module/storage_chain/parameters/faults", sum(FAULTS[name] for name in names))

    def kill(self, signal: int = 9) -> None:
        self.process.send_signal(signal)
        self.process.wait()

    def status(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(run(f"{self.folder}/storage-chain", "--status"))
        return facts

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill(15)
        if self.process.returncode == -9:
            run(f"{self.folder}/storage-chain", "--remove")
        left = nothing_left(self.folder)
        if left:
            raise AssertionError(f"left behind: {left}")


def nothing_left(folder: str = DIR) -> list[str]:
    left = json.loads(run(f"{folder}/storage-chain", "--status"))
    found = [f"{kind} {item['name']}" for kind in ("programs", "maps") for item in left[kind]]
    if left["running"] or left["pinned"]:
        found.append("loader or pins")
    paths = ["/sys/module/storage_chain", RUN, "/run/udev/rules.d/59-disgrafs-storage-chain.rules"]
    return found + [path for path in paths if Path(path).exists()]


class Attached:
    """Attaches all programs of a test object, by struct_ops if the kernel has it, else by the tracepoint."""

    def __init__(self, name: str = "hostile") -> None:
        self.object = f"{DIR}/{name}-{'ops' if HAS_STRUCT_OPS else 'tracepoint'}.bpf.o"

    def __enter__(self) -> None:
        self.process = subprocess.Popen(
            [f"{DIR}/attach", self.object], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        said = self.process.stdout.readline()
        assert said.startswith("attached"), said

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


class Device:
    """A dm device that exists within a `with` block."""

    def __init__(self, name: str, table: str) -> None:
        self.name, self.table = name, table

    def __enter__(self) -> Self:
        self.path = dm("create", self.name, self.table).strip()
        wait(lambda: Path(self.path).exists(), self.path)
        return self

    def reload(self, table: str) -> None:
        dm("reload", self.name, table)

    def __exit__(self, *_: object) -> None:
        # udev may have it open for a moment.
        wait(lambda: dm("remove", self.name, ok=False).returncode == 0, f"removal of {self.name}")


def door(
    name: str,
    device: str,
    program: str,
    sectors: int,
    hops: int = 16,
    mode: str = "wq",
    crc: bool = False,
    start: int = 0,
) -> Device:
    """A door for one test."""
    rule = f"0 {DOOR} storage-chain {device} {start} {sectors} {NODE} {hops} {mode} {program}{' crc' if crc else ''}"
    return Device(name, rule)


class Result:
    def __init__(self, got: int, header: tuple[int, ...], node: bytes) -> None:
        self.got = got  # bytes read, or -errno
        self.status, self.hops, self.last = header[12], header[13], header[14]
        self.scratch = header[15:23]
        self.node = node

    def __repr__(self) -> str:
        return f"got {self.got}, status {self.status}, hops {self.hops}, last {self.last}"


def split_at(memory: mmap.mmap) -> int:
    """Offset of a page whose successor is not its neighbour in memory: the kernel merges neighbours into one piece."""
    pages = len(memory) // NODE
    # Backwards, because the kernel often hands out pages in ascending order.
    for page in reversed(range(pages)):
        memory[page * NODE] = 0
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    with Path("/proc/self/pagemap").open("rb") as f:
        f.seek(address // NODE * 8)
        frames = [entry & ((1 << 55) - 1) for entry in struct.unpack(f"<{pages}Q", f.read(8 * pages))]
    for page, (frame, following) in enumerate(itertools.pairwise(frames)):
        assert frame and following, "the frames of pages are hidden: not root?"
        if following != frame + 1:
            return page * NODE
    raise AssertionError(f"{pages} pages are neighbours in memory")


def ask(
    path: str,
    start: int,
    *args: int,
    hops: int = 0,
    size: int = NODE,
    crossing: bool = False,
    magic: int = MAGIC,
    version: int = VERSION,
    at: int = 0,
) -> Result:
    """Sends one request. `crossing`: the buffer for the node crosses into a page that is not the next one in memory."""
    memory = mmap.mmap(-1, 64 * NODE + (size + NODE - 1) // NODE * NODE)
    offset = split_at(memory) if crossing else NODE - 512
    values = [magic, version, hops, start, *args, *[0] * (8 - len(args)), UNANSWERED, 0, 0, *[0] * 8]
    HEADER.pack_into(memory, offset, *values)
    view = memoryview(memory)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        got = os.preadv(fd, [view[offset : offset + 512 + size]], at)
    except OSError as error:
        got = -(error.errno or 0)  # never 0: a failed system call sets it
    finally:
        os.close(fd)
    header = HEADER.unpack_from(memory, offset)
    node = bytes(view[offset + 512 : offset + 512 + size])
    view.release()
    memory.close()
    return Result(got, header, node)


def image_of(device: str) -> dict[str, Any]:
    """The superblock: generation, data area and indexes."""
    with Path(device).open("rb") as f:
        block = f.read(NODE)
    magic, _crc, _format, generation, first, end = struct.unpack_from("<QIIQQQ", block)
    assert magic == 0x524550555343, hex(magic)
    count = struct.unpack_from("<I", block, 56)[0]
    indexes = {}
    for i in range(count):
        name, kind, depth, root, keys, nodes, buckets = struct.unpack_from("<16sIIQQQQ", block, 320 + 64 * i)
        indexes[name.rstrip(b"\0").decode()] = {
            "kind": kind,
            "depth": depth,
            "root": root,
            "keys": keys,
            "nodes": nodes,
            "buckets": buckets,
        }
    return {"generation": generation, "first": first, "end": end, "indexes": indexes}


def sectors_of(device: str) -> int:
    name = Path(os.path.realpath(device)).name
    return int(read(f"/sys/class/block/{name}/size"))


@overload
def verify(*options: str, via: str = "chain", ok: Literal[True] = True) -> dict[str, Any]: ...
@overload
def verify(*options: str, via: str = "chain", ok: Literal[False]) -> dict[str, Any] | None: ...
def verify(*options: str, via: str = "chain", ok: bool = True) -> dict[str, Any] | None:
    """The last line of `schain verify`, or None if it found mismatches or failed."""
    done = schain("verify", "--via", via, *options, ok=False)
    if done.returncode == 0:
        return lines(done.stdout)[-1]
    if ok:
        raise AssertionError(f"verify {options}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
    return None


def busy(cpus: Iterable[int]) -> list[subprocess.Popen[bytes]]:
    """Processes that keep the CPUs busy."""
    return [subprocess.Popen(["taskset", "-c", str(cpu), sys.executable, "-c", "while True: pass"]) for cpu in cpus]
