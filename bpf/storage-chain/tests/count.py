#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The cost of a lookup, in instructions.

For a machine with one CPU and QEMU's `-icount shift=0,sleep=off`, where a nanosecond of the guest is an instruction:
the disk is schain_disk.ko, whose reads take a given time. As root:

    count.py DIR [LATENCY_NS...]

Prints a line of JSON for each arm: `ns` is the mean time of a lookup by depth, after
a first round; `slope` is the cost of one more node without the disk's time. A disk that answers within 3 us may do so
before the CPU has become idle, and then waits for it: the cost of a node in mode irq is the slope with a slower disk.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import chain as c

DEVICE = "/dev/schaindisk"
DEPTHS = range(3, 9)
LOOKUPS = os.environ.get("SCHAIN_LOOKUPS", "60")
BUSY = 40  # switches in 0.2 s; an idle machine has about ten


def switches() -> int:
    return int(next(line for line in c.read("/proc/stat").splitlines() if line.startswith("ctxt ")).split()[1])


def settle() -> None:
    """Waits until no other process needs the CPU.

    There is only one CPU, so other processes would be counted with the lookups:
    after the loader's start, udev processes its devices for some time.
    """
    begin, first = time.monotonic(), switches()
    c.run("udevadm", "settle")

    def still() -> bool:
        before = switches()
        time.sleep(0.2)
        return switches() - before < BUSY

    c.wait(still, "the other processes to be idle")
    print(f"# {switches() - first} switches in {time.monotonic() - begin:.1f} s until the CPU was idle", flush=True)


def bench(depth: int, *options: str) -> list[str]:
    """The command that looks up keys; the number of lookups follows."""
    return [f"{c.DIR}/schain", "bench", "--index", f"depth{depth}", *options, "--lookups"]


def ioctl(depth: int, *_: str) -> list[str]:
    return [f"{c.DIR}/lookup-ioctl", DEVICE, f"depth{depth}"]


def mean(command: list[str]) -> int:
    """Returns the mean time of a lookup, the least of three runs: what else the machine does can only add to it."""
    c.run(*command, "20")
    means: list[int] = []
    for _ in range(3):
        result = c.lines(c.run(*command, LOOKUPS))[0]
        assert result["wrong"] == 0 and result["fellBack"] == 0, result
        means.append(result["meanNs"])
    return min(means)


def arm(
    name: str,
    latency: int,
    *options: str,
    depths: Sequence[int] = DEPTHS,
    command: Callable[..., list[str]] = bench,
) -> None:
    ns = {depth: mean(command(depth, *options)) for depth in depths}
    first, last = min(ns), max(ns)
    slope = (ns[last] - ns[first]) / (last - first) - latency if last > first else None
    print(
        json.dumps({"kernel": os.uname().release, "arm": name, "latencyNs": latency, "ns": ns, "slope": slope}),
        flush=True,
    )


def chains(latency: int, backend: str, crc: bool, depths: Sequence[int]) -> None:
    options = ["--device", DEVICE, "--backend", backend, *([] if crc else ["--no-crc"])]
    label = f"{backend}{'' if crc else ', no checksums'}"
    with c.Loader(*options):
        settle()
        c.write("/sys/module/storage_chain/parameters/any_driver", "Y")
        for mode in ("wq", "poll", "irq"):
            c.dm("message", "schain-btree", f"mode {mode}")
            polled = ["--depth", "1", "--poll"] if mode == "poll" else []
            arm(f"chain-{mode}, {label}", latency, "--via", "chain", *polled, depths=depths)
            counts = c.status("schain-btree")
            print(f"# {counts}", flush=True)


def main() -> None:
    latencies = [int(word) for word in sys.argv[2:]] or [3000]
    c.run("insmod", f"{c.DIR}/schain_disk.ko", f"latency_ns={latencies[0]}")
    c.run("insmod", f"{c.DIR}/schain_ioctl.ko")
    c.wait(lambda: Path(DEVICE).exists() and Path("/dev/schain-ioctl").exists(), "the devices")
    c.schain("build", "--synthetic", "3-8", DEVICE)
    settle()
    backends = ["struct_ops", "tracepoint"] if c.HAS_STRUCT_OPS else ["tracepoint"]
    for n, latency in enumerate(latencies):
        depths = DEPTHS if n == 0 else [3, 8]
        c.write("/sys/module/schain_disk/parameters/latency_ns", latency)
        read = ["--via", "read", "--image", DEVICE]
        arm("pread", latency, *read, depths=depths)
        arm("io_uring, polled", latency, *read, "--depth", "1", "--poll", depths=depths)
        arm("ioctl", latency, depths=depths, command=ioctl)
        if n == 0:
            arm("pread, no checksums", latency, *read, "--unchecked", depths=depths)
            with c.Loader("--device", DEVICE, "--linear"):
                settle()
                arm("dm-pread", latency, "--via", "read", "--image", f"{c.RUN}/linear", depths=depths)
        for backend in backends[: 2 if n == 0 else 1]:
            chains(latency, backend, True, depths)
        if n < 2:
            chains(latency, backends[0], False, depths)
    c.run("rmmod", "schain_ioctl")
    c.run("rmmod", "schain_disk")


main()
