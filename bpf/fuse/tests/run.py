#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of every rule, against a daemon in memory (toy.py) and a real Redis.

Run as root inside a virtual machine, never on a machine that you need:

    run.py DIR [pattern]      DIR has efuse.ko, efuse-agent, efuse-fuzz

Prints TAP. The test of a rule also runs with each fault that disables the rule (`--fault` of the agent), and must then
fail; not with EFUSE_FAULTS=no in the environment.
"""

import os
import re
import sys
import time
from pathlib import Path

import lifecycle
import listing
import module
import reading
import topology
import validity
from harness import DIR, Redis, attempt, report, run, totals
from rules import RULES

PATTERN = re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
WITH_FAULTS = os.environ.get("EFUSE_FAULTS") != "no"

# (title, test): tests that make their own environment
OTHERS = [
    ("rule 5: a file opened for writing before the agent started is not served", lifecycle.opened_before),
    ("rule 1: a mount without default_permissions is refused", lifecycle.no_default_permissions),
    ("a replaced mount is served again, without old answers", lifecycle.remount),
    ("after kill -9 of the agent, requests go to the daemon", lifecycle.killed),
    ("rule 10: rmmod is refused while the module is in use, and later leaves no hooks", lifecycle.rmmod_in_use),
    ("the example no-xattr replaces the program of one opcode", lifecycle.example),
    ("Redis over TLS: an untrusted certificate gives no lease", topology.tls),
    ("Redis at an IPv6 address gives a lease", topology.ipv6),
    ("the agent follows a failover by Sentinel", topology.sentinel),
    ("a Redis cluster gives no lease", topology.cluster),
    ("the lease of an agent in a time namespace expires on time", topology.time_namespace),
    ("the module refuses invalid layouts", module.wrong_layout),
    ("the module survives a hostile program", module.fuzz),
    ("kernel cache: a reader and the agent end when the daemon is killed under them", reading.dead_daemon),
    ("reads: unsuitable mounts are refused, with the reason", reading.refusals),
    ("reads: random lists of slices are mapped as they were written", reading.slices),
    ("reads: the module refuses unsuitable backing files", module.wrong_backings),
    ("reads: a hostile program does no lasting harm", module.fuzz_reads),
    ("other tracers of the same function change no answer", module.bystanders),
    ("a request that ends twice is shown once", module.late_end),
    ("ftrace stays enabled and fuse.ko loaded while hooks are installed", module.hooks_stay),
    ("load and unload under requests", module.cycles),
    ("load and unload under reads", module.cycles_of_reads),
    ("no errors in the kernel log", module.kernel_log),
]


def main() -> int:
    if Path("/dev/efuse").exists():
        run(["rmmod", "efuse"], check=True)
    run(["insmod", f"{DIR}/efuse.ko"], check=True)
    redis = Redis()
    started = time.monotonic()
    for title, test, environment, faults in RULES + listing.RULES + validity.RULES + reading.RULES:
        if not PATTERN.search(title):
            continue
        why = attempt(redis, test, environment)
        report(why is None, title, why or "")
        for fault in faults if WITH_FAULTS else ():
            why = attempt(redis, test, environment, fault.split("+"))
            # It must fail in one of its assertions, not for another reason.
            report(
                why is not None and not why.startswith("BROKEN"),
                f"{title}: fails with the fault {fault}",
                "" if why and not why.startswith("BROKEN") else why or "it passed",
            )
    for title, other in OTHERS:
        if not PATTERN.search(title):
            continue
        try:
            other(redis)
            report(True, title)
        except Exception as error:
            report(False, title, f"{type(error).__name__} {error}")
    redis.stop()
    run(["rmmod", "efuse"], check=False)
    count, failed = totals()
    print(f"1..{count}\n# {time.monotonic() - started:.0f} s, {failed} failed", flush=True)
    return 1 if failed or not count else 0


sys.exit(main())
