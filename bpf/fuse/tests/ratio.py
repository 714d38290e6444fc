#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How much of a tree walk, and of Python imports, is answered in the kernel.

Each workload runs several times, after the kernel's dentries were dropped. Run as root inside a virtual machine:

    ratio.py DIR [files] [rounds]     DIR has efuse.ko and efuse-agent

Prints TAP. First, the requests to the daemon after a start of the agent are counted without listings, with their
entries, and with absent names as well (--listings): a walk may then send one LOOKUP for each folder, also if it looks
for five absent names in each. An import looks for four names in a package before it lists it, and stats files after
open().

Then, without the first round, which fills the cache (and Python writes compiled files): of a walk, more than 95 % of
LOOKUP and GETATTR must be hits. An import stats each file after its OPEN, which asks the daemon; with --kernel-cache
only if the file has changed since it was last opened, so it may ask 0.3 questions for each file that it opens.
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


def load(*options: str) -> int:
    """Imports from the mount. -S: from nowhere else. Returns the number of files that were opened for it."""
    code = f"""import sys; sys.path.insert(0, {LIBRARY!r}); import {MODULES}
print(sum(1 for m in sys.modules.values() if (getattr(m, "__file__", None) or "").startswith({LIBRARY!r})))"""
    return int(subprocess.run([sys.executable, "-S", *options, "-c", code], check=True, stdout=subprocess.PIPE).stdout)


def load_source() -> int:
    """Imports without writing __pycache__, so that every module is compiled again."""
    return load("-B")


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


def warm(agent: Agent, *, kept: bool) -> None:
    """Reports hits and questions to the daemon without the first round."""
    for name, work in (("tree walk", walk), ("import of sources", load_source), ("import", load)):
        title = f"{name}, kernel cache" if kept else name
        work()
        hits, asked, files = 0.0, 0.0, 0
        for _ in range(ROUNDS):
            evict()
            hits_before, asked_before = agent.hits()
            files += work() or 0
            hits_now, asked_now = agent.hits()
            hits, asked = hits + hits_now - hits_before, asked + asked_now - asked_before
        each = (asked - hits) / files if files else 0
        share = f"{hits / asked * 100:.1f} % of {asked:.0f} are hits"
        if not files:
            report(asked > 100 and hits / asked > 0.95, f"{title}: {share}, more than 95 %", agent.why_not())
        elif kept:
            figures = f"{each:.2f} questions for each of {files} opened files, at most 0.3 ({share})"
            report(files > 40 and each <= 0.3, f"{title}: {figures}", agent.why_not())
        else:
            print(f"# {title}: {each:.2f} questions for each of {files} opened files ({share})", flush=True)


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
    for options in ([], ["--kernel-cache", "on"]):
        agent = Agent(0, extra=options)
        time.sleep(1)
        warm(agent, kept=bool(options))
        agent.stop()
    v.umount(0)
    redis.kill()
    v.quiet("rmmod", "efuse")
    return v.finish()


sys.exit(main())
