"""The Ray driver: starts one agent on each client, and measures each point of the plan on all clients at once."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from . import rayread, tagging
from .agent import CREATING, Agent
from .folders import SHARED, data_folder, placed
from .loops import GAP_SECONDS
from .plan import Block, Plan, Workload
from .programs import GRACE_SECONDS
from .progress import Progress
from .store import Store

# Before it answers, a worker process imports Ray, which takes 10 s in emulation, and minutes on a busy host.
START_SECONDS = 900.0
SHARE = 0.001
# Version of point.json (recordVersion in benchmarks/record.ts).
RECORD_VERSION = 2
# The profile `paper` has trees of 50,000 files on each client; an emulated client takes 0.2 s to write a small file.
DATA_SECONDS = 3600.0
# The end of a run also remounts the volume, which takes seconds, or half a minute in emulation on a busy host. The
# unit's TimeoutStopSec (nodes/place.sh) is longer.
ABORT_SECONDS = 60.0
# How often a run replaces an agent that died or does not answer.
MOST_REPLACEMENTS = 3


class NodeLostError(Exception):
    """Clients do not answer. The message names them and contains Ray's message."""

    def __init__(self, message: str, clients: list[str] | None = None) -> None:
        super().__init__(message)
        self.clients = clients or []


class Driver:
    """Executes a plan. `folder` contains plan.json; all other files are written there."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.store = Store(folder)
        self.progress = Progress(plan, self.show, until=self.store.request(plan).until)
        self.agents: dict[str, Any] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.replacements = 0
        # By how much each client's clock is ahead of the head's, as of the last call of start_times().
        self.offsets: dict[str, float] = {}
        # Arms that cannot run on some client, with the reason.
        self.obstacles: dict[str, str] = {}
        self.begin = time.monotonic()

    def show(self, line: str) -> None:
        """Report the progress of the run."""
        self.store.write("progress", line + "\n")
        print(line)

    def run(self) -> None:
        """Execute the whole run; points that were measured before are not measured again.

        Raises NodeLostError if not all nodes answer at the start. Nothing is measured then, and the next start of the
        unit tries again.
        """
        started = self.store.first_start() or now()
        self.show(f"benchmark {self.plan.run_id}: starting an agent on {', '.join(self.plan.clients)}")
        lost = None
        outcome = "done"
        # An earlier start that paused has written one.
        self.store.remove("end.json")
        try:
            self.start_agents()
        except NodeLostError:
            self.abort()
            raise
        try:
            self.start_readers()
            discarded = self.store.discard_unfinished(self.plan, self.boots(), self.serving_boots(), datetime.now(UTC))
            self.store.add_facts(started, now(), self.facts, discarded)
            self.prepare()
            self.create_data(list(self.agents))
            self.progress.start()
            for block in self.plan.blocks:
                # Read each time, because the user can extend the run while it goes on.
                if block.index <= self.store.request(self.plan).until:
                    self.block(block)
            request = self.store.request(self.plan)
            if request.pause:
                outcome = f"paused after block {request.until}"
                self.abort()
            else:
                self.show("removing the data")
                self.all("clean_up", timeout=DATA_SECONDS)
        except NodeLostError as error:
            # The measured points remain valid; the analysis reports which verdicts lack blocks, and why.
            lost = str(error)
            outcome = f"ended early: {lost}"
            self.abort(for_good=True)
        self.progress.live.end()
        ended = now()
        seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()
        end = {"ended": ended, "lost": lost, "seconds": round(seconds, 1)}
        self.store.write("end.json", json.dumps(end))
        self.store.write("finished", f"{self.plan.run_id} {outcome}\n")

    def start_agents(self) -> None:
        """Start one actor on each client, and read the facts of each node."""
        for name in self.plan.clients:
            self.agents[name] = self.start_agent(name)
        self.facts = self.all("facts", timeout=START_SECONDS)

    def start_agent(self, name: str) -> Any:  # noqa: ANN401
        """Start an actor pinned to a client, with several threads, so that `abort` can run during a window."""
        options = {"num_cpus": 0, "resources": {f"client_{name}": SHARE}, "max_concurrency": 4}
        return ray.remote(Agent).options(**options).remote(self.plan, name)

    def replace_agents(self, error: NodeLostError) -> None:
        """Replace lost agents. Raises NodeLostError if that fails, or if the limit of replacements is reached."""
        for name in error.clients:
            self.replacements += 1
            if self.replacements > MOST_REPLACEMENTS:
                raise error
            self.show(f"{error}: starting another agent on {name}")
            ray.kill(self.agents[name])
            self.agents[name] = self.start_agent(name)
            facts = self.gather({name: self.agents[name].facts.remote()}, START_SECONDS)[name]
            if facts["bootId"] != self.facts[name]["bootId"]:
                # The arms of a block are compared within one boot.
                raise NodeLostError(f"node lost: {name} was rebooted during the run")
            self.gather({name: self.agents[name].prepare.remote()}, DATA_SECONDS)
            self.create_data([name])

    def start_readers(self) -> None:
        """Make Ray start its worker processes now, because that takes long on a slow machine."""
        for workload in self.plan.workloads:
            if workload.kind == "ray-read":
                readers = self.readers(workload)
                self.submit([[] for _ in readers], readers)

    def prepare(self) -> None:
        """Prepare every client, and determine which arms cannot run."""
        for name, obstacles in self.all("prepare", timeout=DATA_SECONDS).items():
            for arm, reason in obstacles.items():
                self.obstacles.setdefault(arm, f"{name}: {reason}")
        for arm, reason in self.obstacles.items():
            self.show(f"arm {arm} cannot run on {reason}")

    def create_data(self, clients: list[str]) -> None:
        """Create what the workloads read, one after the other: on a slow machine, thousands of files take minutes."""
        for workload in self.plan.workloads:
            if workload.kind in CREATING:
                size = workload.parameters.get("files")
                self.show(f"creating the data of {workload.name}" + (f": {size} files" if size else ""))
                self.gather({name: self.agents[name].create_data.remote(workload) for name in clients}, DATA_SECONDS)

    def boots(self) -> dict[str, str]:
        """Boot id of each client."""
        return {name: facts["bootId"] for name, facts in self.facts.items()}

    def serving_boots(self) -> dict[str, str]:
        """Boot id of each node that serves the clients, by address; the first client has asked them."""
        nodes = self.facts[self.plan.clients[0]].get("neighbours", {})
        return {address: facts["bootId"] for address, facts in nodes.items()}

    def all(self, method: str, *arguments: object, timeout: float) -> dict[str, Any]:
        """Call a method of all agents at the same time, and wait for all answers."""
        return self.gather(
            {name: getattr(agent, method).remote(*arguments) for name, agent in self.agents.items()}, timeout
        )

    def gather(self, calls: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Wait for the calls and return the answers by client. NodeLostError names all clients that did not answer."""
        deadline = time.monotonic() + timeout
        answers: dict[str, Any] = {}
        lost: dict[str, str] = {}
        for name, call in calls.items():
            try:
                answers[name] = ray.get(call, timeout=max(0.1, deadline - time.monotonic()))
            except GetTimeoutError:
                lost[name] = f"no answer in {timeout:.0f} s"
            except RayActorError as error:
                # Ray's text is long, mostly advice; its beginning says what happened.
                lost[name] = " ".join(str(error).split())[:200]
        if lost:
            said = "; ".join(f"{name}: {reason}" for name, reason in lost.items())
            raise NodeLostError(f"node lost: {said}", list(lost))
        return answers

    def block(self, block: Block) -> None:
        """Measure all arms of a block, one after the other."""
        for slot in range(len(block.slots)):
            workloads = self.plan.workloads_in(block)
            todo = [workload for workload in workloads if not self.store.has(block, slot, workload)]
            for workload in workloads:
                if workload not in todo:
                    self.progress.finish_point(measured=False)
            if todo:
                self.slot(block, slot, todo)

    def slot(self, block: Block, slot: int, workloads: list[Workload]) -> None:
        """Measure workloads in one arm, with a new mount at the start and before each cold workload."""
        arm = block.slots[slot].arm
        reset: dict[str, Any] | None = None
        fresh = False
        for workload in workloads:
            if time.monotonic() - self.begin > self.plan.limit_seconds:
                raise NodeLostError(f"time limit of {self.plan.limit_seconds / 60:.0f} minutes reached")
            self.progress.point(block, slot, workload)
            record: dict[str, Any] = {
                "version": RECORD_VERSION,
                "block": block.index,
                "slot": slot,
                "label": block.slots[slot].label,
                "arm": arm,
                "workload": workload.name,
                "boots": self.boots(),
                "started": now(),
                # Start of the timed window by the head's clock; null if there was none.
                "windowStart": None,
                "plannedSeconds": workload.seconds,
                "reset": reset,
                "invalid": None,
                "clients": {},
            }
            files: dict[str, bytes] = {}
            try:
                if arm in self.obstacles:
                    reset = {"invalid": self.obstacles[arm]}
                elif reset is None or (workload.caches == "cold" and not fresh):
                    reset = record["reset"] = self.reset_with_retry(arm)
                    fresh = True
                record["invalid"] = reset["invalid"]
                if record["invalid"] is None:
                    files = self.point(block, slot, workload, arm, record)
                    fresh = fresh and workload.place != "mount"
                else:
                    # If the mount was not confirmed, the next workload tries it again.
                    reset = None
            except NodeLostError as error:
                record["invalid"] = str(error)
                self.replace_agents(error)
                reset = None
            record["ended"] = now()
            self.store.write_point(block, slot, workload, record, files)
            self.progress.finish_point(measured=True)

    def reset_with_retry(self, arm: str) -> dict[str, Any]:
        """Run the cold-cache protocol, and once more if a step fails: on a busy machine, the first mount can fail."""
        first = self.reset(arm)
        if first["invalid"] is None:
            return first
        return {**self.reset(arm), "firstTry": first}

    def reset(self, arm: str) -> dict[str, Any]:
        """Run the cold-cache protocol: all clients unmount before the other nodes drop caches, and then all mount."""
        phases: list[tuple[str, Callable[[], dict[str, Any]]]] = [
            ("unmount and drop", lambda: self.all("unmount_and_drop", timeout=GRACE_SECONDS)),
            ("drop on other nodes", self.drop_elsewhere),
            ("mount", lambda: self.all("mount_arm", arm, timeout=GRACE_SECONDS)),
        ]
        record: dict[str, Any] = {"invalid": None, "phases": {}}
        for name, phase in phases:
            answers = phase()
            record["phases"][name] = answers
            failed = first_invalid(answers)
            # The volume is mounted even after a failure, so that later points can run.
            record["invalid"] = record["invalid"] or (f"cold-cache protocol failed: {failed}" if failed else None)
        return record

    def drop_elsewhere(self) -> dict[str, Any]:
        """Make the first client ask the nodes without an agent to drop their caches."""
        first = self.plan.clients[0]
        if not self.plan.cache_droppers:
            return {}
        return self.gather({first: self.agents[first].drop_elsewhere.remote()}, GRACE_SECONDS)

    def point(self, block: Block, slot: int, workload: Workload, arm: str, record: dict[str, Any]) -> dict[str, bytes]:
        """Run one timed window on all clients; fills in the record and returns the raw files."""
        # All arms of a block do the same work; each block does different work.
        seed = self.plan.seed * 1000 + block.index
        if workload.kind == "tagging":
            record["invalid"] = self.calm_down(workload)
            if record["invalid"]:
                return {}
        readied = self.all("ready", workload, arm, seed, timeout=GRACE_SECONDS + 2 * workload.seconds)
        record["invalid"] = first_invalid(readied)
        if record["invalid"]:
            return {}
        files: dict[str, bytes] = {}
        if workload.kind == "ray-read":
            answers, files["ray.json"] = self.ray_read(workload, arm, seed, record)
        elif workload.kind == "tagging":
            answers, files["tagging.json"] = self.tagging(workload, arm, record)
        else:
            starts, record["windowStart"] = self.start_times()
            calls = {
                name: agent.measure.remote(workload, arm, seed, starts[name]) for name, agent in self.agents.items()
            }
            answers = self.gather(calls, GRACE_SECONDS * 2 + 10 * workload.seconds)
        record["invalid"] = first_invalid(answers)
        for name, client in answers.items():
            for file, content in client.pop("files", {}).items():
                files[f"{name}.{file}"] = content
            record["clients"][name] = client
        return files

    def start_times(self) -> tuple[dict[str, float], str]:
        """Choose a common start in the near future; returns it by each client's clock, and as text by the head's."""
        offsets: dict[str, float] = {}
        slowest = 0.0
        for name, agent in self.agents.items():
            before = time.time()
            there = self.gather({name: agent.clock.remote()}, GRACE_SECONDS)[name]
            after = time.time()
            offsets[name] = there - (before + after) / 2
            slowest = max(slowest, after - before)
        # Late enough for all clients to get the call and to warm their data again. A late client reports it.
        start = time.time() + 2 * GAP_SECONDS + 3 * slowest
        starts = {name: start + offset for name, offset in offsets.items()}
        self.offsets = offsets
        return starts, datetime.fromtimestamp(start, UTC).isoformat(timespec="milliseconds")

    def readers(self, workload: Workload) -> list[str]:
        """The client of each Ray task."""
        return [name for name in self.plan.clients for _ in range(workload.parameters["tasksPerClient"])]

    def submit(self, shards: list[list[str]], readers: list[str]) -> list[Any]:
        """Start one task per shard, on the reader's client."""
        read = ray.remote(rayread.read_files)
        return [
            read.options(num_cpus=0, resources={f"client_{name}": SHARE}, max_retries=0).remote(shard)
            for name, shard in zip(readers, shards, strict=True)
        ]

    def ray_read(self, workload: Workload, arm: str, seed: int, record: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Let Ray tasks read the data set while the agents observe. The driver's times include Ray's own cost."""
        parameters = workload.parameters
        readers = self.readers(workload)
        folder = data_folder(self.plan, placed(workload, self.plan.arms[arm]), SHARED)

        def read(shards: list[list[str]]) -> list[dict[str, Any]]:
            return list(ray.get(self.submit(shards, readers), timeout=GRACE_SECONDS + 10 * parameters["seconds"]))

        # Wait until all worker processes have started.
        read([[] for _ in readers])
        starts, record["windowStart"] = self.start_times()
        begun = {name: agent.begin_answer.remote(starts[name]) for name, agent in self.agents.items()}
        answers = self.gather(begun, GRACE_SECONDS)
        result: dict[str, Any] = {}
        failed: str | None = None
        try:
            for kind in ("small", "large"):
                before = time.perf_counter()
                done = read(rayread.shards(folder, kind, len(readers), parameters, seed))
                result[kind] = {
                    "seconds": time.perf_counter() - before,
                    # The analysis checks that all of this was read, and that each client read its share.
                    "expected": {
                        "files": rayread.count(kind, parameters, len(readers)),
                        "bytesEach": parameters[f"{kind}Bytes"],
                    },
                    "tasks": [{"client": name, **task} for name, task in zip(readers, done, strict=True)],
                }
            # A client is as late as the last of its tasks.
            for task in result["small"]["tasks"]:
                client = answers[task["client"]]
                client["late"] = round(max(client["late"], task["started"] - starts[task["client"]]), 4)
        except RayError as error:
            failed = f"a Ray task failed: {str(error).splitlines()[0][:200]}"
        ended = self.all("end_answer", workload, arm, timeout=GRACE_SECONDS)
        for name, client in ended.items():
            answers[name] = {**answers[name], **client, **({"invalid": failed} if failed else {})}
        return answers, json.dumps(result).encode()

    def calm_down(self, workload: Workload) -> str | None:
        """Wait until DisGraFS has finished earlier work and its taggers are ready; returns a reason if that fails."""
        failed = first_invalid(self.all("clear_tagging", workload, timeout=GRACE_SECONDS))
        if failed:
            return failed
        try:
            tagging.wait_until_calm(len(self.plan.clients), GRACE_SECONDS)
        except Exception as error:
            return f"DisGraFS is not ready: {error}"
        return None

    def tagging(self, workload: Workload, arm: str, record: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Let the clients write files, and watch the graph until all of these files have tags."""
        patience = GRACE_SECONDS + 10 * workload.seconds
        result: dict[str, Any] = {}
        failed: str | None = None
        with tagging.Watch(tagging.words()) as watch:
            starts, record["windowStart"] = self.start_times()
            first = self.plan.clients[0]
            start = starts[first] - self.offsets[first]
            calls = {name: agent.write_corpus.remote(workload, starts[name]) for name, agent in self.agents.items()}
            answers = self.gather(calls, patience)
            closed = [
                (name, inode, moment - self.offsets[name])
                for name, client in answers.items()
                for inode, moment in client.pop("closed", [])
            ]
            watch.wait({inode for _, inode, _ in closed}, patience)
        try:
            result = tagging.record(watch, closed, start)
        except RuntimeError as error:
            failed = str(error)
        ended = self.all("end_answer", workload, arm, timeout=GRACE_SECONDS)
        for name, client in ended.items():
            answers[name] = {**client, **answers[name], **({"invalid": failed} if failed else {})}
        result["requests"] = sum(asked(client) for client in answers.values())
        return answers, json.dumps(result).encode()

    def abort(self, for_good: bool = False) -> None:
        """End the workloads on all nodes and restore their mounts, within ABORT_SECONDS.

        `for_good` also removes the data, because the run will not continue; that may take GRACE_SECONDS.
        """
        calls = [agent.abort.remote(for_good) for agent in self.agents.values()]
        ray.wait(calls, num_returns=len(calls), timeout=GRACE_SECONDS if for_good else ABORT_SECONDS) if calls else None
        for agent in self.agents.values():
            ray.kill(agent)
        self.agents = {}


def first_invalid(answers: dict[str, Any]) -> str | None:
    """The first reason among clients' answers, with the client's name; None if all are valid."""
    return next((f"{name}: {entry['invalid']}" for name, entry in answers.items() if entry.get("invalid")), None)


def asked(client: dict[str, Any]) -> int:
    """Number of FUSE requests of a client during its window."""
    counters = client.get("counters", {})
    before, after = (counters.get(when, {}).get("requests") or {} for when in ("before", "after"))
    return sum(count - before.get(method, 0) for method, count in after.items())


def now() -> str:
    """The current time in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
