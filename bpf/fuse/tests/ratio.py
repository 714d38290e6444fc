#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Ratio of LOOKUP and GETATTR answered in the kernel during a tree walk, and during Python imports.

Each workload runs several times, after the kernel's dentries were dropped. Run as root inside a virtual machine:

    ratio.py DIR [files] [rounds]     DIR has efuse.ko and efuse-agent

Prints TAP. The ratio must exceed 95 %, without the first round, which fills the cache (and Python writes compiled
files). Before that, the requests to the daemon after a start of the agent are counted without listings, with their
entries, and with absent names as well (--listings): a walk may then send one LOOKUP for each folder, also if it looks
for five absent names in each. An import looks for four names in a package before it lists it, and stats files after
open().
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import volume as v
from volume import MOUNTS, Agent, report

FILES = int(sys.argv[2]) if len(sys.argv) > 2 else 500
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 4
TREE, LIBRARY = f"{MOUNTS[0]}/tree", f"{MOUNTS[0]}/library"
MODULES = "json, email.message, http.client, urllib.request, logging.config, unittest, argparse, csv, sqlite3"


def make() -> None:
    """Creates a tree of folders with 25 files each, and copies Python's library without its tests."""
    for i in range(FILES // 25):
        Path(f"{TREE}/d{i}").mkdir(parents=True)
        for k in range(25):
            with Path(f"{TREE}/d{i}/f{k}").open("w") as f:
                f.write("x")
    shutil.copytree(
        sysconfig.get_path("stdlib"),
        LIBRARY,
        ignore=shutil.ignore_patterns(
            "test",
            "tests",
            "idlelib",
            "tkinter",
            "lib2to3",
            "ensurepip",
            "config-*",
            "dist-packages",
            "site-packages",
            "__pycache__",
        ),
    )


def walk() -> None:
    """Like find -size: lists every folder, and stats every entry."""
    for folder, folders, files in os.walk(TREE):
        for name in folders + files:
            os.lstat(f"{folder}/{name}")


def walk_for_absent() -> None:
    """Like git status, which looks for .gitignore in every folder: also stats five absent names in each."""
    for folder, folders, files in os.walk(TREE):
        for name in folders + files:
            os.lstat(f"{folder}/{name}")
        for i in range(5):
            assert not os.path.lexists(f"{folder}/.absent{i}")


def load(*options: str) -> None:
    """Imports from the mount. -S: from nowhere else."""
    subprocess.run(
        [sys.executable, "-S", *options, "-c", f"import sys; sys.path.insert(0, {LIBRARY!r}); import {MODULES}"],
        check=True,
    )


def load_source() -> None:
    """Imports without writing __pycache__, so that every module is compiled again."""
    load("-B")


def evict() -> None:
    os.sync()
    with Path("/proc/sys/vm/drop_caches").open("w") as f:
        f.write("2")


LISTS = ("opendir", "readdir", "readdirplus")


def questions(agent: Agent) -> dict[str, int]:
    """Requests to the daemon until now, by opcode."""
    m = agent.metrics()

    def count(opcode: str, result: str) -> int:
        return int(m.get(f'efuse_requests_total{{opcode="{opcode}",result="{result}"}}', "0"))

    found = {opcode: count(opcode, "asked") - count(opcode, "hit") for opcode in ("lookup", "getattr", *LISTS)}
    return {**found, "names": found["lookup"] + found["getattr"]}


def cold(listings: str, name: str, work: Callable[[], object]) -> dict[str, int]:
    """Requests to the daemon when the agent has just started."""
    agent = Agent(0, extra=["--listings", listings])
    time.sleep(1)
    evict()
    before = questions(agent)
    work()
    asked = {key: now - before[key] for key, now in questions(agent).items()}
    agent.stop()
    print(f"# {name}, listings {listings}: {json.dumps(asked)}", flush=True)
    return asked


def main() -> int:
    redis = v.redis_start()
    v.format_volume()
    v.mount(0)
    make()
    v.load_module()
    for name, work in (
        ("tree walk", walk),
        ("tree walk with absent names", walk_for_absent),
        ("import of sources", load_source),
    ):
        without, entries, asked = (cold(listings, name, work) for listings in ("off", "entries", "on"))
        most = asked["opendir"] if work != load_source else entries["lookup"]
        report(
            without["names"] > entries["names"] and asked["lookup"] <= most,
            f"{name}, cold: fewer requests with listings ({asked['names']}, with entries only {entries['names']}) "
            f"than without ({without['names']})",
        )
    agent = Agent(0)
    time.sleep(1)
    for name, work in (("tree walk", walk), ("import of sources", load_source), ("import", load)):
        figures = []
        for _ in range(ROUNDS + 1):
            evict()
            before = agent.hits()
            work()
            figures.append([now - then for now, then in zip(agent.hits(), before, strict=True)])
        hits, asked = (sum(column) for column in zip(*figures[1:], strict=True))
        first = figures[0]
        report(
            asked > 100 and hits / asked > 0.95,
            f"{name}: more than 95 % are hits ({hits / asked * 100:.1f} % of {asked:.0f})",
            f"first round: {first[0]:.0f} of {first[1]:.0f}\n{agent.why_not()}",
        )
    agent.stop()
    v.umount(0)
    redis.kill()
    v.quiet("rmmod", "efuse")
    return v.finish()


sys.exit(main())
