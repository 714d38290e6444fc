#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The control of the test of merged reads: if bi_next is not reset after a merge, the kernel crashes.

Run as root in a machine that may crash:

    control.py DIR
"""

import time
from pathlib import Path

import chain as c

DISK = c.data_disk()
with Path("/proc/sys/kernel/printk").open("w") as f:
    f.write("7")
with c.Loader("--device", DISK, faults=["stale_next"]):
    c.schain("build", "--synthetic", "3", DISK)
    end = time.monotonic() + 90
    while time.monotonic() < end:
        c.verify("--index", "hash", "--count", "2000", "--depth", "64", ok=False)
print("the kernel has not crashed")
