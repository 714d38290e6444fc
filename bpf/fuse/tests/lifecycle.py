# SPDX-License-Identifier: GPL-2.0
"""Tests of starting, stopping and replacing the mount, the agent and the module."""

import errno
import os
import signal
import subprocess
import time
from pathlib import Path

import toy as t
from harness import DIR, MNT, Agent, Env, Redis, run, wait


def opened_before(redis: Redis) -> None:
    """A file is opened for writing before the agent starts."""
    toy = t.Toy(MNT)
    f = toy.add(toy.nodes[1], "f")
    # In a separate process; see run().
    holder = subprocess.Popen(["sh", "-c", f"exec sleep 600 >>{MNT}/f"], close_fds=False)
    agent = None
    try:
        wait(lambda: toy.asked[t.OPEN], "the open")
        agent = Agent("lease")
        for size in range(100, 110):
            with toy.lock:
                f.size = size
            assert Path(f"{MNT}/f").stat().st_size == size
        assert "1 files are already open for writing" in agent.text(), agent.text()
    finally:
        if agent:
            agent.stop()
        holder.kill()
        holder.wait()
        toy.close()


def no_default_permissions(redis: Redis) -> None:
    toy = t.Toy(MNT, default_permissions=False)
    agent = Agent("lease", ready=False)
    try:
        wait(lambda: "refused" in agent.text(), "refusal")
        f = toy.add(toy.nodes[1], "f")
        for size in range(5):
            with toy.lock:
                f.size = size
            assert Path(f"{MNT}/f").stat().st_size == size
        assert "default_permissions" in agent.text()
    finally:
        agent.stop()
        toy.close()


def remount(redis: Redis) -> None:
    """The mount is replaced by one with other files that have the same inode numbers."""
    e = Env(redis)
    try:
        e.file("f", 10)
        e.warm(e.path("f"))
        e.toy.close()
        wait(lambda: "is gone" in e.agent.text(), "the agent to notice the unmount")
        e.toy = t.Toy(MNT)
        e.file("f", 20)
        wait(lambda: e.agent.text().count("serving") == 2, "the mount to be found again")
        assert Path(e.path("f")).stat().st_size == 20
        e.warm(e.path("f"))
        assert Path(e.path("f")).stat().st_size == 20
    finally:
        e.close()


def killed(redis: Redis) -> None:
    """After kill -9 at any time, requests go to the daemon at once."""
    for wait_ms in (0, 3, 20, 100, 400):
        toy = t.Toy(MNT)
        f = toy.add(toy.nodes[1], "f")
        agent = Agent("lease", ready=wait_ms == 0)
        try:
            time.sleep(wait_ms / 1000)
            Path(f"{MNT}/f").stat()
            agent.stop(signal.SIGKILL)
            with toy.lock:
                f.size = 4321
            assert Path(f"{MNT}/f").stat().st_size == 4321
        finally:
            if agent.process.poll() is None:
                agent.stop()
            toy.close()


def rmmod_in_use(redis: Redis) -> None:
    e = Env(redis)
    try:
        r = run(["rmmod", "efuse"], capture_output=True, text=True)
        assert r.returncode and "in use" in r.stderr, r.stderr
    finally:
        e.close()
    wait(lambda: run(["rmmod", "efuse"], capture_output=True).returncode == 0, "the module to be free")
    assert not Path("/dev/efuse").exists()
    hooked = Path("/sys/kernel/tracing/enabled_functions").read_text()
    assert "fuse_" not in hooked, hooked
    run(["insmod", f"{DIR}/efuse.ko"], check=True)


def example(redis: Redis) -> None:
    """examples/README.md: a custom program replaces that of one opcode, and is removed again."""
    pins, prog = "/sys/fs/bpf/efuse-test", "/sys/fs/bpf/efuse-no-xattr"
    handler = ["pinned", f"{pins}/handlers", "key", "22", "0", "0", "0"]
    e = Env(redis, extra=["--opcodes", "lookup,getattr,getxattr", "--xattr-ttl", "1", "--pin", pins])

    def capability() -> int:
        try:
            os.getxattr(e.path("f"), "security.capability")
        except OSError as error:
            return error.errno or 0
        return 0

    def asked(expected: list[int]) -> int:
        return e.upcalls((t.GETXATTR,), lambda: expected.append(capability()))

    try:
        e.file("f")
        errors: list[int] = []
        assert asked(errors) >= 1 and errors == [errno.ENODATA], errors
        run(["bpftool", "prog", "load", f"{DIR}/no-xattr.bpf.o", prog], check=True)
        run(["bpftool", "map", "update", *handler, "value", "pinned", prog], check=True)
        errors = []
        assert asked(errors) == 0 and errors == [errno.EOPNOTSUPP], errors
        run(["bpftool", "map", "delete", *handler], check=True)
        errors = []
        assert asked(errors) >= 1 and errors == [errno.ENODATA], errors
    finally:
        if Path(prog).exists():
            Path(prog).unlink()
        e.close()
