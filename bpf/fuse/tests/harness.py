# SPDX-License-Identifier: GPL-2.0
"""Shared by the tests of run.py: a Redis server, an agent, a mount of toy.py, and TAP output."""

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import toy as t

DIR = sys.argv[1]
# For the tests that load and unload the module: minimum number of loads, minimum duration, and hooks for each load.
CYCLES = int(os.environ.get("EFUSE_CYCLES", "3"))
CYCLE_SECONDS = int(os.environ.get("EFUSE_CYCLE_SECONDS", "0"))
HOOKS = int(os.environ.get("EFUSE_HOOKS", "5"))
FUZZ_SECONDS = int(os.environ.get("EFUSE_FUZZ_SECONDS", "10"))
LOAD_SECONDS = int(os.environ.get("EFUSE_LOAD_SECONDS", "4"))
# Long enough that the lease does not expire during a test when the machine is busy.
BOUND = 2.0
PORT, METRICS = 6399, 9901
MNT, OTHER = "/tmp/toy", "/tmp/toy2"

# Keyword arguments of Env.
Environment = dict[str, Any]


# The daemon is a thread of this process. A child that closed descriptors before
# its exec would wait for the daemon, which waits for the child, so exec closes them.
def run(
    args: Sequence[str],
    *,
    check: bool = False,
    capture_output: bool = False,
    text: bool = False,
    stdout: int | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(args, close_fds=False, check=check, capture_output=capture_output, text=text, stdout=stdout)


class Redis:
    """A server, and a minimal client that can change keys."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                "redis-server",
                "--port",
                str(PORT),
                "--bind",
                "127.0.0.1",
                "-::1",
                "--save",
                "",
                "--logfile",
                "/tmp/redis-test.log",
            ],
            close_fds=False,
        )
        wait(lambda: self.call("PING") == "+PONG", "redis")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    @staticmethod
    def command(*words: str | bytes) -> bytes:
        encoded = [w if isinstance(w, bytes) else w.encode() for w in words]
        return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded)

    def call(self, *words: str | bytes) -> str | None:
        try:
            with socket.create_connection(("127.0.0.1", PORT), 20) as s:
                s.sendall(self.command(*words))
                return s.recv(4096).decode().strip()
        except OSError:
            return None

    def at_once(self, *commands: Sequence[str | bytes]) -> None:
        """Runs several commands in one transaction."""
        with socket.create_connection(("127.0.0.1", PORT), 20) as s:
            s.sendall(b"".join(self.command(*c) for c in [("MULTI",), *commands, ("EXEC",)]))
            reply = b""
            while reply.count(b"\r\n") < 3 + 2 * len(commands) - 1:
                part = s.recv(4096)
                assert part and b"-" not in part[:1], reply + part
                reply += part

    def push(self, *keys: str) -> None:
        for key in keys:
            self.call("INCR", key)


class Agent:
    def __init__(
        self,
        mode: str,
        faults: Sequence[str] = (),
        extra: Sequence[str] = (),
        mount: str = MNT,
        ready: bool = True,
        prefix: Sequence[str] = (),
    ) -> None:
        self.log = Path("/tmp/agent-test.log").open("w+")  # noqa: SIM115 (stop() closes it)
        program = "efuse-agent-faulty" if faults else "efuse-agent"
        args = [
            *prefix,
            f"{DIR}/{program}",
            "--mount",
            mount,
            "--fstype",
            "fuse.toy",
            "--mode",
            mode,
            "--bound",
            str(int(BOUND * 1000)),
            "--metrics",
            str(METRICS),
            "--meta",
            f"redis://127.0.0.1:{PORT}",
            *extra,
        ]
        if faults:
            args += ["--fault", ",".join(faults)]
        self.process = subprocess.Popen(args, stdout=self.log, stderr=subprocess.STDOUT, close_fds=False)
        if not ready:
            return
        try:
            # Minutes in a debug kernel while requests keep its only CPU busy.
            wait(lambda: "serving" in self.text() or self.process.poll() is not None, "the agent", 300)
            if self.process.poll() is not None:
                raise RuntimeError(self.text())
            if mode == "lease":
                wait(lambda: self.metric("efuse_lease_seconds") > 0, "the lease")
        except RuntimeError:
            self.stop(signal.SIGKILL)
            raise

    def text(self) -> str:
        with Path("/tmp/agent-test.log").open() as f:
            return f.read()

    def page(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics", timeout=20) as r:
            return str(r.read().decode())

    def reads(self) -> str:
        """What became of read(), and of the agent's look-ups after misses."""
        found = re.findall(r'(?:opcode="read\(\)",|read_misses_total\{)(result="\w+")\} ([1-9]\d*)', self.page())
        return " ".join(f"{result} {count}" for result, count in found)

    def metric(self, name: str, **labels: str) -> float:
        total = 0.0
        for line in self.page().splitlines():
            m = re.match(r"(\w+)(?:\{(.*)\})? (\S+)$", line)
            if m and m[1] == name and all(f'{k}="{v}"' in (m[2] or "") for k, v in labels.items()):
                total += float(m[3])
        return total

    def result(self, opcode: str, result: str) -> float:
        return self.metric("efuse_requests_total", opcode=opcode, result=result)

    def stop(self, sig: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait()
        self.log.close()


def wait(what: Callable[[], object], name: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if what():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"timeout: waited for {name}")


class Env:
    """The environment of a test: a mount, its daemon, Redis and the agent."""

    def __init__(
        self,
        redis: Redis,
        mode: str = "lease",
        faults: Sequence[str] = (),
        extra: Sequence[str] = (),
        ttl: tuple[float, float] = (0, 0),
        plus: bool = False,
    ) -> None:
        self.redis = redis
        self.toy = t.Toy(MNT, ttl=ttl, plus=plus)
        try:
            self.agent = Agent(mode, faults, extra)
        except Exception:
            self.toy.close()
            raise

    def close(self) -> None:
        self.agent.stop()
        self.toy.close()

    def path(self, name: str) -> str:
        return f"{MNT}/{name}"

    def file(self, name: str, size: int = 10) -> t.Node:
        with self.toy.lock:
            parent = self.toy.nodes[1]
            if name.encode() in parent.children:
                del parent.children[name.encode()]
            node = self.toy.add(parent, name)
            node.size = size
        self.redis.push("d1", "i1")
        return node

    def link(self, name: str, target: str) -> t.Node:
        with self.toy.lock:
            node = self.toy.add(self.toy.nodes[1], name, stat.S_IFLNK | 0o777)
            node.data, node.size = target.encode(), len(target)
        self.redis.push("d1", "i1")
        return node

    def dir(self, name: str) -> t.Node:
        with self.toy.lock:
            node = self.toy.add(self.toy.nodes[1], name, stat.S_IFDIR | 0o755)
        self.redis.push("d1", "i1")
        return node

    def upcalls(self, opcodes: Iterable[int], what: Callable[[], object]) -> int:
        before = sum(self.toy.asked[o] for o in opcodes)
        what()
        return sum(self.toy.asked[o] for o in opcodes) - before

    def warm(self, path: str, fd: int | None = None) -> None:
        """Stats the file until it is answered in the kernel."""
        ask = (lambda: os.fstat(fd)) if fd is not None else (lambda: missing(path))
        wait(lambda: self.upcalls((t.LOOKUP, t.GETATTR), ask) == 0, f"{path} to be answered in the kernel")

    def pushed(self) -> None:
        """Waits until the agent has received everything that Redis has pushed until now.

        The reply to a heartbeat in flight may have been sent before the pushes; the reply to the next one follows them
        on the same connection.
        """
        before = self.agent.metric("efuse_redis_heartbeats_total")
        wait(lambda: self.agent.metric("efuse_redis_heartbeats_total") >= before + 2, "two heartbeats")


def missing(path: str) -> bool:
    try:
        Path(path).stat()
        return False
    except FileNotFoundError:
        return True


def same(path: str, node: t.Node) -> None:
    """Fails if stat() differs from the daemon's attributes."""
    st = Path(path).stat(follow_symlinks=False)
    got = (st.st_ino, st.st_size, st.st_mode, st.st_nlink, int(st.st_mtime), int(st.st_ctime))
    want = (node.ino, node.size, node.mode, node.nlink, node.mtime, node.ctime)
    assert got == want, f"{path}: stat {got}, daemon {want}"


class Asking(threading.Thread):
    """A thread with the result of its function, or the OSError that it raised."""

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.function = function
        self.box: list[object] = []

    def run(self) -> None:
        try:
            self.box.append(self.function())
        except OSError as e:
            self.box.append(e)


def thread(function: Callable[[], object]) -> Asking:
    th = Asking(function)
    th.start()
    return th


# Kinds of programs that other tools attach to a function.
TRACERS = ("fentry", "fexit", "kprobe", "kretprobe")


def attached(*args: str) -> tuple[subprocess.Popen[str] | None, str]:
    """A running efuse-fuzz; None and the reason if the kernel refuses to attach the program."""
    process = subprocess.Popen(
        [f"{DIR}/efuse-fuzz", "--seconds", "600", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        close_fds=False,
    )
    assert process.stdout
    if process.stdout.readline().startswith("attached"):
        return process, ""
    return None, process.communicate()[1]


@contextlib.contextmanager
def held_back(e: Env, opcode: int, ask: Callable[[], object], before: bool = False) -> Iterator[Asking]:
    """Runs the body while the daemon holds back the reply to `ask`, and, with `before`, also the execution."""
    held = e.toy.hold(opcode, before)
    th = thread(ask)
    assert held.wait(20)
    yield th
    e.toy.release()
    th.join(20)


def grown_elsewhere(e: Env, f: t.Node) -> None:
    """Changes the file as another client would; the agent has received the push."""
    with e.toy.lock:
        f.size = 4242
        f.touch()
    e.redis.push(f"i{f.ino}")
    e.pushed()


@contextlib.contextmanager
def stopped_agent(e: Env) -> Iterator[None]:
    """The agent does not receive pushes."""
    e.agent.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        e.agent.process.send_signal(signal.SIGCONT)


def replaced_elsewhere(e: Env, f: t.Node, name: str, mode: int = stat.S_IFREG | 0o644) -> t.Node:
    """Another client renames a file over the name, which removes the old file. Returns the new one."""
    with e.toy.lock:
        del e.toy.nodes[f.ino]
        return e.toy.add(e.toy.nodes[1], name, mode)


def opened_stat(path: str) -> os.stat_result:
    """What fstat() says of a file after open(), which must find the name."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        raise AssertionError("open() fails with ENOENT") from None
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


# Replaces Env.warm in shadow mode, where nothing is answered in the kernel.
def warm_shadow(self: Env, path: str, fd: int | None = None) -> None:
    for _ in range(2):
        os.fstat(fd) if fd is not None else missing(path)


results: list[bool] = []


def totals() -> tuple[int, int]:
    """Number of results, and how many of them failed."""
    return len(results), results.count(False)


def report(ok: object, title: str, why: object = "") -> None:
    results.append(bool(ok))
    print(f"{'ok' if ok else 'not ok'} {len(results)} - {title}", flush=True)
    for line in str(why).splitlines()[:20]:
        print(f"#   {line}", flush=True)


# Title, test, environment, and the faults that must make it fail.
Rule = tuple[str, Callable[[Env], None], Environment, list[str]]


def attempt(
    redis: Redis, test: Callable[[Env], object], environment: Environment, faults: Sequence[str] = ()
) -> str | None:
    """Runs a test; returns why it failed, or None."""
    shadowed = "--shadow" in environment.get("extra", ())
    # Faults of the environment: what a test needs in order to be deterministic.
    environment = {**environment, "faults": [*environment.get("faults", ()), *faults]}
    try:
        e = Env(redis, **environment)
    except Exception as error:
        return f"BROKEN {error}"
    if shadowed:
        e.warm = warm_shadow.__get__(e)  # type: ignore[method-assign]
    try:
        test(e)
        return None
    except AssertionError as error:
        return str(error) or "an assertion"
    except Exception as error:
        return f"BROKEN {type(error).__name__} {error}"
    finally:
        e.close()
