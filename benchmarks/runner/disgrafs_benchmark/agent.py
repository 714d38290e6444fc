"""The agent on a client node: prepares data, resets the mount, and runs one timed window at a time.

The driver wraps the class in a Ray actor that is pinned to the node. A failure in a window is returned (`invalid`) and
not raised, so that the run continues and the report can explain the missing figure.
"""

import contextlib
import json
import math
import mmap
import os
import shutil
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from . import (
    arms,
    backing,
    cat,
    compiling,
    extensions,
    folders,
    lookup,
    loops,
    programs,
    rayread,
    redis,
    requests,
    system,
    tagging,
    tree,
)
from .folders import SHARED, TREE_KINDS, data_folder, placed
from .lifeline import Lifeline
from .loop import StoppedError
from .loops import GAP_SECONDS, Loops
from .mount import UNIT, Mount, ResetError
from .neighbours import Neighbour
from .plan import Arm, Plan, Workload
from .resident import resident

# Minimum number of a figure's operations on all clients (fewestOperations in benchmarks/parsers/measurement.ts).
FEWEST_OPERATIONS = 10
# Kinds of workloads that find data; the others have none, or write it in their window.
CREATING = (*TREE_KINDS, "cat", "compile", "fio", "lookup", "ray-read")
# Places whose behaviour depends on the arm.
ARM_PLACES = ("mount", "data-disk")
# Name of the arm that a run has enabled here, and of its extension. It shows whether a killed agent or the lab itself
# had enabled them.
ENABLED_FILE = Path("/run/disgrafs/benchmark-arm")


class Agent:
    """One client's part of a run. All times are from this node's clocks."""

    def __init__(self, plan: Plan, name: str, mount: Mount | None = None, lifeline: Lifeline | None = None) -> None:
        system.python_path_programs()
        self.plan = plan
        self.name = name
        self.stopped = False
        # Held while the state of the mount or of an arm changes.
        self.lock = threading.Lock()
        self.mount = mount or Mount(plan.mount_point)
        self.scratch = Path(tempfile.mkdtemp(prefix="disgrafs-benchmark-"))
        self.lifeline = lifeline or Lifeline(plan.run_id)
        if lifeline is None:
            self.lifeline.open()
        self.iostat = programs.Iostat(self.lifeline, self.scratch / "iostat.json")
        self.loops = Loops(self.lifeline, self.scratch)
        self.disk = backing.SlowDisk(self.lifeline)
        # The first client queries the nodes that are not clients.
        self.neighbours = [Neighbour(address) for address in plan.cache_droppers] if name == plan.clients[0] else []
        self.enabled: Arm | None = None
        # Arms that the lab itself had enabled. They are disabled during the run, and enabled again at its end.
        self.found: list[Arm] = []
        self.before: dict[str, Any] = {}
        self.began = 0.0
        self.pieces: list[tuple[str, bytes]] = []
        self.resident: list[mmap.mmap] = []

    # --- once per run

    def facts(self) -> dict[str, Any]:
        """Facts of this node and of non-client nodes, and the version of the mounted JuiceFS."""
        facts = system.facts()
        facts["versions"]["juicefs"] = self.mount.version()
        facts["neighbours"] = {neighbour.address: neighbour.facts() for neighbour in self.neighbours}
        return facts

    def clock(self) -> float:
        """The time by this node's clock, from which the driver computes the clock's offset."""
        return time.time()

    def prepare(self) -> dict[str, str]:
        """Stop all extensions, and disable all arms' scripts. Needs the mount.

        Returns the arms that cannot run on this node, each with the reason.
        """
        self.mount.state()
        self.resident = resident()
        if any("diskReads" in workload.parameters for workload in self.plan.workloads):
            self.disk.release([UNIT])
        obstacles: dict[str, str] = {}
        enabled, _, extension = (system.read(ENABLED_FILE) or "").partition(" ")
        with self.changing():
            extensions.stop_all(left_by_arm=extension or None)
        for arm in self.plan.arms.values():
            if arm.script is None:
                continue
            reason = arms.obstacle(arm, self.plan.mount_point)
            if reason is not None:
                obstacles[arm.name] = reason
                continue
            with self.changing():
                if arms.is_active(arm, self.plan.mount_point) and enabled != arm.name:
                    self.found.append(arm)
                arms.switch(arm, "disable", self.plan.mount_point)
        ENABLED_FILE.unlink(missing_ok=True)
        return obstacles

    def create_data(self, workload: Workload) -> None:
        """Create the data that a workload reads, in each place where an arm has it, unless it is there."""
        for place in sorted({placed(workload, arm).place for arm in self.plan.arms.values()}):
            self.create_data_in(replace(workload, place=place))

    def create_data_in(self, workload: Workload) -> None:
        """Create the data that a workload reads in its place, unless it is there."""
        folder = self.folder(workload)
        parameters = workload.parameters
        if workload.kind in TREE_KINDS:
            tree.make(folder / "tree", parameters["files"], parameters["directories"])
        elif workload.kind == "fio":
            programs.fio_layout(programs.fio_file(folder, workload.name, parameters), parameters)
        elif workload.kind == "compile":
            compiling.make(folder, parameters, self.plan.seed)
        elif workload.kind == "cat":
            cat.make(folder, parameters)
        elif workload.kind == "lookup":
            lookup.prepare()
        # One client writes what all read, but a local disk has no other client's files.
        elif workload.kind == "ray-read" and (workload.place != "mount" or self.name == self.plan.clients[0]):
            readers = len(self.plan.clients) * parameters["tasksPerClient"]
            rayread.make_data(data_folder(self.plan, workload, SHARED), parameters, readers)

    def folder(self, workload: Workload) -> Path:
        """Folder of a workload's data on this client."""
        return data_folder(self.plan, workload, self.name)

    def restore(self) -> None:
        """Restore the state from before the run. The caller holds the lock.

        Continues after a failure; ResetError then names all failures.
        """
        steps: list[Callable[[], object]] = [
            self.disk.release,
            self.disable,
            self.mount.restore,
            extensions.start_again,
        ]
        steps += [partial(arms.switch, arm, "enable", self.plan.mount_point) for arm in self.found]
        failed: list[str] = []
        self.loops.cancel()
        for action in steps:
            try:
                action()
            except (ResetError, RuntimeError, OSError) as error:
                failed.append(f"{error}")
        if failed:
            raise ResetError(f"not restored: {'; '.join(failed)}")

    def disable(self) -> None:
        """Disable the arm's script, if one was enabled."""
        if self.enabled is not None:
            arms.switch(self.enabled, "disable", self.plan.mount_point)
            ENABLED_FILE.unlink(missing_ok=True)
        self.enabled = None

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock to change the node's state. StoppedError after `abort`, which alone restores the state then."""
        with self.lock:
            if self.stopped:
                raise StoppedError("the run was told to stop")
            yield

    def clean_up(self) -> None:
        """Restore the state from before the run, and remove the run's data."""
        with self.changing():
            self.restore()
        self.remove_data()

    def remove_data(self) -> None:
        """Remove the data of this run's workloads."""
        folders.remove_data(self.plan, self.name)
        if self.name == self.plan.clients[0]:
            folders.remove_data(self.plan, SHARED)

    def abort(self, for_good: bool) -> None:
        """End the current work, from another thread, and restore the state from before the run.

        Waits if another thread is in a step of the protocol, which would undo the restoration. `for_good` also removes
        the data, because the run will not continue.
        """
        self.stopped = True
        self.lifeline.kill()
        with self.lock:
            self.restore()
        if for_good:
            self.remove_data()
        shutil.rmtree(self.scratch, ignore_errors=True)

    # --- the cold-cache protocol, in two halves: all nodes finish the first before any begins the second

    def unmount_and_drop(self) -> dict[str, Any]:
        """First half: returns {"steps": [...]} or {"invalid": reason}."""

        def action() -> list[dict[str, Any]]:
            with self.changing():
                self.loops.cancel()
                self.disable()
                return self.mount.unmount_and_drop()

        return answer(lambda: {"steps": action()})

    def drop_elsewhere(self) -> dict[str, Any]:
        """Make the nodes that are not clients drop their caches."""
        return answer(lambda: {"steps": [neighbour.drop() for neighbour in self.neighbours]})

    def mount_arm(self, arm_name: str) -> dict[str, Any]:
        """Second half: mount with an arm's options, enable its script and verify it."""
        arm = self.plan.arms[arm_name]

        def action() -> dict[str, Any]:
            with self.changing():
                steps = self.mount.mount(arm)
            if arm.script is not None:
                with self.changing():
                    # Set before the script runs, so that a script that fails half-way is disabled, too.
                    self.enabled = arm
                    ENABLED_FILE.parent.mkdir(parents=True, exist_ok=True)
                    ENABLED_FILE.write_text(f"{arm.name} {arm.extension or ''}")
                    arms.switch(arm, "enable", self.plan.mount_point)
                arms.prove(arm, self.plan.mount_point)
            extensions.only(arm)
            return {"steps": steps}

        return answer(action)

    # --- one point

    def ready(self, workload: Workload, arm_name: str, seed: int) -> dict[str, Any]:
        """Do what precedes the timed window: prepare the work, prove that the arm is active, start the observers.

        A warm workload does its work once, untimed. The last part of the proof reads the run count of the arm's
        extension, so that the count grows only by the workload's own requests from then on.
        """

        def action() -> dict[str, Any]:
            work = placed(workload, self.plan.arms[arm_name])
            if work.place == "mount":
                # First, so that an error is reported as the mount's and not as a failure of the work on it.
                self.mount.check(self.plan.arms[arm_name])
            self.write_back()
            self.prepare_work(work, seed)
            proof = self.proof(work, arm_name)
            self.iostat.start(math.ceil(work.seconds))
            served = self.served(work)
            counters = {**system.counters(), **served}
            self.before = {"counters": counters, "proof": proof, "clock": time.monotonic()}
            return {}

        return answer(action)

    def write_back(self) -> None:
        """Write what earlier points left in memory, here and on the other nodes.

        A faster arm leaves more of it, and would pay for it in its next workload.
        """
        os.sync()
        for neighbour in self.neighbours:
            neighbour.sync()

    def measure(self, workload: Workload, arm_name: str, seed: int, start_at: float) -> dict[str, Any]:
        """Run one timed window that begins when this node's clock shows `start_at`."""

        def action() -> dict[str, Any]:
            begin = time.monotonic() + max(0.0, start_at - time.time())
            work = placed(workload, self.plan.arms[arm_name])
            self.read_counters()
            try:
                done = self.work(work, seed, start_at)
            finally:
                ended = self.end(work, arm_name)
            self.check_reads(work, self.plan.arms[arm_name], ended["proof"], done.get("warmBytes", 0))
            seconds = round(ended["clock"] - begin, 4)
            return {**done, **ended, "seconds": seconds, "files": done["files"] | ended["files"]}

        return answer(action)

    def end(self, workload: Workload, arm_name: str) -> dict[str, Any]:
        """Stop the observers and check that the arm is still active.

        Reads the run count of its extension before anything else touches the mount.
        """
        clock = time.monotonic()
        # With the clock: a script may take long, in some arms and not in others.
        machine = system.counters()
        arm = self.plan.arms[arm_name]
        workload = placed(workload, arm)
        on_mount = workload.place == "mount"
        script = self.script_proof(arm) if workload.place in ARM_PLACES and arm.script is not None else None
        counters = {**machine, **self.served(workload)}
        iostat = self.iostat.stop()
        proof = ({"mount": self.mount.check(arm)} if on_mount else {}) | ({"script": script} if script else {})
        proof |= {"extensions": extensions.only(arm)} | self.disk_proof(workload, arm)
        if script:
            self.check_moved(arm, script)
        return {
            "clock": clock,
            "observedSeconds": round(clock - self.before["clock"], 4),
            "proof": {"before": self.before["proof"], "after": proof},
            "counters": {"before": self.before["counters"], "after": counters},
            "files": {"iostat.json": iostat},
        }

    def check_moved(self, arm: Arm, script: dict[str, Any]) -> None:
        """Compare the proof of an arm's script with that from before the window. ResetError if it did not run."""
        if arm.counted and script["count"] <= self.before["proof"]["script"]["count"]:
            raise ResetError(f"arm {arm.name} was enabled, but its run count did not move")

    def check_reads(self, workload: Workload, arm: Arm, proof: dict[str, Any], warm_bytes: int) -> None:
        """Check that an arm answered reads of a workload whose data is cached. ResetError if it answered none.

        `warm_bytes` were read to keep the data warm, after the counts before the window, and say nothing of the window.
        All of them are taken as answered: bytes, since the extension counts a read of two blocks as two.
        """
        if not (arm.reads and workload.reads):
            return
        before, after = proof["before"]["script"], proof["after"]["script"]
        if after["readBytes"] - before["readBytes"] <= warm_bytes:
            raise ResetError(f"arm {arm.name} was enabled, but no read() was answered from the block cache")

    def read_counters(self) -> None:
        """Read this machine's counters right before a window: since ready(), a client may have waited for others."""
        self.before["counters"] |= system.counters()
        self.before["clock"] = time.monotonic()

    def begin_answer(self, start_at: float) -> dict[str, Any]:
        """Wait for the start of a window whose work the driver starts; returns how late it began."""
        self.read_counters()
        wait_until(start_at)
        self.began = time.monotonic()
        return {"late": round(max(0.0, time.time() - start_at), 4)}

    def clear_tagging(self, workload: Workload) -> dict[str, Any]:
        """Remove the files of an earlier window, untimed, before the driver waits for DisGraFS."""

        def action() -> dict[str, Any]:
            shutil.rmtree(self.folder(workload), ignore_errors=True)
            return {}

        return answer(action)

    def write_corpus(self, workload: Workload, start_at: float) -> dict[str, Any]:
        """Write files at the start of a window; returns the time at which each was closed, by this node's clock."""

        def action() -> dict[str, Any]:
            return {**self.begin_answer(start_at), "closed": tagging.write(self.folder(workload), self.pieces)}

        return answer(action)

    def end_answer(self, workload: Workload, arm_name: str) -> dict[str, Any]:
        """`end` for a workload that the driver runs."""

        def action() -> dict[str, Any]:
            ended = self.end(workload, arm_name)
            return {**ended, "seconds": round(ended["clock"] - self.began, 4)}

        return answer(action)

    def served(self, workload: Workload) -> dict[str, Any]:
        """FUSE requests and, on the first client, counters of non-client nodes. Does not touch the mount."""
        return {
            "requests": requests.counts(*self.metrics()) if workload.place == "mount" else None,
            "neighbours": {neighbour.address: neighbour.counters() for neighbour in self.neighbours},
        }

    def metrics(self) -> tuple[str, int, str]:
        """Address of JuiceFS's counters, and its mount point."""
        return (*self.mount.metrics(), self.plan.mount_point)

    def proof(self, workload: Workload, arm_name: str) -> dict[str, Any]:
        """Evidence that the arm is active. ResetError if it is not."""
        arm = self.plan.arms[arm_name]
        state: dict[str, Any] = {"extensions": extensions.only(arm)}
        if workload.place not in ARM_PLACES:
            return state | self.disk_proof(workload, arm)
        if workload.place == "mount":
            state["mount"] = self.mount.check(arm)
        if arm.script is not None:
            state["script"] = self.script_proof(arm)
        return state

    def disk_proof(self, workload: Workload, arm: Arm) -> dict[str, Any]:
        """Type of the file system that an arm uses instead of the volume."""
        if not arm.local or workload.place != "local-disk":
            return {}
        target = self.folder(workload)
        target.mkdir(parents=True, exist_ok=True)
        return {"disk": system.run(["findmnt", "-no", "FSTYPE", "--target", str(target)]).strip()}

    def script_proof(self, arm: Arm) -> dict[str, Any]:
        """Output of an arm's script."""
        proof = arms.prove(arm, self.plan.mount_point)
        reads = {"reads": proof.reads, "readBytes": proof.read_bytes} if arm.reads else {}
        return {"count": proof.count, **reads, "programs": proof.programs}

    def prepare_work(self, workload: Workload, seed: int) -> None:
        """Untimed: create new files, warm caches, and start the loops program."""
        folder, parameters, kind = self.folder(workload), workload.parameters, workload.kind
        self.loops.cancel()
        self.disk.release()
        if kind == "fio":
            file = programs.fio_file(folder, workload.name, parameters)
            programs.fio_renew(file, parameters)
            if workload.caches == "warm" or "memory" in parameters:
                self.warm_up([file], workload)
            if "diskReads" in parameters:
                where = self.mount.cache_folders[0] if workload.place == "mount" else folder
                self.disk.limit(where, parameters["diskReads"])
        if kind == "cat":
            self.warm_up(cat.names(folder, parameters), workload)
        if kind == "compile":
            compiling.clear(folder)
            compiling.warm_up(folder, parameters)
        if kind == "metadata":
            shutil.rmtree(folder / "work", ignore_errors=True)
            (folder / "work").mkdir(parents=True)
        if kind == "application":
            tree.make_modules(folder / "modules", parameters["modules"])
            tree.import_all(folder / "modules", parameters["modules"])
        if kind == "tagging":
            folder.mkdir(parents=True, exist_ok=True)
            first = self.plan.clients.index(self.name) * parameters["files"]
            self.pieces = tagging.corpus(seed, first, parameters["files"])
        if kind in TREE_KINDS:
            self.loops.prepare(self.script(workload, seed))

    def warm_up(self, files: list[Path], workload: Workload) -> None:
        """Read files once to cache them, or more often if their blocks are to be read without their pages."""
        of_blocks = workload.reads or "memory" in workload.parameters
        for number in range(backing.WARM_PASSES if of_blocks else 1):
            if number:
                # An extension may leave a read to the file's own pages.
                backing.drop(files)
            for file in files:
                programs.fio_warm_up(file)
        if "memory" in workload.parameters:
            # Pages of new block files can be dropped only when they are on the disk.
            os.sync()

    def empty_memory(self, workload: Workload, files: list[Path]) -> None:
        """Leave only that in memory which a workload with `memory` begins with."""
        on_mount = workload.place == "mount"
        if workload.parameters["memory"] == "none":
            backing.drop(backing.block_files(self.mount.cache_folders) if on_mount else files)
        # On the node's own disk, a file's pages are what the pages of its blocks are elsewhere.
        if on_mount:
            backing.drop(files)

    def script(self, workload: Workload, seed: int) -> str:
        """The script for the loops program."""
        setting = loops.Setting(
            folder=self.folder(workload),
            seed=seed,
            metrics=self.metrics() if workload.place == "mount" else None,
            cache_seconds=self.plan.arms[self.plan.baseline].longest,
            least=self.least(),
        )
        if workload.kind == "walk":
            return loops.walk(setting, workload.parameters, workload.caches)
        if workload.kind == "tagger":
            return loops.tagger(setting, workload.parameters, workload.caches)
        if workload.kind == "application":
            return loops.reread(setting, workload.parameters)
        of_metadata = loops.metadata if workload.place == "mount" else loops.control
        return of_metadata(setting, workload.parameters)

    def least(self) -> int:
        """This client's share of the minimum number of operations of a figure."""
        return -(-FEWEST_OPERATIONS // len(self.plan.clients))

    def work(self, workload: Workload, seed: int, start_at: float) -> dict[str, Any]:
        """Do a workload's timed work; returns how late it began, the gap after its warming, and its raw files."""
        if workload.kind in TREE_KINDS:
            return self.timed_loops(workload, start_at)
        if workload.kind == "fio":
            return self.timed_fio(workload, seed, start_at)
        if workload.kind == "compile":
            return self.timed_compile(workload, start_at)
        if workload.kind == "cat":
            return self.timed_cat(workload, start_at)
        wait_until(start_at)
        late = round(max(0.0, time.time() - start_at), 4)
        if workload.kind == "juicefs-bench":
            files = programs.juicefs_bench(self.lifeline, self.folder(workload), self.scratch, workload.parameters)
        elif workload.kind == "redis":
            host, port = self.plan.redis_host, self.plan.redis_port
            result = redis.floor(host, port, workload.parameters, lambda: self.stopped, self.least())
            files = {"loops.json": json.dumps(result).encode()}
        elif workload.kind == "lookup":
            result = lookup.run_all(self.lifeline, workload.parameters["phaseSeconds"], seed, self.scratch)
            files = {"loops.json": json.dumps(result).encode()}
        else:
            raise RuntimeError(f"this runner has no workload of the kind {workload.kind}")
        return {"late": late, "files": files}

    def timed_loops(self, workload: Workload, start_at: float) -> dict[str, Any]:
        """Run a window of the loops program."""
        result = self.loops.run(start_at, programs.GRACE_SECONDS + 10 * workload.seconds)
        phases = result.pop("loops")
        if workload.kind == "application":
            modules = self.folder(workload) / "modules"
            phases["import"] = tree.imports(modules, workload.parameters, self.least(), lambda: self.stopped)
        if workload.kind == "metadata":
            shutil.rmtree(self.folder(workload) / "work")
        if workload.caches != "warm":
            result.pop("gap", None)
        return {**result, "files": {"loops.json": json.dumps(phases).encode()}}

    def timed_fio(self, workload: Workload, seed: int, start_at: float) -> dict[str, Any]:
        """Run a window of fio."""
        parameters, warm = workload.parameters, workload.caches == "warm"
        file = programs.fio_file(self.folder(workload), workload.name, parameters)
        warmed, warm_bytes = programs.fio_keep_warm(file, start_at - GAP_SECONDS) if warm else (None, 0)
        if "memory" in parameters:
            self.empty_memory(workload, [file])
        # On the node's own disk, its own pages are the blocks.
        keep_pages = warm or (parameters.get("memory") == "blocks" and workload.place != "mount")
        try:
            wait_until(start_at)
            files = programs.fio(self.lifeline, file, self.scratch, parameters, seed, keep_pages, workload.one_pass)
        finally:
            self.disk.release()
        began = max(start_at, programs.fio_began(files["fio.json"]))
        gap = {} if warmed is None else {"gap": round(began - warmed, 4)}
        return {"late": round(began - start_at, 4), **gap, "warmBytes": warm_bytes, "files": files}

    def timed_cat(self, workload: Workload, start_at: float) -> dict[str, Any]:
        """Run a window of cat."""
        files = cat.names(self.folder(workload), workload.parameters)
        between = partial(self.empty_memory, workload, files)
        between()
        wait_until(start_at)
        late = round(max(0.0, time.time() - start_at), 4)
        result = cat.read_all(files, between, workload.seconds, lambda: self.stopped, self.least())
        return {"late": late, "files": {"loops.json": json.dumps(result).encode()}}

    def timed_compile(self, workload: Workload, start_at: float) -> dict[str, Any]:
        """Run a window of compiling."""
        folder, parameters = self.folder(workload), workload.parameters
        warmed = compiling.keep_warm(folder, parameters, start_at - GAP_SECONDS)
        wait_until(start_at)
        began = time.time()
        result = compiling.compile_all(folder, parameters, self.plan.seed, lambda: self.stopped, self.least())
        late = round(max(0.0, began - start_at), 4)
        return {"late": late, "gap": round(began - warmed, 4), "files": {"loops.json": json.dumps(result).encode()}}


def answer(action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run a function; a failure becomes {"invalid": reason}."""
    try:
        return action()
    except (ResetError, StoppedError, TimeoutError, RuntimeError, OSError, ValueError) as error:
        return {"invalid": f"{error}" or type(error).__name__, "trace": traceback.format_exc(limit=3)}


def wait_until(moment: float) -> None:
    """Sleep until this node's clock reaches a time."""
    while (left := moment - time.time()) > 0:
        time.sleep(left)
