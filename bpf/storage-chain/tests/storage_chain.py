#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of storage chains.

Run as root inside a virtual machine whose second disk, with serial `data`, may be overwritten:

    storage_chain.py DIR [pattern]    DIR has the files that the Makefile builds, and this folder

Prints TAP. The test of a safety check also contains a control: with the fault that disables the check,
it must fail.
"""

import contextlib
import errno
import importlib
import os
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chain as c
from chain import run

PATTERN = re.compile(sys.argv[2] if len(sys.argv) > 2 else "")
DISK = c.data_disk()
COUNT = os.environ.get("SCHAIN_COUNT", "60")
STRESS_SECONDS = int(os.environ.get("SCHAIN_STRESS_SECONDS", "5"))
# lockdep does not know that mode irq submits only on idle CPUs, so a kernel with it runs the other modes.
MODES = os.environ.get("SCHAIN_MODES", "wq,poll,irq").split(",")
BACKENDS = ["struct_ops", "tracepoint"] if c.HAS_STRUCT_OPS else ["tracepoint"]
Test = Callable[[], None]
tests: list[tuple[str, Test]] = []


def test(name: str) -> Callable[[Test], Test]:
    def add(function: Test) -> Test:
        tests.append((name, function))
        return function

    return add


def sectors() -> int:
    return c.sectors_of(DISK) // c.SECTORS * c.SECTORS


def start_of(device: str, size: int) -> bytes:
    with Path(device).open("rb") as f:
        return f.read(size)


def synthetic() -> None:
    c.schain("build", "--synthetic", "1,3-8", DISK)


def index(name: str) -> tuple[dict[str, Any], int]:
    image = c.image_of(DISK)
    return image["indexes"][name], image["generation"]


def must_fail(function: Test, why: str) -> None:
    """A control: `function` must fail while the check is disabled."""
    try:
        function()
    except AssertionError:
        return
    raise AssertionError(f"the control passed, but must fail: {why}")


def queued(depth: int) -> Iterator[tuple[str, list[str]]]:
    """The modes that submit without waiting, with options for lookups that use them."""
    if "irq" in MODES:
        yield "irq", []
    if "poll" in MODES:
        yield "poll", ["--depth", str(depth), "--poll"]


@contextlib.contextmanager
def scheduled(name: str) -> Iterator[None]:
    """Sets another I/O scheduler for the disk within a `with` block."""
    scheduler = f"/sys/block/{Path(DISK).name}/queue/scheduler"
    run("modprobe", name, ok=False)
    c.write(scheduler, name)
    try:
        yield
    finally:
        c.write(scheduler, "none")


# Invalid input first, while the disk is blank.
@test("a device that is mounted, in use or contains other data is refused and not written to")
def foreign_device() -> None:
    # The mounted root disk, and a device on the other disk as swap space, unused and in use.
    for path, word, prepare, undo in (
        ("/dev/nvme0n1", "mounted", [], []),
        (None, "other data", ["mkswap"], []),
        (None, "in use", ["mkswap", "swapon"], ["swapoff"]),
    ):
        with c.Device("other", f"0 65536 linear {DISK} 131072") as other:
            device = path or other.path
            for command in prepare:
                run(command, device)
            before = start_of(device, 1 << 16)
            built = c.schain("build", "/etc/udev", device, ok=False)
            loaded = run(f"{c.DIR}/storage-chain", "--preflight", "--device", device)
            after = start_of(device, 1 << 16)
            for command in undo:
                run(command, device)
            with Path(other.path).open("r+b") as f:
                f.write(bytes(1 << 16))
            assert built.returncode == 1 and "nothing was written" in built.stderr and word in built.stderr, (
                built.stderr
            )
            assert '"supported":false' in loaded and word in loaded, loaded
            assert before == after
    assert start_of(DISK, 1 << 20) == bytes(1 << 20)


@test("an unsuitable device, scheduler or option is refused with the reason, and nothing stays loaded")
def unsuitable() -> None:
    def answer(*options: str) -> str:
        return run(f"{c.DIR}/storage-chain", "--preflight", *options)

    assert "does not exist" in answer("--device", "/dev/nosuch") or "No such file" in answer("--device", "/dev/nosuch")
    assert "in use" in answer("--device", "/dev/nvme0n1"), answer("--device", "/dev/nvme0n1")
    with c.Device("plain", f"0 {sectors()} linear {DISK} 0") as plain:
        text = answer("--device", plain.path, "--mode", "irq")
        assert '"supported":false' in text and "driver nvme" in text, text
    # A debug kernel has no BFQ.
    for scheduler in ["mq-deadline", *(["bfq"] if run("modprobe", "bfq", ok=False).returncode == 0 else [])]:
        with scheduled(scheduler):
            text = answer("--device", DISK, "--mode", "irq")
        assert '"supported":false' in text and scheduler in text, text
    controller = Path(os.path.realpath(f"/sys/block/{Path(DISK).name}/device"))
    c.write("/sys/module/nvme/parameters/poll_queues", 0)
    try:
        c.write(str(controller / "reset_controller"), 1)
        text = answer("--device", DISK, "--mode", "poll")
    finally:
        c.write("/sys/module/nvme/parameters/poll_queues", 1)
        c.write(str(controller / "reset_controller"), 1)
    assert '"supported":false' in text and "no poll queues" in text, text
    assert '"supported":true' in answer("--device", DISK, "--mode", "poll")
    bad = run(f"{c.DIR}/storage-chain", "--mode", "fast", ok=False)
    assert bad.returncode and "fast" in bad.stderr, bad.stderr
    assert not c.nothing_left()


@test("a missing image, an image of another version and a damaged superblock are reported as such")
def images() -> None:
    empty = "/tmp/schain-empty"
    Path(empty).write_bytes(bytes(8192))
    done = c.schain("status", "--image", empty, ok=False)
    assert "has no image" in done.stderr, done.stderr
    path = "/tmp/schain-image"
    if Path(path).exists():
        Path(path).unlink()
    c.schain("build", "/etc/udev", path)
    good = Path(path).read_bytes()
    for at, value, word in ((12, b"\x09", "format is 9"), (40, b"\xff\xff", "damaged")):
        with Path(path).open("r+b") as f:
            f.write(good)
        with Path(path).open("r+b") as f:
            f.seek(at)
            f.write(value)
        done = c.schain("status", "--image", path, ok=False)
        assert done.returncode == 1 and word in done.stderr, done.stderr


@test("the index of a directory tree matches it: number of paths, facts of a sample, files by suffix")
def tree() -> None:
    top = f"/usr/lib/python3.{sys.version_info.minor}"
    path = "/tmp/schain-tree-image"
    if Path(path).exists():
        Path(path).unlink()
    report = c.lines(c.schain("build", top, path))[0]
    paths = [
        os.path.relpath(f"{folder}/{name}", top) for folder, folders, files in os.walk(top) for name in folders + files
    ]
    assert report["paths"] == len(paths) + 1, (report, len(paths))
    for name in paths[:: max(1, len(paths) // 40)]:
        found = c.lines(c.schain("lookup", name, "--image", path))[0]
        is_ = os.lstat(f"{top}/{name}")
        assert (found["inode"], found["size"], int(found["mode"], 8), found["mtime"]) == (
            is_.st_ino,
            is_.st_size,
            is_.st_mode,
            int(is_.st_mtime),
        ), (name, found)
    assert c.schain("lookup", "no/such/path", "--image", path, ok=False).returncode == 1
    tagged = sorted(
        os.lstat(f"{top}/{name}").st_ino
        for name in paths
        if name.endswith(".py") and not Path(f"{top}/{name}").is_symlink()
    )
    got = [line["inode"] for line in c.lines(c.schain("lookup", "--tag", "py", "--limit", "1000000", "--image", path))]
    assert got == sorted(set(tagged)), (len(got), len(tagged))
    assert c.lines(c.schain("verify", "--via", "read", "--image", path))[-1]["mismatches"] == 0


def same_in_both_layouts() -> None:
    """Random keys through the door, with the node on one page and across two: the same answer and the same node."""
    entry, generation = index("depth5")
    for _ in range(int(COUNT) // 2):
        key = random.randrange(entry["keys"] * 16)
        one, two = (
            c.ask(f"{c.RUN}/btree", entry["root"], key, generation, entry["depth"], crossing=crossing)
            for crossing in (False, True)
        )
        assert (one.status, one.hops) == (two.status, two.hops) == (0, 5), (key, one, two)
        assert one.node == two.node and one.scratch == two.scratch, key


# From here on the disk has an image.
@test("every mode and backend gives the same results as user space, one at a time and by io_uring")
def correct() -> None:
    synthetic()
    for backend in BACKENDS:
        for mode in MODES:
            with c.Loader("--device", DISK, "--backend", backend, "--mode", mode) as loader:
                before = loader.status()["facts"]
                assert before["backend"] == backend and before["mode"] == mode, before
                c.verify("--count", COUNT)
                c.verify("--count", COUNT, "--depth", "8")
                c.verify("--count", COUNT, "--depth", "8", "--fixed")
                if mode == "poll":
                    c.verify("--count", COUNT, "--depth", "8", "--poll")
                    c.verify("--count", COUNT, "--depth", "8", "--poll", "--fixed")
                same_in_both_layouts()
                counts = c.status("schain-btree")
                if mode == "irq":
                    assert counts["interrupt"] > 0, counts
                if mode == "poll":
                    assert counts["polled"] > 0, counts
                print(f"# {backend} {mode}: {counts}", flush=True)


@test("without a program, every lookup through a door fails, and the library continues by reads")
def no_program() -> None:
    with c.Loader("--device", DISK), c.door("nobody", DISK, "nobody", sectors()) as nobody:
        Path("/tmp/schain-run").mkdir(exist_ok=True, parents=True)
        for name in ("btree", "hash", "posting"):
            if os.path.lexists(f"/tmp/schain-run/{name}"):
                Path(f"/tmp/schain-run/{name}").unlink()
            Path(f"/tmp/schain-run/{name}").symlink_to(nobody.path)
        run_dir = {"SCHAIN_RUN": "/tmp/schain-run"}
        done = c.schain("verify", "--via", "chain", "--count", "20", "--image", DISK, ok=False, env=run_dir)
        each = c.lines(done.stdout)
        assert each[-1]["mismatches"] == each[-1]["lookups"] > 0, each[-1]
        each = c.lines(c.schain("verify", "--count", "20", "--image", DISK, env=run_dir))
        assert each[-1]["mismatches"] == 0 and all(line["fellBack"] == 20 for line in each[:-1]), each


@test("the programs' run counts equal the number of nodes read")
def run_counts() -> None:
    for backend in BACKENDS:
        with c.Loader("--device", DISK, "--backend", backend) as loader:
            c.write("/proc/sys/kernel/bpf_stats_enabled", 1)
            before = {p["name"]: p["runCount"] for p in loader.status()["programs"]}
            hops = c.verify("--count", "50", "--index", "depth8")["hops"]
            after = {p["name"]: p["runCount"] for p in loader.status()["programs"]}
            c.write("/proc/sys/kernel/bpf_stats_enabled", 0)
            runs = after["schain_btree"] - before["schain_btree"]
            misses = c.status("schain-btree")["miss"]
            assert hops == 400 and runs == hops, (runs, hops, misses)


@test("a node across two pages is gathered (control: it is not)")
def bounce() -> None:
    def crossing() -> None:
        entry, generation = index("depth4")
        for key in (0, 16 * 5, 1 << 40):
            for cross in (False, True):
                r = c.ask(f"{c.RUN}/btree", entry["root"], key, generation, entry["depth"], crossing=cross)
                assert (r.got, r.status, r.hops) == (c.NODE + 512, 0, 4), (r, cross)
                assert c.ask(f"{c.RUN}/btree", entry["root"], key, generation, entry["depth"]).node == r.node

    with c.Loader("--device", DISK, faults=["no_bounce"]) as loader:
        loader.set_faults()
        crossing()
        assert c.status("schain-btree")["bounce"] > 0
        loader.set_faults("no_bounce")
        must_fail(crossing, "nodes are not gathered")


@test("a damaged node is detected by its checksum (control: without the checksum it is not)")
def damaged() -> None:
    entry, generation = index("depth1")
    offset = entry["root"] * 512 + c.NODE - 16  # an entry that is not in use

    def flip() -> None:
        with Path(DISK).open("r+b") as f:
            f.seek(offset)
            byte = f.read(1)[0]
            f.seek(offset)
            f.write(bytes([byte ^ 1]))
            f.flush()
            os.fsync(f.fileno())

    def found() -> None:
        r = c.ask(f"{c.RUN}/btree", entry["root"], 5, generation, 1)
        assert (r.status, r.hops) == (-errno.EBADMSG, 1), r
        done = c.schain("lookup", "--index", "depth1", "5", ok=False)
        assert done.returncode == 1 and "is damaged or belongs to another image" in done.stderr, done.stderr

    with c.Loader("--device", DISK, faults=["no_crc"]) as loader:
        loader.set_faults()
        flip()
        found()
        loader.set_faults("no_crc")
        must_fail(found, "a damaged node without checksums")
        flip()
        loader.set_faults()
        c.verify("--index", "depth1", "--count", "20")


@test("nodes of another image are detected, and the library reads the new superblock")
def switched() -> None:
    with c.Loader("--device", DISK):
        entry, generation = index("depth3")
        r = c.ask(f"{c.RUN}/btree", entry["root"], 5, generation ^ 1, 3)
        assert (r.status, r.hops) == (-errno.ESTALE, 1), r
        r = c.ask(f"{c.RUN}/btree", entry["root"], 5, generation, 4)
        assert r.status == -errno.EBADMSG, r  # the tree has another depth
        r = c.ask(f"{c.RUN}/btree", 0, 5, generation, 3)
        assert r.status == -errno.EBADMSG, r  # the superblock is not a node
        # During lookups. Twice, so that the place of each earlier image is overwritten.
        stop = threading.Event()
        wrong = []

        def look() -> None:
            while not stop.is_set():
                if c.verify("--via", "auto", "--count", "50", via="auto", ok=False) is None:
                    wrong.append(1)

        before = c.image_of(DISK)["generation"]
        thread = threading.Thread(target=look)
        thread.start()
        synthetic()
        synthetic()
        stop.set()
        thread.join()
        assert c.image_of(DISK)["generation"] != before
        c.verify("--count", "20")


@test("an invalid request, a wrong size, a buffered read and a write are refused")
def requests() -> None:
    with c.Loader("--device", DISK):
        entry, generation = index("depth3")
        good = (entry["root"], 5, generation, 3)
        path = f"{c.RUN}/btree"
        assert c.ask(path, *good).status == 0
        for wrong, r in (
            ("magic", c.ask(path, *good, magic=1)),
            ("version", c.ask(path, *good, version=2)),
            ("8192 bytes", c.ask(path, *good, size=8192)),
            ("3584 bytes", c.ask(path, *good, size=3584)),
        ):
            assert r.got == -errno.EIO or r.status < 0, (wrong, r)
        for start in (sectors(), sectors() - 7, (1 << 64) - 8):
            r = c.ask(path, start, 5, generation, 3)
            assert r.got == -errno.EIO and r.status == c.UNANSWERED, r
        assert c.ask(path, *good, at=c.DOOR * 512 - 4608).status == 0
        fd = os.open(path, os.O_RDONLY)
        try:
            os.pread(fd, 8192, 0)
            raise AssertionError("a buffered read succeeded")
        except OSError as error:
            assert error.errno == errno.EIO
        finally:
            os.close(fd)
        try:
            fd = os.open(path, os.O_WRONLY)
            os.write(fd, bytes(4096))
            raise AssertionError("a write to a door succeeded")
        except OSError as error:
            assert error.errno == errno.EPERM, error
        os.close(fd)
        assert (Path(path).stat().st_mode & 0o777) == 0o600, oct(Path(path).stat().st_mode)


@test("a program that never ends is stopped (control: hops are not counted)")
def limit() -> None:
    def stopped() -> None:
        with c.door("many", DISK, "hundred", sectors(), hops=16) as many:
            r = c.ask(many.path, 8)
            assert (r.status, r.hops) == (-errno.ELOOP, 16), r
            assert c.ask(many.path, 8, hops=5).hops == 5
            assert c.ask(many.path, 8, hops=64).hops == 16

    with c.Loader("--device", DISK, faults=["no_limit"]) as loader, c.Attached():
        loader.set_faults()
        stopped()
        with c.door("ever", DISK, "forever", sectors(), hops=64) as ever:
            r = c.ask(ever.path, 8)
            assert (r.status, r.hops) == (-errno.ELOOP, 64), r
        loader.set_faults("no_limit")
        must_fail(stopped, "a hundred hops without a limit")


@test("a program cannot read outside the data area (control: it can)")
def bounds() -> None:
    area = 8192

    def kept() -> None:
        with c.door("area", DISK, "jump", area, start=64) as small:
            r = c.ask(small.path, 8, area - 8)
            assert (r.status, r.hops, r.last) == (0, 2, area - 8), r
            reads = c.status("area")["reads"]
            for sector in (area, area - 7, 1 << 40, (1 << 64) - 8, (1 << 64) - 1):
                r = c.ask(small.path, 8, sector)
                assert (r.status, r.hops, r.last) == (-errno.ERANGE, 1, 8), (sector, r)
            counts = c.status("area")
            # One read for the first node of each request, and none outside the area.
            assert counts["reads"] - reads == 5 and counts["range"] == 5, counts

    with c.Loader("--device", DISK, faults=["no_bounds"]) as loader, c.Attached():
        loader.set_faults()
        kept()
        loader.set_faults("no_bounds")
        must_fail(kept, "a node outside the area")


@test("a program that returns no verdict, or an invalid one, ends the chain with an error")
def nonsense() -> None:
    with c.Loader("--device", DISK), c.Attached():
        with c.door("quiet", DISK, "silent", sectors()) as quiet:
            r = c.ask(quiet.path, 8)
            assert (r.status, r.hops) == (-errno.ENOEXEC, 1), r
            assert c.status("quiet")["miss"] == 3, c.status("quiet")
        with c.door("lies", DISK, "liar", sectors()) as lies:
            for key, status in (
                (0, errno.EBADMSG),
                (5, errno.EBADMSG),
                ((1 << 32) - 5, 5),
                ((1 << 32) - 5000, errno.EBADMSG),
            ):
                r = c.ask(lies.path, 8, key)
                assert r.status == -status, (key, r)


@test("the example of a custom program finds a record of a list")
def custom_program() -> None:
    records = {700: 30, 701: 10, 702: 20}  # record number: its node, from `base` on
    base = 131072
    order = list(records)
    with Path(DISK).open("r+b") as f:
        for i, number in enumerate(order):
            following = (base + 8 * records[order[i + 1]]) if i + 1 < len(order) else 0
            f.seek((base + 8 * records[number]) * 512)
            f.write(struct.pack("<QQ", number, following).ljust(c.NODE, b"."))
        f.flush()
        os.fsync(f.fileno())
    with c.Loader("--device", DISK), c.Attached("list"), c.door("lists", DISK, "list", sectors()) as lists:
        for hops, number in enumerate(order, 1):
            r = c.ask(lists.path, base + 8 * records[order[0]], number)
            assert (r.status, r.hops, r.last) == (0, hops, base + 8 * records[number]), r
            assert struct.unpack_from("<Q", r.node)[0] == number
        r = c.ask(lists.path, base + 8 * records[order[0]], 999)
        assert (r.status, r.hops) == (-errno.ENOENT, 3), r


@test("a run that was missed is repeated (controls: it counts as done; it is not repeated)")
def missed() -> None:
    with c.Loader("--device", DISK, faults=["miss"]) as loader:
        before = c.status("schain-btree")["miss"]
        c.verify("--count", "20")
        assert c.status("schain-btree")["miss"] > before
        loader.set_faults("miss", "no_notrun")
        assert c.verify("--count", "20", ok=False) is None, "a missed run that counts as DONE was not noticed"
        loader.set_faults("miss", "no_retry")
        assert c.verify("--count", "20", ok=False) is None, "a missed run that is not repeated was not noticed"


@test("a worker submits a read again if the device had no room (control: the request fails)")
def again() -> None:
    for mode, options in queued(4):
        with c.Loader("--device", DISK, "--mode", mode, faults=["again"]) as loader:
            c.verify("--count", "20", "--index", "depth5", *options)
            counts = c.status("schain-btree")
            assert counts["again"] > 0, counts
            loader.set_faults("again", "again_fails")
            assert c.verify("--count", "20", "--index", "depth5", *options, ok=False) is None, "EAGAIN did not fail"


@test("an interrupt requests the next node only on an idle CPU (control: on any)")
def idle_only() -> None:
    cpus = range(os.cpu_count() or 1)

    def over_busy() -> tuple[int, int]:
        """Nodes requested by interrupts, and nodes that arrived in interrupts, while no CPU is idle."""
        before = c.status("schain-btree")
        spinning = c.busy(cpus)
        try:
            c.verify("--count", "30", "--index", "depth8")
        finally:
            for process in spinning:
                process.kill()
                process.wait()
        after = c.status("schain-btree")
        return after["interrupt"] - before["interrupt"], after["at_hardirq"] - before["at_hardirq"]

    with c.Loader("--device", DISK, "--mode", "irq", faults=["busy_irq"]) as loader:
        loader.set_faults()
        asked, arrived = over_busy()
        print(
            f"# {arrived} nodes arrived in interrupts on busy CPUs, {asked} requested the next node there", flush=True
        )
        assert arrived > 50 and asked <= arrived // 10, (asked, arrived)
        # The control only counts: if the interrupted task held the driver's lock, a request would deadlock.
        loader.set_faults("busy_irq")
        asked, arrived = over_busy()
        print(f"# control: {arrived} arrived, {asked} requested the next node", flush=True)
        assert asked > arrived // 2, (asked, arrived)


@test("requests go to the driver directly, but not for a node in pieces (control: they do) or with a scheduler")
def direct() -> None:
    entry, generation = index("depth8")

    def gone(crossing: bool) -> int:
        """Requests that went to the driver directly during lookups in mode irq, of which some ended on an idle CPU."""
        before = c.status("schain-btree")

        def look() -> bool:
            for _ in range(10):
                r = c.ask(f"{c.RUN}/btree", entry["root"], 5, generation, 8, crossing=crossing)
                assert (r.status, r.hops) == (0, 8), r
            return bool(c.status("schain-btree")["interrupt"] > before["interrupt"])

        c.wait(look, "a node on an idle CPU")
        return int(c.status("schain-btree")["direct"] - before["direct"])

    with c.Loader("--device", DISK, "--mode", "irq", faults=["direct"]) as loader:
        loader.set_faults()
        assert gone(crossing=False) > 0
        assert gone(crossing=True) == 0
        loader.set_faults("direct")
        assert gone(crossing=True) > 0

    def read_ms() -> int:
        return int(c.read(f"/sys/block/{Path(DISK).name}/stat").split()[3])

    # In mode irq a request is sent again for the next node. The disk's statistics count each read from its own start.
    with c.Loader("--device", DISK, "--mode", "irq"):
        ms, begin = read_ms(), time.monotonic()

        def sent_again() -> bool:
            c.verify("--count", "100", "--index", "depth8")
            return bool(c.status("schain-btree")["kept"] > 100)

        c.wait(sent_again, "100 requests that are sent again")
        elapsed, ms = (time.monotonic() - begin) * 1000, read_ms() - ms
        print(f"# {c.status('schain-btree')['kept']} sent again, {ms} ms of reads in {elapsed:.0f} ms", flush=True)
        assert 0 < ms < elapsed * 1.1, (ms, elapsed)

    def look() -> dict[str, Any]:
        """How much the counters increase during lookups with polling."""
        before = c.status("schain-btree")
        c.verify("--count", "40", "--index", "depth8", "--depth", "4", "--poll")
        after = c.status("schain-btree")
        return {name: after[name] - before[name] for name in ("polled", "direct")}

    with c.Loader("--device", DISK, "--mode", "poll"):
        counts = look()
        assert counts["direct"] == counts["polled"] > 0, counts
        # With a scheduler, reads complete under a lock, so a worker requests the next node.
        with scheduled("mq-deadline"):
            counts = look()
        assert counts["direct"] == 0, counts


@test("a cgroup's I/O limit ends modes irq and poll (control: without a limit they stay)")
def limited() -> None:
    major, minor = (f(Path(DISK).stat().st_rdev) for f in (os.major, os.minor))
    c.write("/sys/fs/cgroup/cgroup.subtree_control", "+io")
    group, qos = Path("/sys/fs/cgroup/schain-limited"), Path("/sys/fs/cgroup/io.cost.qos")
    group.mkdir()
    try:
        for mode, _ in queued(1):
            with c.Loader("--device", DISK, "--mode", mode):
                time.sleep(7)  # the loader checks every 5 s
                assert c.status("schain-btree")["mode"] == mode
                (group / "io.max").write_text(f"{major}:{minor} riops=1000000")
                c.wait(lambda: c.status("schain-btree")["mode"] == "wq", "mode wq", 60)
                c.verify("--count", "20", "--index", "depth5")
            refused = run(f"{c.DIR}/storage-chain", "--preflight", "--device", DISK, "--mode", mode)
            assert '"supported":false' in refused and "io.max" in refused, refused
            (group / "io.max").write_text(f"{major}:{minor} riops=max")
            assert '"supported":true' in run(f"{c.DIR}/storage-chain", "--preflight", "--device", DISK, "--mode", mode)
            # A debug kernel has no iocost.
            if qos.exists():
                qos.write_text(f"{major}:{minor} enable=1")
                refused = run(f"{c.DIR}/storage-chain", "--preflight", "--device", DISK, "--mode", mode)
                qos.write_text(f"{major}:{minor} enable=0")
                assert '"supported":false' in refused and "io.cost.qos" in refused, refused
    finally:
        group.rmdir()


@test("lookups are correct while the disk's controller is reset")
def controller_reset() -> None:
    controller = Path(os.path.realpath(f"/sys/block/{Path(DISK).name}/device"))

    def resets() -> int:
        """Each is logged with the number of queues."""
        return len(re.findall(rf"{controller.name}: \d+/\d+/\d+ default/read/poll queues", c.kernel_log()))

    for mode, options in queued(8):
        with c.Loader("--device", DISK, "--mode", mode):
            before = resets()
            looking = subprocess.Popen(
                [f"{c.DIR}/schain", "verify", "--via", "chain", "--index", "depth8", "--count", "1000", *options],
                stdout=subprocess.PIPE,
                text=True,
            )
            turns, took = 0, 0.0
            while looking.poll() is None and turns < 20:
                begin = time.monotonic()
                c.write(str(controller / "reset_controller"), 1)
                took = max(took, time.monotonic() - begin)
                turns += 1
                time.sleep(0.2)
            try:
                text, _ = looking.communicate(timeout=300)
            except subprocess.TimeoutExpired:
                looking.kill()
                text = f"did not end within 5 minutes after {turns} resets: {c.status('schain-btree')}"
            print(f"# {mode}: {resets() - before} resets, the longest took {took:.1f} s", flush=True)
            assert looking.returncode == 0 and resets() - before > 2, (looking.returncode, turns, text)


def over(table: str) -> c.Device:
    """A dm device below the loader's doors, whose table a test can replace."""
    return c.Device("under", table)


@test("a device error at a node of any level gives the same error as a read (control: it counts as a node)")
def device_errors() -> None:
    entry, generation = index("depth5")
    first = entry["root"]
    total = sectors()

    def same_errors(under: c.Device, sector: int) -> int:
        """Checks that lookups through the door fail exactly when those by reads do, with the same error."""
        under.reload(
            f"0 {sector} linear {DISK} 0\n{sector} 8 error\n"
            f"{sector + 8} {total - sector - 8} linear {DISK} {sector + 8}"
        )
        before = c.status("schain-btree")["io_error"]
        done = c.schain("verify", "--via", "chain", "--index", "depth5", "--count", "60", ok=False)
        # The same keys fail with the same error; only the data read before may differ.
        wrong = [line for line in done.stderr.splitlines() if line.count("error -5,") != 2]
        assert "mismatches" in done.stdout and not wrong, done.stdout + done.stderr
        failed: int = c.status("schain-btree")["io_error"] - before
        print(f"# sector {sector}: {failed} of 60 met the error", flush=True)
        return failed

    with over(f"0 {total} linear {DISK} 0") as under, c.Loader("--device", under.path, faults=["no_error"]) as loader:
        loader.set_faults()
        # A node of each level: the root and the first child of each.
        way = [first]
        with Path(DISK).open("rb") as f:
            while len(way) < entry["depth"]:
                f.seek(way[-1] * 512 + 32)
                way.append(struct.unpack("<QQ", f.read(16))[1])
        met = []
        for level, sector in enumerate(way):
            met.append(same_errors(under, sector))
            # The key 0 is on this way, so this lookup meets the error after `level` nodes.
            r = c.ask(f"{c.RUN}/btree", first, 0, generation, entry["depth"])
            assert (r.got, r.status, r.hops) == (-errno.EIO, -errno.EIO, level), (level, r)
        assert met[0] == 60 and all(n > 0 for n in met[:3]), met

        def answered() -> None:
            assert same_errors(under, first) == 60

        answered()
        loader.set_faults("no_error")
        must_fail(answered, "a failed read counts as a node")
        loader.set_faults()
        under.reload(f"0 {total} linear {DISK} 0")
        c.verify("--index", "depth5", "--count", "30")


@test("a suspension ends chains at their next node (control: it waits for them); the library continues")
def suspended() -> None:
    run("modprobe", "dm-delay", ok=False)
    total = sectors()

    def cut() -> None:
        entry, generation = index("depth8")
        got = []
        thread = threading.Thread(target=lambda: got.append(c.ask(f"{c.RUN}/btree", entry["root"], 5, generation, 8)))
        thread.start()
        time.sleep(0.5)
        c.dm("suspend", "schain-btree")
        c.dm("resume", "schain-btree")
        thread.join()
        assert got[0].status == -errno.ESHUTDOWN and 0 < got[0].hops < 8, got[0]

    with over(f"0 {total} linear {DISK} 0") as under, c.Loader("--device", under.path, faults=["no_stop"]) as loader:
        loader.set_faults()
        under.reload(f"0 {total} delay {DISK} 0 200")
        cut()
        looking = subprocess.Popen(
            [f"{c.DIR}/schain", "verify", "--via", "auto", "--index", "depth4", "--count", "3", "--image", DISK]
        )
        time.sleep(0.4)
        c.dm("suspend", "schain-btree")
        c.dm("resume", "schain-btree")
        assert looking.wait() == 0
        loader.set_faults("no_stop")
        must_fail(cut, "a chain continues during a suspension")
        under.reload(f"0 {total} linear {DISK} 0")
        loader.set_faults()
        c.verify("--count", "20", "--index", "depth8")


@test("lookups are correct while tables are replaced, also by an error table")
def reload() -> None:
    total = sectors()
    with c.Loader("--device", DISK):
        looking = subprocess.Popen(
            [f"{c.DIR}/schain", "verify", "--via", "auto", "--count", "40"], stdout=subprocess.DEVNULL
        )
        turns = 0
        while looking.poll() is None:
            mode = MODES[turns % len(MODES)]
            c.dm("reload", "schain-btree", f"0 {c.DOOR} storage-chain {DISK} 0 {total} {c.NODE} 16 {mode} btree crc")
            turns += 1
            # Lookups wait during a replacement; without a pause, few would run in between.
            time.sleep(0.05)
        assert looking.returncode == 0 and turns >= 3, (looking.returncode, turns)
        # Control: `--via chain` notices a table with a wrong data area.
        c.dm("reload", "schain-btree", f"0 {c.DOOR} storage-chain {DISK} 8 {total - 8} {c.NODE} 16 wq btree crc")
        assert c.verify("--index", "depth3", "--count", "5", ok=False) is None
        assert c.verify("--index", "depth3", "--count", "5", via="auto")["mismatches"] == 0
        # The table is replaced by an error table.
        looking = subprocess.Popen(
            [f"{c.DIR}/schain", "verify", "--via", "auto", "--count", "200"], stdout=subprocess.DEVNULL
        )
        time.sleep(0.3)
        c.dm("reload", "schain-btree", f"0 {c.DOOR} error")
        assert looking.wait() == 0
        assert c.verify("--index", "depth3", "--count", "5", ok=False) is None


def in_flight() -> int:
    """Chains through the B+tree's door that have not ended."""
    counts = c.status("schain-btree")
    ends = ("done", "program_error", "no_program", "limit", "range", "io_error", "stopped")
    ended: int = sum(counts[end] for end in ends)
    begun: int = counts["chains"]
    return begun - ended


@test("a killed reader leaves no chain behind (control: there are some while it reads)")
def reader_killed() -> None:
    total = sectors()
    run("modprobe", "dm-delay", ok=False)
    with over(f"0 {total} linear {DISK} 0") as under, c.Loader("--device", under.path) as loader:
        for turn in range(4):
            # Slow reads, so that it is killed during chains.
            under.reload(f"0 {total} delay {DISK} 0 {40 * (turn + 1)}")
            reader = subprocess.Popen(
                [f"{c.DIR}/schain", "bench", "--index", "depth8", "--depth", "16", "--seconds", "60", "--via", "chain"],
                stdout=subprocess.DEVNULL,
            )
            c.wait(lambda: in_flight() > 0, "a chain")
            reader.send_signal(signal.SIGKILL)
            reader.wait()
            c.wait(lambda: in_flight() == 0, "the end of the chains", 30)
        under.reload(f"0 {total} linear {DISK} 0")
        c.verify("--count", "20")
        assert loader.process.poll() is None


@test(
    "after a loader was killed, lookups continue by reads, and --remove leaves nothing (control: it is visible before)"
)
def loader_killed() -> None:
    with c.Loader("--device", DISK) as loader:
        seen = c.nothing_left()
        assert any("schain_btree" in what for what in seen) and c.RUN in seen, seen
        looking = subprocess.Popen(
            [f"{c.DIR}/schain", "verify", "--via", "auto", "--count", "300"], stdout=subprocess.PIPE, text=True
        )
        time.sleep(0.4)
        loader.kill()
        text, _ = looking.communicate()
        assert looking.returncode == 0, text
        # The doors have no programs now, so the library reads itself.
        assert c.verify("--count", "5", via="auto")["mismatches"] == 0
    assert not c.nothing_left()
    c.schain("verify", "--via", "read", "--count", "5", "--image", DISK)


@test("removal does not wait for a reader with an open door, which continues by reads, then through the next doors")
def open_doors() -> None:
    reader = None
    try:
        with c.Loader("--device", DISK) as loader:
            reader = subprocess.Popen(
                [f"{c.DIR}/schain", "bench", "--index", "depth5", "--seconds", "600", "--via", "auto", "--image", DISK],
                stdout=subprocess.PIPE,
                text=True,
            )
            c.wait(lambda: c.status("schain-btree")["chains"] > 20, "lookups")
            begin = time.monotonic()
            loader.kill(15)
            took = time.monotonic() - begin
            assert not c.nothing_left() and reader.poll() is None
            begin = time.monotonic()
            run(f"{c.DIR}/storage-chain", "--remove")
            print(f"# stopped in {took:.1f} s, --remove took {time.monotonic() - begin:.1f} s", flush=True)
            assert took < 15, took
        with c.Loader("--device", DISK):
            c.wait(
                lambda: c.status("schain-btree")["chains"] > 20, "lookups of the same reader through the new door", 30
            )
    finally:
        if reader:
            reader.kill()
            reader.wait()


@test("requests fail after the disk is removed, and nothing stays loaded (control: the error counts as a node)")
def unplugged() -> None:
    def refused() -> None:
        entry = c.ask(f"{c.RUN}/btree", 8, 5, 1, 3)
        assert entry.got < 0, entry

    with c.Loader("--device", DISK, faults=["no_error"]) as loader:
        loader.set_faults()
        looking = subprocess.Popen(
            [f"{c.DIR}/schain", "bench", "--index", "depth8", "--depth", "8", "--seconds", "3"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(0.7)
        controller = os.path.realpath(f"/sys/block/{Path(DISK).name}/device/device")
        c.write(f"{controller}/remove", 1)
        looking.wait()
        refused()
        loader.set_faults("no_error")
        must_fail(refused, "a read of a removed disk counts as a node")
        loader.kill(15)
    c.write("/sys/bus/pci/rescan", 1)
    c.wait(lambda: any(c.read(f"{path}/serial") == "data" for path in Path("/sys/class/nvme").iterdir()), "the disk")
    globals()["DISK"] = c.data_disk()
    c.wait(lambda: Path(DISK).exists(), DISK)
    with c.Loader("--device", DISK):
        c.verify("--count", "10")


@test("lookups are correct if the block layer merges their reads (control: control.py, which crashes the kernel)")
def merged() -> None:
    name = Path(DISK).name

    def merges() -> int:
        return int(c.read(f"/sys/block/{name}/stat").split()[1])

    with c.Loader("--device", DISK):
        before = merges()
        for _ in range(10):
            c.verify("--index", "hash", "--count", "400", "--depth", "64")
        print(f"# {merges() - before} merges", flush=True)
        assert merges() > before


@test("lookups are correct if the disk completes a read in two parts (control: the first part is missing)")
def in_parts() -> None:
    disk, parameters = "/dev/schaindisk", Path("/sys/module/schain_disk/parameters")
    run("insmod", f"{c.DIR}/schain_disk.ko", "latency_ns=100000")
    try:
        c.wait(lambda: Path(disk).exists(), disk)
        c.schain("build", "--synthetic", "3-8", disk)
        image = c.image_of(disk)

        def whole() -> None:
            r = c.ask(f"{c.RUN}/btree", image["indexes"]["depth5"]["root"], 5, image["generation"], 5)
            assert (r.status, r.hops) == (0, 5), r

        with c.Loader("--device", disk):
            c.write("/sys/module/storage_chain/parameters/any_driver", "Y")
            for mode in [mode for mode in MODES if mode != "poll"]:
                c.dm("message", "schain-btree", f"mode {mode}")
                c.write(str(parameters / "parts"), "Y")
                c.verify("--index", "depth5", "--count", COUNT)
                counts = c.status("schain-btree")
                assert mode == "wq" or counts["direct"] > 0, counts
                whole()
                c.write(str(parameters / "cut"), "Y")
                must_fail(whole, "half a node")
                c.write(str(parameters / "cut"), "N")
    finally:
        run("rmmod", "schain_disk")


@test("udev does not read from the doors, and makes no by-id links to them")
def udev() -> None:
    with c.Loader("--device", DISK):
        c.run("udevadm", "settle", ok=False)
        assert c.status("schain-btree")["reject"] == 0, c.status("schain-btree")
        links = [link.name for link in Path("/dev/disk/by-id").glob("*")]
        assert any("data" in name for name in links), f"udev has made no link to the disk, so it does not work: {links}"
        assert not [name for name in links if "schain" in name.lower()], links


@test("the Python library finds the files of a directory tree, through doors and by reads (control: no door)")
def python_library() -> None:
    sys.path.insert(0, f"{c.DIR}/python")
    os.environ["LIBSCHAIN"] = f"{c.DIR}/libschain.so"
    library = importlib.import_module("schain")
    top = f"/usr/lib/python3.{sys.version_info.minor}"
    # Not the compiled modules: Python may be writing some.
    names = [os.path.relpath(path, top) for path in Path(top).rglob("*.py") if not path.is_symlink()]
    some = {name: os.lstat(f"{top}/{name}") for name in names[:: max(1, len(names) // 50)]}

    def agrees(path: str | None, flags: int = 0) -> None:
        with library.Image(path, flags) as image:
            for name, is_ in some.items():
                inode = image.path(name)
                assert inode == is_.st_ino and Path(f"{top}/{image.where(inode)}").lstat().st_ino == inode, name
                facts = image.facts(inode)
                assert (facts.size, facts.mode, facts.mtime) == (is_.st_size, is_.st_mode, int(is_.st_mtime)), facts
                assert image.facts(facts.parent).is_directory and not facts.is_directory
            assert image.path("no/such/path") is None and image.facts(1 << 50) is None and image.where(1 << 50) is None
            assert set(image.tagged("py")) == {os.lstat(f"{top}/{name}").st_ino for name in names}
            assert list(image.tagged("nosuch")) == []

    def fails(function: Callable[[], object], number: int, text: str) -> None:
        try:
            function()
        except OSError as error:
            assert error.errno == number and text in str(error), error
        else:
            raise AssertionError(f"no error: {text}")

    fails(library.Image, errno.ENOENT, "is the extension storage-chain loaded?")
    with c.Loader("--device", DISK):
        c.schain("build", top, DISK)
        before = c.status("schain-btree")["chains"]
        agrees(None, library.CHAIN)
        assert c.status("schain-btree")["chains"] - before > 3 * len(some)
        with library.Image(flags=library.CHAIN) as image:
            many = image.lookup_many("facts", [*(is_.st_ino * 4 for is_ in some.values()), 1 << 60], depth=8)
            assert [result.value for result in many] == [*(is_.st_size for is_ in some.values()), None]
            assert not any(result.error or result.fell_back for result in many), many
            fails(lambda: image.lookup("nosuch", 1), errno.ENOENT, "`nosuch`")
    agrees(DISK)
    with library.Image(DISK, library.CHAIN) as image:
        fails(lambda: image.path("os.py"), errno.ENXIO, "no door")
    synthetic()


@test("no lookup is wrong under load in any mode")
def stress() -> None:
    for mode in MODES:
        with c.Loader("--device", DISK, "--mode", mode) as loader:
            jobs = []
            for i in range(2 * (os.cpu_count() or 1)):
                options = [
                    "--index",
                    ("depth8", "hash", "list", "depth5")[i % 4],
                    "--seconds",
                    str(STRESS_SECONDS),
                    "--via",
                    "chain",
                ]
                if i % 2:
                    options += ["--depth", "32"]
                    if mode == "poll":
                        options.append("--poll")
                jobs.append(
                    subprocess.Popen(
                        [f"{c.DIR}/schain", "bench", *options, "--seed", str(i)], stdout=subprocess.PIPE, text=True
                    )
                )
            results = [c.lines(job.communicate()[0])[0] for job in jobs]
            wrong = sum(r["wrong"] for r in results)
            lookups, nodes = (sum(r[what] for r in results) for what in ("lookups", "hops"))
            print(f"# {mode}: {lookups} lookups, {nodes} nodes, {wrong} wrong", flush=True)
            assert wrong == 0, results
            assert loader.status()["facts"]["mode"] == mode


BAD = r"BUG|WARNING|Oops|KASAN|lockdep is turned off|possible recursive|inconsistent|hung task|stall"


@test("the kernel log has no errors")
def kernel_log_is_clean() -> None:
    log = c.kernel_log()
    bad = [line for line in log.splitlines() if "mtrr" not in line and re.search(BAD, line)]
    assert not bad, bad[:10]


def main() -> int:
    failed = 0
    number = 0
    # Some tests create dm devices before a loader has loaded it.
    run("modprobe", "dm-mod")
    for name, function in tests:
        if not PATTERN.search(name):
            continue
        number += 1
        begin = time.monotonic()
        try:
            if function not in (foreign_device, unsuitable) and start_of(DISK, 8) == bytes(8):
                synthetic()
            function()
            print(f"ok {number} - {name} # {time.monotonic() - begin:.1f} s", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in traceback.format_exc().splitlines()[-25:]:
                print(f"#   {line}", flush=True)
            run(f"{c.DIR}/storage-chain", "--remove", ok=False)
    print(f"1..{number}", flush=True)
    print(f"# {number - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


sys.exit(main())
