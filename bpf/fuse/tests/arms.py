#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Costs of the benchmark's arms by workload, in guest instructions, which do not depend on the load of the host.

For a virtual machine with one CPU and QEMU's `-icount shift=0,sleep=off`, where a nanosecond of the guest is one
instruction, whether of the caller, the kernel, the daemon or Redis.

    arms.py DIR [arm,arm...]     DIR has efuse.ko and efuse-agent

Prints a line of JSON for each arm and workload: instructions per operation.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import volume as v
from mounted import ARMS, mounted
from volume import MOUNTS

FILES, MODULES = 40, 12
ROOT = MOUNTS[0] + "/arms"


def make() -> None:
    Path(f"{ROOT}/tree/d").mkdir(exist_ok=True, parents=True)
    Path(f"{ROOT}/lib").mkdir(exist_ok=True, parents=True)
    for i in range(FILES):
        with Path(f"{ROOT}/tree/d/f{i}").open("w") as f:
            f.write("x" * 100)
    for i in range(MODULES):
        with Path(f"{ROOT}/lib/m{i}.py").open("w") as f:
            f.write(f"NUMBER = {i}\n")


def evict() -> None:
    with Path("/proc/sys/vm/drop_caches").open("w") as f:
        f.write("2")


# Workloads use `os` and not Path, whose own instructions would be counted.


def stat() -> int:
    """Stats the same file repeatedly."""
    for _ in range(FILES):
        os.stat(f"{ROOT}/tree/d/f0")  # noqa: PTH116
    return FILES


def reread() -> int:
    """Reads files, and stats them again."""
    for i in range(FILES):
        with open(f"{ROOT}/tree/d/f{i}", "rb", buffering=0) as f:  # noqa: PTH123
            f.read()
        os.stat(f"{ROOT}/tree/d/f{i}")  # noqa: PTH116
    return FILES


def walk() -> int:
    """Walks a tree after the kernel has dropped its dentries."""
    count = 0
    for folder, folders, files in os.walk(f"{ROOT}/tree"):
        for name in folders + files:
            os.lstat(f"{folder}/{name}")
            count += 1
    return count


def load() -> int:
    """Starts a Python process that imports modules, after the kernel has dropped its dentries."""
    names = ", ".join(f"m{i}" for i in range(MODULES))
    subprocess.run(
        [sys.executable, "-S", "-B", "-I", "-c", f"import sys; sys.path.insert(0, {ROOT + '/lib'!r}); import {names}"],
        check=True,
    )
    return 1


def change() -> int:
    """Creates, renames and removes files."""
    for i in range(10):
        path = f"{ROOT}/tree/new{i}"
        with open(path, "w"):  # noqa: PTH123
            pass
        os.rename(path, path + "x")  # noqa: PTH104
        os.unlink(path + "x")  # noqa: PTH108
    return 10


def idle() -> int:
    with Path("/proc/stat").open() as f:
        words = f.readline().split()
    return int(words[4]) + int(words[5])


def main() -> int:
    chosen = sys.argv[2].split(",") if len(sys.argv) > 2 else list(ARMS)
    redis = v.redis_start()
    v.format_volume()
    v.load_module()
    for n, name in enumerate(chosen):
        with mounted(name):
            if n == 0:
                make()
            time.sleep(1)
            for work in (stat, reread, walk, load, change):
                work()
                if work in (walk, load):
                    evict()
                waited, begin = idle(), time.monotonic_ns()
                count = work()
                spent = time.monotonic_ns() - begin
                print(
                    json.dumps(
                        {
                            "kernel": os.uname().release,
                            "arm": name,
                            "workload": work.__name__,
                            "instructions": spent // count,
                            "idle_ticks": idle() - waited,
                        }
                    ),
                    flush=True,
                )
    redis.kill()
    v.quiet("rmmod", "efuse")
    return 0


sys.exit(main())
