"""What runs on a client node: prepares, resets the mount, and carries out one timed window at a time.

The driver wraps the class in a Ray actor that is pinned to the node. Whatever goes wrong in a window is an answer
(`invalid`), not an exception, so that the run goes on and the report can say why a figure is missing.
"""

import contextlib
import json
import math
import mmap
import shutil
import socket
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from . import arms, programs, rayread, redis, system, tree
from .lifeline import Lifeline
from .loop import StoppedError
from .mount import Mount, ResetError
from .plan import Arm, Plan, Workload
from .resident import resident

DROP_PORT = 9436
DATA_FOLDER = ".disgrafs-benchmark"
# Kinds of workloads that work in a tree of small files.
TREE_KINDS = ("metadata", "walk", "application")
LOCAL_FOLDER = Path("/var/tmp/disgrafs-benchmark")  # noqa: S108
# Name of the arm that a run has enabled here. What an agent leaves that is killed is not taken for the lab's own.
ENABLED_FILE = Path("/run/disgrafs/benchmark-arm")


class Agent:
    """One client's part of a run. All times it gives are of this node's clocks."""

    def __init__(self, plan: Plan, name: str, mount: Mount | None = None, lifeline: Lifeline | None = None) -> None:
        system.python_path_programs()
        self.plan = plan
        self.name = name
        self.stopped = False
        # Held by who changes the state of the mount or of an arm.
        self.lock = threading.Lock()
        self.mount = mount or Mount(plan.mount_point)
        self.scratch = Path(tempfile.mkdtemp(prefix="disgrafs-benchmark-"))
        self.lifeline = lifeline or Lifeline(plan.run_id)
        if lifeline is None:
            self.lifeline.open()
        self.iostat = programs.Iostat(self.lifeline, self.scratch / "iostat.json")
        self.enabled: Arm | None = None
        # Arms that the lab itself had enabled: disabled for the run, enabled again at its end.
        self.found: list[Arm] = []
        self.before: dict[str, Any] = {}
        self.resident: list[mmap.mmap] = []

    # --- once a run

    def facts(self) -> dict[str, Any]:
        """Facts of this node, and the version of the JuiceFS that serves the mount."""
        facts = system.facts()
        facts["versions"]["juicefs"] = self.mount.version()
        return facts

    def clock(self) -> float:
        """This node's clock, for the driver to learn its offset."""
        return time.time()

    def prepare(self) -> dict[str, str]:
        """Disable what arms enable, and make the data that the workloads read unless it is there. Needs the mount.

        Gives the arms that cannot run on this node, each with the reason.
        """
        self.mount.state()
        self.resident = resident()
        obstacles: dict[str, str] = {}
        for arm in self.plan.arms.values():
            if arm.script is None:
                continue
            reason = arms.obstacle(arm, self.plan.mount_point)
            if reason is not None:
                obstacles[arm.name] = reason
                continue
            with self.changing():
                if arms.is_active(arm, self.plan.mount_point) and system.read(ENABLED_FILE) != arm.name:
                    self.found.append(arm)
                arms.switch(arm, "disable", self.plan.mount_point)
        ENABLED_FILE.unlink(missing_ok=True)
        for workload in self.plan.workloads:
            folder = self.folder(workload)
            parameters = workload.parameters
            if workload.kind in TREE_KINDS:
                tree.make(folder / "tree", parameters["files"], parameters["directories"])
            elif workload.kind == "fio":
                programs.fio_layout(folder, parameters["fileSize"])
            elif workload.kind == "ray-read" and self.name == self.plan.clients[0]:
                rayread.make_data(self.folder(workload, shared=True), parameters)
        return obstacles

    def folder(self, workload: Workload, shared: bool = False) -> Path:
        """Where a workload keeps its data: workloads with the same shape of data share it."""
        owner = "shared" if shared else self.name
        root = Path(self.plan.mount_point) / DATA_FOLDER if workload.place == "mount" else LOCAL_FOLDER
        kind = workload.kind
        if kind in TREE_KINDS:
            kind = f"tree-{workload.parameters['files']}-{workload.parameters['directories']}"
        return root / self.plan.run_id / owner / kind

    def restore(self) -> None:
        """Go back to the state in which the lab was before the run. The caller holds the lock.

        What fails does not keep the rest from being restored; ResetError names it all.
        """
        steps: list[Callable[[], object]] = [self.disable, self.mount.restore]
        steps += [partial(arms.switch, arm, "enable", self.plan.mount_point) for arm in self.found]
        failed: list[str] = []
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
        """Change the node's state, one thread at a time, and none after `abort` has begun: it has the last word."""
        with self.lock:
            if self.stopped:
                raise StoppedError("the run was told to stop")
            yield

    def clean_up(self) -> None:
        """Remove this run's data and go back to the lab's own state."""
        with self.changing():
            self.restore()
        self.remove_data()

    def remove_data(self) -> None:
        """Remove what this run has made for its workloads."""
        for folder in (Path(self.plan.mount_point) / DATA_FOLDER, LOCAL_FOLDER):
            shutil.rmtree(folder / self.plan.run_id / self.name, ignore_errors=True)
            if self.name == self.plan.clients[0]:
                shutil.rmtree(folder / self.plan.run_id / "shared", ignore_errors=True)

    def abort(self, for_good: bool) -> None:
        """End what runs now, from another thread, and go back to the lab's own state.

        A step of the protocol that another thread is in is waited for: it would undo what is restored here. A run that
        is not to go on later (`for_good`) loses its data too.
        """
        self.stopped = True
        self.lifeline.kill()
        with self.lock:
            self.restore()
        if for_good:
            self.remove_data()
        shutil.rmtree(self.scratch, ignore_errors=True)

    # --- the cold-cache protocol, in two halves so that all nodes finish one before any begins the next

    def unmount_and_drop(self) -> dict[str, Any]:
        """First half. {"steps": [...]} or {"invalid": reason}."""

        def action() -> list[dict[str, Any]]:
            with self.changing():
                self.disable()
                return self.mount.unmount_and_drop()

        return answer(lambda: {"steps": action()})

    def drop_elsewhere(self) -> dict[str, Any]:
        """Have the nodes that are no clients drop their caches too."""
        return answer(lambda: {"steps": [drop_remote(address) for address in self.plan.cache_droppers]})

    def mount_arm(self, arm_name: str) -> dict[str, Any]:
        """Second half: mounted in the state of an arm, its script enabled and proven."""
        arm = self.plan.arms[arm_name]

        def action() -> dict[str, Any]:
            with self.changing():
                steps = self.mount.mount(arm)
            if arm.script is not None:
                with self.changing():
                    # Before it is: what fails half-way is disabled, too.
                    self.enabled = arm
                    ENABLED_FILE.parent.mkdir(parents=True, exist_ok=True)
                    ENABLED_FILE.write_text(arm.name)
                    arms.switch(arm, "enable", self.plan.mount_point)
                arms.prove(arm, self.plan.mount_point)
            return {"steps": steps}

        return answer(action)

    # --- one point

    def ready(self, workload: Workload, seed: int) -> dict[str, Any]:
        """Do what comes before the timed window: for a warm workload, the same work untimed."""

        def action() -> dict[str, Any]:
            if workload.caches == "warm":
                if workload.kind == "fio":
                    programs.fio_warm_up(programs.fio_file(self.folder(workload), workload.parameters["fileSize"]))
                else:
                    self.work(workload, seed)
            return {}

        return answer(action)

    def measure(self, workload: Workload, arm_name: str, seed: int, start_at: float) -> dict[str, Any]:
        """Carry out one timed window that begins when this node's clock shows `start_at`."""

        def action() -> dict[str, Any]:
            begun = self.begin(workload, arm_name, start_at)
            try:
                files = self.work(workload, seed)
            finally:
                ended = self.end(workload, arm_name)
            return {**begun, **ended, "files": {**files, **ended["files"]}}

        return answer(action)

    def begin(self, workload: Workload, arm_name: str, start_at: float) -> dict[str, Any]:
        """Check that the arm is in force, wait for the start, and start the observers."""
        proof = self.proof(workload, arm_name)
        late = time.time() - start_at
        if late < 0:
            time.sleep(-late)
            late = max(0.0, time.time() - start_at)
        self.iostat.start(math.ceil(window_seconds(workload)))
        self.before = {"counters": system.counters(), "proof": proof, "clock": time.monotonic()}
        return {"late": round(late, 4)}

    def end(self, workload: Workload, arm_name: str) -> dict[str, Any]:
        """Stop the observers and check that the arm was in force all the time."""
        seconds = time.monotonic() - self.before["clock"]
        counters = system.counters()
        iostat = self.iostat.stop()
        proof = self.proof(workload, arm_name)
        arm = self.plan.arms[arm_name]
        if arm.counted and workload.place == "mount":
            moved = proof["script"]["count"] - self.before["proof"]["script"]["count"]
            if moved <= 0:
                raise ResetError(f"arm {arm.name} was enabled, but its run count did not move")
        return {
            "seconds": round(seconds, 4),
            "proof": {"before": self.before["proof"], "after": proof},
            "counters": {"before": self.before["counters"], "after": counters},
            "files": {"iostat.json": iostat},
        }

    def begin_answer(self, workload: Workload, arm_name: str, start_at: float) -> dict[str, Any]:
        """`begin` for a workload that the driver carries out."""
        return answer(lambda: self.begin(workload, arm_name, start_at))

    def end_answer(self, workload: Workload, arm_name: str) -> dict[str, Any]:
        """`end` for a workload that the driver carries out."""
        return answer(lambda: self.end(workload, arm_name))

    def proof(self, workload: Workload, arm_name: str) -> dict[str, Any]:
        """Evidence that the arm is in force now. ResetError when it is not."""
        if workload.place != "mount":
            return {}
        arm = self.plan.arms[arm_name]
        state: dict[str, Any] = {"mount": self.mount.check(arm)}
        if arm.script is not None:
            proof = arms.prove(arm, self.plan.mount_point)
            state["script"] = {"count": proof.count, "programs": proof.programs}
        return state

    def work(self, workload: Workload, seed: int) -> dict[str, bytes]:
        """Do a workload's work once; gives its raw files."""
        folder, parameters = self.folder(workload), workload.parameters
        if workload.kind == "fio":
            warm = workload.caches == "warm"
            return programs.fio(self.lifeline, folder, self.scratch, parameters, seed, warm)
        if workload.kind == "juicefs-bench":
            return programs.juicefs_bench(self.lifeline, folder, self.scratch, parameters)
        if workload.kind == "metadata":
            result = tree.metadata(folder, parameters, seed, lambda: self.stopped)
        elif workload.kind == "walk":
            result = tree.walk(folder, parameters, lambda: self.stopped)
        elif workload.kind == "application":
            result = tree.application(folder, parameters, lambda: self.stopped)
        elif workload.kind == "redis":
            result = redis.floor(self.plan.redis_host, self.plan.redis_port, parameters, lambda: self.stopped)
        else:
            raise RuntimeError(f"this runner has no workload of the kind {workload.kind}")
        return {"loops.json": json.dumps(result).encode()}


def answer(action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do something; a failure becomes {"invalid": reason}."""
    try:
        return action()
    except (ResetError, StoppedError, TimeoutError, RuntimeError, OSError, ValueError) as error:
        return {"invalid": f"{error}" or type(error).__name__, "trace": traceback.format_exc(limit=3)}


def window_seconds(workload: Workload) -> float:
    """How long a workload's timed window is meant to last."""
    parameters = workload.parameters
    phases = {"metadata": 6, "walk": 2, "application": 2, "redis": 2}.get(workload.kind)
    return float(parameters["phaseSeconds"] * phases if phases else parameters["seconds"])


def drop_remote(address: str) -> dict[str, Any]:
    """Ask another node to drop its caches (disgrafs-drop-caches.socket) and check the counters it answers with."""
    begin = time.monotonic()
    with socket.create_connection((address, DROP_PORT), 30) as connection, connection.makefile() as lines:
        words = [line.split() for line in lines]
    counts: dict[str, list[int]] = {}
    for name, value in words:
        counts.setdefault(name, []).append(int(value))
    if not counts or any(len(pair) != 2 or pair[1] <= pair[0] for pair in counts.values()):
        raise ResetError(f"{address} did not confirm that it dropped its caches: {words}")
    return {"step": f"drop caches of {address}", "seconds": round(time.monotonic() - begin, 3)}
