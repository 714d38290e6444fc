#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Cost of a compile on the mount, in guest instructions, by arm; and of the same compile on the node's own disk.

The benchmark's workload `compile`: for each C file, what make asks of the file system, then tcc. The object store and
JuiceFS's cache are in memory, and Redis does not write to a disk, so that no wait for a disk is counted.

For a virtual machine with one CPU and QEMU's `-icount shift=0,sleep=off`, where a nanosecond of the guest is one
instruction, whether of the compiler, the kernel, the daemon or Redis.

    count_compile.py DIR [arm,arm...]     DIR has efuse.ko and efuse-agent; disgrafs_benchmark is beside tests/

Prints a line of JSON for each arm: instructions for one file, first for the first compile after the mount and the
agent's start, then the least of several others, also as a factor of the disk's; and how many pieces of files the
module read for all of them.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import volume as v
from mounted import ARMS, mounted
from volume import MOUNTS, Agent

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from disgrafs_benchmark import compiling

PARAMETERS = {"files": 100, "headers": 60}
SEED = 1
ROUNDS = 3
# In memory.
STORE = Path("/tmp/compile-store")


def compile_all(folder: Path) -> int:
    """Instructions for one file of a compile of all of them."""
    compiling.clear(folder)
    begin = time.monotonic_ns()
    for number, used in enumerate(compiling.used_by(PARAMETERS, SEED)):
        compiling.compile_one(folder, number, used)
    return (time.monotonic_ns() - begin) // PARAMETERS["files"]


def pieces(agent: Agent | None) -> int:
    """Pieces of files that the module has read since it was loaded."""
    return int(agent.metrics().get('efuse_module_reads_total{result="read"}', 0)) if agent else 0


def measure(arm: str, folder: Path, disk: int | None, agent: Agent | None = None) -> int:
    """Prints the cost of a compile in a folder, and returns it."""
    before = pieces(agent)
    compiling.make(folder, PARAMETERS, SEED)
    first = compile_all(folder)
    compiling.warm_up(folder, PARAMETERS)
    # Blocks are served only after a file was unchanged for a while.
    time.sleep(2)
    best = min(compile_all(folder) for _ in range(ROUNDS))
    result = {"kernel": os.uname().release, "arm": arm, "first": first, "instructions": best}
    of_disk = round(best / disk, 3) if disk else 1
    print(json.dumps({**result, "of_disk": of_disk, "pieces": pieces(agent) - before}), flush=True)
    return best


def main() -> int:
    chosen = sys.argv[2].split(",") if len(sys.argv) > 2 else list(ARMS)
    disk = measure("local", Path("/var/tmp/compile"), None)
    STORE.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(STORE)], check=True)
    redis = v.redis_start(durable=False)
    v.format_at(v.META, "test", f"{STORE}/bucket")
    v.load_module()
    for arm in chosen:
        with mounted(arm, f"{STORE}/cache") as agent:
            measure(arm, Path(f"{MOUNTS[0]}/compile"), disk, agent)
    redis.kill()
    redis.wait()
    v.quiet("rmmod", "efuse")
    v.quiet("umount", str(STORE))
    return 0


sys.exit(main())
