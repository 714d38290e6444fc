#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""POSIX suites on a JuiceFS mount, without the extension and with it: each test must have the same result.

With it, they run without options, with the kernel's own cache, and with that and reads from the block cache.

Run as root inside a virtual machine:

    posix.py DIR SUITES [fsx operations]

DIR has efuse.ko and efuse-agent. SUITES has pjdfstest and fsx, from

    cargo install pjdfstest@0.2.2 fsx@0.3.2 --root .

Prints TAP.
"""

import collections
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import volume as v
from volume import MOUNTS, Agent, report

SUITES = sys.argv[2]
OPERATIONS = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
OPTIONS: list[tuple[str, ...]] = [(), ("--kernel-cache", "on"), ("--kernel-cache", "on", "--reads", "cache")]
# `naptime`, the pause before a change whose time is checked, is longer than the 0.1 s within which JuiceFS does not
# update a folder's time again (--skip-dir-mtime), so that results do not depend on the machine's speed.
CONFIGURATION = """
[features]
posix_fallocate = {}
[settings]
naptime = 0.2
allow_remount = false
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
"""


def pjdfstest(folder: str) -> dict[str, str]:
    """Result by test: ok, skipped or FAILED."""
    with Path("/tmp/pjdfstest.toml").open("w") as f:
        f.write(CONFIGURATION)
    out = subprocess.run(
        [f"{SUITES}/pjdfstest", "-c", "/tmp/pjdfstest.toml", "-p", folder], capture_output=True, text=True, check=False
    ).stdout
    return dict(re.findall(r"^(\S+::\S+)\s+(ok|skipped|FAILED|\w+)$", out, re.M))


def fsx(folder: str) -> dict[str, str]:
    """Result by seed of a run that compares every read with what was written."""
    results = {}
    for seed in ("1", "2", "3"):
        r = subprocess.run(
            [f"{SUITES}/fsx", "-N", str(OPERATIONS), "-S", seed, "-P", "/tmp", f"{folder}/fsx-{seed}"],
            capture_output=True,
            text=True,
            check=False,
        )
        results[f"fsx seed {seed}, {OPERATIONS} operations"] = "ok" if r.returncode == 0 else "FAILED"
    return results


def run(name: str) -> dict[str, str]:
    """Runs both suites in a new folder.

    It always has the same name, because pjdfstest's longest paths contain it, and their length affects results.
    """
    folder = MOUNTS[0] + "/px"
    subprocess.run(["mkdir", folder], check=True)
    started = time.monotonic()
    results = {**pjdfstest(folder), **fsx(folder)}
    print(f"# {name}: {len(results)} tests in {time.monotonic() - started:.0f} s", flush=True)
    shutil.rmtree(folder)
    return results


def compare(off: dict[str, str], options: tuple[str, ...]) -> None:
    """Runs both suites with the extension; `off` has the results without it."""
    name = " ".join(("with the extension", *options))
    agent = Agent(0, extra=options)
    on = run(name)
    hits, asked = agent.hits()
    agent.stop()
    # With its own copies, the kernel asks less.
    report(hits > 100, f"{name}: {dict(collections.Counter(on.values()))}, {hits:.0f} hits of {asked:.0f}")
    differ = [
        f"{test}: {off.get(test)}, {name} {on.get(test)}"
        for test in sorted(off.keys() | on.keys())
        if off.get(test) != on.get(test)
    ]
    report(
        not differ, f"each test has the same result without the extension and {name} ({len(off)})", "\n".join(differ)
    )


def main() -> int:
    redis = v.redis_start()
    v.format_volume()
    v.mount(0)
    off = run("without the extension")
    report(len(off) > 300, f"without the extension: {dict(collections.Counter(off.values()))}")
    v.load_module()
    for options in OPTIONS:
        compare(off, options)
    v.umount(0)
    redis.kill()
    v.quiet("rmmod", "efuse")

    failing = sorted(name for name, result in off.items() if result not in ("ok", "skipped"))
    print(f"# failing without the extension: {' '.join(failing) or 'none'}")
    return v.finish()


sys.exit(main())
