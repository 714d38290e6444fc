# SPDX-License-Identifier: GPL-2.0
"""Tests of the module with hostile programs, wrong layouts, and other tracers of the same function."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import toy as t
from harness import (
    CYCLE_SECONDS,
    CYCLES,
    DIR,
    FUZZ_SECONDS,
    HOOKS,
    MNT,
    TRACERS,
    Agent,
    Env,
    Redis,
    attached,
    missing,
    run,
    same,
    thread,
    wait,
)
from reading import READS


def wrong_layout(redis: Redis) -> None:
    """The module refuses invalid layouts."""
    out = run([f"{DIR}/efuse-fuzz", "--wrong-layouts"], capture_output=True, text=True)
    assert out.returncode == 0, out.stdout + out.stderr
    assert "accepted 0\n" in out.stdout, out.stdout
    assert "wrong layouts of listings accepted 0\n" in out.stdout, out.stdout


def fuzz_round() -> dict[str, int]:
    """A mount and its users with a hostile program for FUZZ_SECONDS: what the module counted."""
    toy = t.Toy(MNT, plus=True)
    stop = threading.Event()
    for i in range(8):
        toy.add(toy.nodes[1], f"f{i}").size = i

    def requests(path: str) -> tuple[Callable[[], object], ...]:
        return (
            lambda: Path(path).stat(),
            lambda: os.statvfs(MNT),
            lambda: os.getxattr(path, "user.a"),
            lambda: list(Path(MNT).iterdir()),
            lambda: os.close(os.open(path, os.O_RDWR)),
            lambda: Path(path).rename(path + "x"),
            lambda: Path(path + "x").rename(path),
            lambda: os.listxattr(path),
            lambda: os.access(path, os.R_OK),
        )

    def load() -> None:
        i = 0
        while not stop.is_set():
            i += 1
            path = f"{MNT}/f{i % 8}"
            for do in requests(path):
                with contextlib.suppress(OSError):
                    do()

    threads = [threading.Thread(target=load, daemon=True) for _ in range(3)]
    for th in threads:
        th.start()
    command = [f"{DIR}/efuse-fuzz", "--mount", MNT, "--seconds", str(FUZZ_SECONDS), "--object", f"{DIR}/fuzz.bpf.o"]
    r = run(command, capture_output=True, text=True)
    stop.set()
    for th in threads:
        th.join(20)
    toy.close()
    assert r.returncode == 0, r.stdout + r.stderr
    found = re.findall(r"\b(shown|handled|refused|entries) (\d+)", r.stdout)
    return {name: int(count) for name, count in found}


def fuzz(redis: Redis) -> None:
    """A hostile program: random verdicts, sizes, errors and contents."""
    counts = dict.fromkeys(("shown", "handled", "refused", "entries"), 0)
    # On a busy machine, one round may show few requests. After it, the kernel may not use the root of that mount again.
    for _ in range(20):
        for name, count in fuzz_round().items():
            counts[name] += count
        if all(count > 50 for count in counts.values()):
            break
    assert all(count > 50 for count in counts.values()), counts
    print(f"# fuzz: {' '.join(f'{name} {count}' for name, count in counts.items())}")
    # Afterwards a new mount works without the program.
    toy = t.Toy(MNT)
    try:
        f = toy.add(toy.nodes[1], "f")
        f.size = 31
        same(f"{MNT}/f", f)
    finally:
        toy.close()


BACKING = "/var/tmp/efuse-backing"


def backing() -> str:
    """A file of 1 MiB to read from."""
    with Path(BACKING).open("wb") as f:
        f.write(os.urandom(1 << 20))
    return BACKING


def wrong_backings(redis: Redis) -> None:
    """Files that may change, or whose reads may depend on a FUSE mount of any type, are refused."""
    run(["modprobe", "loop"], check=True)
    disk = run(["losetup", "--find", "--show", backing()], check=True, capture_output=True, text=True).stdout.strip()
    try:
        for device in ("", disk):
            toy = t.Toy(MNT, disk=device)
            try:
                toy.add(toy.nodes[1], "f").size = 10
                args = ["--reads", backing(), "--wrong-backings", f"{MNT}/f"]
                out = run([f"{DIR}/efuse-fuzz", *args], capture_output=True, text=True)
                assert out.returncode == 0 and out.stdout.endswith("wrong 0\n"), device + out.stdout + out.stderr
            finally:
                toy.close()
    finally:
        run(["losetup", "--detach", disk])


def fuzz_reads(redis: Redis) -> None:
    """A hostile program returns locations that do not exist, are too long, or are in no file.

    No read() returns more than requested, and afterwards a new mount works.
    """
    reads = refused = 0
    # The kernel marks an inode with invalid attributes as bad, and then no longer reads it: it takes several mounts.
    for _ in range(12):
        if reads > 20 and refused > 20:
            break
        out = fuzzed_reads()
        m = re.search(r"reads (\d+) refused reads (\d+)", out)
        assert m, out
        print(f"# fuzz: {m[0]}")
        reads, refused = reads + int(m[1]), refused + int(m[2])
    assert reads > 20 and refused > 20, f"reads {reads}, refused {refused}"
    toy = t.Toy(MNT)
    data = os.urandom(200000)
    try:
        f = toy.add(toy.nodes[1], "f")
        f.data, f.size = data, len(data)
        with Path(f"{MNT}/f").open("rb") as file:
            assert file.read() == data
    finally:
        toy.close()


def fuzzed_reads() -> str:
    """One mount of it; returns the program's output."""
    toy = t.Toy(MNT)
    data = os.urandom(200000)
    f = toy.add(toy.nodes[1], "f")
    f.data, f.size = data, len(data)
    stop, long = threading.Event(), []

    def load(seed: int) -> None:
        import random

        rnd = random.Random(seed)
        while not stop.is_set():
            fd = None
            try:
                fd = os.open(f"{MNT}/f", os.O_RDONLY | rnd.choice((0, os.O_DIRECT)))
                for _ in range(20):
                    n = rnd.randrange(1, 100000)
                    if len(os.pread(fd, n, rnd.randrange(200000))) > n:
                        long.append(n)
            except OSError:
                pass
            if fd is not None:
                # On an inode that the kernel has marked as bad, it fails.
                with contextlib.suppress(OSError):
                    os.close(fd)

    # Before the threads open files: see run().
    fuzz = subprocess.Popen(
        [
            f"{DIR}/efuse-fuzz",
            "--mount",
            MNT,
            "--seconds",
            str(FUZZ_SECONDS),
            "--object",
            f"{DIR}/fuzz.bpf.o",
            "--reads",
            backing(),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        close_fds=False,
    )
    threads = [threading.Thread(target=load, args=(i,), daemon=True) for i in range(3)]
    for th in threads:
        th.start()
    out = fuzz.communicate()[0]
    stop.set()
    for th in threads:
        th.join(20)
    toy.close()
    assert fuzz.returncode == 0 and not long, out
    return out


def cycles_of_reads(redis: Redis) -> None:
    """Hooks and unhooks, loads and unloads, while files are read."""
    toy = t.Toy(MNT)
    data = os.urandom(200000)
    f = toy.add(toy.nodes[1], "f")
    f.data, f.size = data, len(data)
    path = backing()
    reader = (
        "import os, sys\nfd = os.open(sys.argv[1], 0)\nwant = os.pread(fd, 1 << 20, 0)\n"
        "while os.path.exists('/tmp/efuse-go'):\n"
        " os.posix_fadvise(fd, 0, 0, 4)\n assert os.pread(fd, 1 << 20, 0) == want\n"
    )
    with Path("/tmp/efuse-go").open("w"):
        pass
    readers = [subprocess.Popen([sys.executable, "-c", reader, f"{MNT}/f"], close_fds=False) for _ in range(3)]
    try:
        for _ in range(CYCLES):
            if HOOKS:
                run(
                    [f"{DIR}/efuse-fuzz", "--cycles", str(HOOKS), "--mount", MNT, "--reads", path],
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
            run(["rmmod", "efuse"], check=True)
            run(["insmod", f"{DIR}/efuse.ko"], check=True)
        for i in range(CYCLES):
            agent = Agent("lease", extra=READS)
            time.sleep(0.2)
            agent.stop(signal.SIGKILL if i % 2 else signal.SIGTERM)
        assert all(r.poll() is None for r in readers), "a reader has read wrong data"
    finally:
        Path("/tmp/efuse-go").unlink()
        for r in readers:
            r.wait(30)
        toy.close()


def bystanders(redis: Redis) -> None:
    """Tools that trace the same function do not change what callers get: errors, sizes and contents."""
    toy = t.Toy(MNT)
    toy.add(toy.nodes[1], "f")
    agent = Agent("lease")
    fuzz = None
    refused = []

    def check(kind: str) -> None:
        wrong = [value for value in (os.getxattr(f"{MNT}/f", "user.a") for _ in range(200)) if value != b"x" * 5]
        assert not wrong, f"{kind}: getxattr is {wrong[0]!r}, {len(wrong)} times of 200"
        assert all(missing(f"{MNT}/none") for _ in range(200)), f"{kind}: a missing name is found"
        assert all(Path(f"{MNT}/f").stat().st_size == 0 for _ in range(200))

    try:
        wait(lambda: missing(f"{MNT}/none") and agent.result("lookup", "hit") > 0, "a hit")
        fuzz, why = attached("--mount", MNT, "--object", f"{DIR}/fuzz.bpf.o", "--answer-getxattr", "5")
        assert fuzz, why
        check("alone")
        for kind in (*TRACERS, "fmod_ret"):
            other, why = attached("--object", f"{DIR}/bystander.bpf.o", "--bystander", kind)
            if not other:
                refused.append(f"{kind}: {why.strip()}")
                continue
            handled = agent.metric("efuse_module_requests_total", result="handled")
            try:
                check(kind)
            finally:
                other.kill()
                other.wait()
            assert agent.metric("efuse_module_requests_total", result="handled") - handled >= 600, kind
        check("alone again")
        # Tools that were there before the module's hook.
        fuzz.kill()
        fuzz.wait()
        agent.stop()
        others = [attached("--object", f"{DIR}/bystander.bpf.o", "--bystander", kind)[0] for kind in TRACERS]
        try:
            agent = Agent("lease")
            wait(lambda: missing(f"{MNT}/none") and agent.result("lookup", "hit") > 0, "a hit")
            fuzz, why = attached("--mount", MNT, "--object", f"{DIR}/fuzz.bpf.o", "--answer-getxattr", "5")
            assert fuzz, why
            check("attached first")
        finally:
            for first in others:
                assert first
                first.kill()
                first.wait()
    finally:
        if fuzz:
            fuzz.kill()
            fuzz.wait()
        agent.stop()
        toy.close()
    # The kernel allows fmod_ret only on some functions, and this is not one of them.
    assert [why for why in refused if not why.startswith("fmod_ret")] == [], refused


def late_end(redis: Redis) -> None:
    """A request that ends twice, by an abort and by the daemon's read() in progress, is shown to programs once."""
    toy = t.Toy(MNT)
    agent = Agent("lease")
    try:
        Path(MNT).stat()
        trap = toy.trap()
        th = thread(lambda: Path(f"{MNT}/blocks").stat())
        wait(trap.waiting, "the daemon to block in the middle of its read")
        with Path(f"/sys/fs/fuse/connections/{os.minor(toy.device)}/abort").open("w") as abort:
            abort.write("1")
        th.join(20)
        assert isinstance(th.box[0], OSError), th.box
        before = agent.metric("efuse_module_ends_total", result="shown")
        trap.release()
        toy.thread.join(20)
        assert agent.metric("efuse_module_ends_total", result="late") >= 1, "the second end was not noticed"
        assert agent.metric("efuse_module_ends_total", result="shown") == before, "the second end was shown"
    finally:
        agent.stop()
        toy.close()


def hooks_stay(redis: Redis) -> None:
    """kernel.ftrace_enabled=0 is refused while a hook is installed: the cache would miss changes."""
    setting = "/proc/sys/kernel/ftrace_enabled"
    e = Env(redis)
    try:
        f = e.file("f")
        e.warm(e.path("f"))
        try:
            with Path(setting).open("w") as out:
                out.write("0")
            refused = False
        except OSError as error:
            # Linux 7.3 no longer disables ftrace by this file, and says so by EOPNOTSUPP.
            refused = error.errno in {errno.EBUSY, errno.EOPNOTSUPP}
        Path(e.path("f")).chmod(0o601)
        same(e.path("f"), f)
        assert refused, "ftrace can be disabled while hooks are installed"
        e.warm(e.path("f"))
    finally:
        with Path(setting).open("w") as out:
            out.write("1")
        e.close()
    if any(line.startswith("fuse ") for line in Path("/proc/modules").read_text().splitlines()):
        fuse_is_pinned()


def fuse_is_pinned() -> None:
    """Without the mount of fusectl, which holds fuse.ko as well, only the agent's hooks do."""
    control, unit = "/sys/fs/fuse/connections", "sys-fs-fuse-connections.mount"
    # Otherwise systemd mounts it when fuse.ko is loaded.
    run(["systemctl", "mask", "--runtime", unit], check=True)
    if os.path.ismount(control):
        run(["umount", control], check=True)
    try:
        run(["rmmod", "fuse"], check=True)
        run(["modprobe", "fuse"], check=True)
        agent = Agent("lease", ready=False)
        try:
            wait(lambda: "waiting" in agent.text(), "the agent")
            assert not os.path.ismount(control)
            assert run(["rmmod", "fuse"], capture_output=True).returncode, "fuse.ko can be unloaded while hooked"
        finally:
            agent.stop()
    finally:
        run(["systemctl", "unmask", "--runtime", unit], check=True)
        run(["modprobe", "fuse"], check=True)
        if not os.path.ismount(control):
            run(["mount", "-t", "fusectl", "fusectl", control], check=True)


def cycles(redis: Redis) -> None:
    """Hooks and unhooks, loads and unloads, while requests run."""
    toy = t.Toy(MNT)
    stop = threading.Event()
    f = toy.add(toy.nodes[1], "f")
    f.size = 17
    wrong: list[object] = []

    def load() -> None:
        while not stop.is_set():
            try:
                size = Path(f"{MNT}/f").stat().st_size
            except OSError as error:
                wrong.append(error)
                return
            if size != 17:
                wrong.append(size)

    def requests() -> int:
        return sum(toy.asked.values())

    threads = [threading.Thread(target=load, daemon=True) for _ in range(2)]
    for th in threads:
        th.start()
    done, end = 0, time.monotonic() + CYCLE_SECONDS
    try:
        while done < CYCLES or time.monotonic() < end:
            done += 1
            before = requests()
            if HOOKS:
                run(
                    [f"{DIR}/efuse-fuzz", "--cycles", str(HOOKS), "--mount", MNT], check=True, stdout=subprocess.DEVNULL
                )
            run(["rmmod", "efuse"], check=True)
            run(["insmod", f"{DIR}/efuse.ko"], check=True)
            assert requests() > before, "no requests during the cycle"
            assert all(th.is_alive() for th in threads) and not wrong, wrong[:5]
        for _ in range(3):
            agent = Agent("lease")
            agent.stop(signal.SIGKILL)
    finally:
        stop.set()
        for th in threads:
            th.join(20)
        toy.close()
    assert not wrong, wrong[:5]
    print(f"# {done} loads, {done * HOOKS} hooks, {requests()} requests")


def kernel_log(redis: Redis) -> None:
    log = run(["dmesg"], capture_output=True, text=True).stdout
    bad = [
        line
        for line in log.splitlines()
        if re.search(r"BUG|WARNING|INFO: trying|Oops|general protection|RCU.*stall.*efuse|Call Trace", line)
        # KCSAN also reports data races in the kernel's own code.
        and not ("BUG: KCSAN" in line and "efuse_" not in line)
    ]
    assert not bad, bad[:5]
