#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The content that two JuiceFS clients see while both read from the block cache in the kernel, by the checker.

Two clients on one machine write, truncate and replace stamped files, open and read them at random, with and without
O_DIRECT and the page cache, also through handles that stay open. Meanwhile Redis, daemon, agent and cache fail. Run as
root inside a virtual machine:

    contents.py DIR [seconds] [option...]     DIR has efuse.ko, efuse-agent, efuse-agent-faulty, efuse-check

The options are for the agents, for example --kernel-cache on. Prints TAP. The environment variables are those of
juicefs.py, and EFUSE_FILES: number of files, 32 to 256, of the test with little cache and memory.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import volume as v
from clients import Clients, check, control, judge
from volume import PATTERN, mount, quiet, report, umount

# For the test with caches that are too small: 64 KiB each.
FILES = int(os.environ.get("EFUSE_FILES", "64"))
PAGES = ["--only", "pages", "--objects", "6"]
# Faults, and the violations of which at least one must be found.
CONTROLS: list[tuple[list[str], list[str]]] = [
    (["read-offset"], ["impossible"]),
    (["read-version", "no-open-raise"], ["close", "mixed"]),
    (["read-version", "read-equal", "read-handle"], ["close", "mixed"]),
    (["no-push", "no-open-raise", "no-notify"], ["close", "mixed"]),
]


def main() -> int:
    redis = v.redis_start()
    v.format_volume()
    for i in range(2):
        Path(f"/tmp/jfs-cache{i}").mkdir(exist_ok=True)
        quiet("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", f"/tmp/jfs-cache{i}")
        mount(i)
    v.load_module()
    clients = Clients(redis, ["--reads", "cache", *sys.argv[3:]])

    def kernel() -> float:
        """Pieces that the module has read since it was loaded, for both clients."""
        return float(clients.agents[0].metrics()['efuse_module_reads_total{result="read"}'])

    title = "without the extension: the checker finds nothing"
    if PATTERN.search(title):
        judge(title, check(extra=PAGES), [], changes=3)

    steps: list[tuple[str, Callable[[], None]]] = [
        ("nothing disturbed", lambda: None),
        ("Redis is killed and restarted", clients.restart_redis),
        ("the tracking connections are cut off", clients.partition),
        ("an agent is killed and started", clients.kill_agent),
        ("an agent is stopped for longer than the bound", clients.stop_agent),
        ("a daemon is killed, and its volume mounted again", clients.kill_daemon),
        ("all cached blocks are removed", clients.empty_cache),
        ("the file systems of the caches are full", clients.fill_cache),
    ]
    for title, disturb in steps:
        if not PATTERN.search(title):
            continue
        clients.start()
        before = kernel()
        judge(title, check(disturb, extra=PAGES), clients.agents, changes=3)
        pieces = kernel() - before
        report(pieces > 20, f"{title}: reads were answered in the kernel", f"{pieces:.0f} pieces")
        clients.stop()

    title = f"{FILES} files, caches for half of them, and 32 MiB of memory"
    if PATTERN.search(title):
        v.remount([*v.NOCACHE, "--cache-size", str(FILES // 32)])
        clients.start()
        before = kernel()
        few = ["systemd-run", "--scope", "-q", "-p", "MemoryMax=32M"]
        # A slow machine needs many runs until enough reads met a cached block.
        for _ in range(30):
            result = check(extra=["--only", "pages", "--objects", str(FILES)], limits=few)
            judge(title, result, clients.agents, changes=3)
            pieces = kernel() - before
            dropped = sum(float(a.metrics()["efuse_read_dropped_total"]) for a in clients.agents)
            evicted = pieces > 20 and dropped > 20
            if evicted or result[0] != 0:
                break
        report(evicted, f"{title}: blocks were evicted", f"{pieces:.0f} pieces, {dropped:.0f} dropped")
        clients.stop()
        v.remount()

    for faults, expected in CONTROLS:
        title = f"the checker fails with {' and '.join(faults)}: {' or '.join(expected)}"
        if not PATTERN.search(title):
            continue
        clients.start(faults=faults)
        control(title, expected, extra=PAGES)
        clients.stop()

    for i in range(2):
        umount(i)
        quiet("umount", f"/tmp/jfs-cache{i}")
    clients.redis.kill()
    quiet("rmmod", "efuse")
    return v.finish()


sys.exit(main())
