#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of every rule, against a daemon in memory (toy.py) and a real Redis.

Run as root inside a virtual machine, never on a machine that you need:

    run.py DIR [pattern]      DIR has efuse.ko, efuse-agent, efuse-fuzz

Prints TAP. Each rule's test runs twice: as it is, and with the fault that takes the rule away (`--fault` of the agent);
there it must fail.
"""

import re
import sys
import time
from pathlib import Path

import lifecycle
import listing
import module
import reading
import topology
from harness import DIR, Redis, attempt, report, run, totals
from rules import RULES

PATTERN = re.compile(sys.argv[2] if len(sys.argv) > 2 else "")

# (title, test) that make their own environment
OTHERS = [
    ("rule 5: opened for writing before the agent came", lifecycle.opened_before),
    ("rule 1: no default_permissions, refused", lifecycle.no_default_permissions),
    ("a mount that goes and comes back", lifecycle.remount),
    ("kill -9 of the agent goes back to the daemon", lifecycle.killed),
    ("rule 10: rmmod is refused in use, and clean after", lifecycle.rmmod_in_use),
    ("the example: another program for one opcode", lifecycle.example),
    ("TLS to Redis, and a certificate that is not trusted", topology.tls),
    ("Redis at an IPv6 address", topology.ipv6),
    ("Sentinel, and a failover", topology.sentinel),
    ("a Redis cluster gives no lease", topology.cluster),
    ("a time namespace", topology.time_namespace),
    ("the module refuses layouts that are not sane", module.wrong_layout),
    ("a hostile program", module.fuzz),
    ("reads: the module refuses files that are none to read from", module.wrong_backings),
    ("reads: a hostile program", module.fuzz_reads),
    ("others on the same function change no answer", module.bystanders),
    ("a request that ends twice is seen once", module.late_end),
    ("ftrace and fuse.ko stay while a hook is there", module.hooks_stay),
    ("load and unload under requests", module.cycles),
    ("load and unload under reads", module.cycles_of_reads),
    ("nothing bad in the kernel log", module.kernel_log),
]


def main() -> int:
    if Path("/dev/efuse").exists():
        run(["rmmod", "efuse"], check=True)
    run(["insmod", f"{DIR}/efuse.ko"], check=True)
    redis = Redis()
    started = time.monotonic()
    for title, test, environment, faults in RULES + listing.RULES + reading.RULES:
        if not PATTERN.search(title):
            continue
        why = attempt(redis, test, environment)
        report(why is None, title, why or "")
        for fault in faults:
            why = attempt(redis, test, environment, fault.split("+"))
            # It has to fail by what it checks, not by breaking down.
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
