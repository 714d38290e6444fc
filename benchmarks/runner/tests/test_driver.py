"""The driver, with agents in this process in place of Ray's. The lab's tests use Ray."""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from disgrafs_benchmark.folders import LOCAL_FOLDER
from disgrafs_benchmark.plan import Workload, read_plan


class ActorError(Exception):
    """Stands for ray.exceptions.RayActorError."""


class Method:
    """A method of an actor. `remote` returns a call, which is made by `ray.get`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def remote(self, *arguments: object) -> Callable[[], Any]:
        """Return a call for `ray.get`."""
        return lambda: self.function(*arguments)


class Handle:
    """An actor."""

    def __init__(self, agent: "FakeAgent") -> None:
        self.agent = agent

    def __getattr__(self, name: str) -> Method:
        return Method(getattr(self.agent, name))


class Cluster:
    """Replaces Ray, and determines which errors the agents make."""

    def __init__(self) -> None:
        self.log: list[str] = []
        # Paths that Ray tasks were given.
        self.read: list[str] = []
        self.dead: set[str] = set()
        self.started: list[str] = []
        # Of the clients, and of the node of Redis.
        self.boots = {"node1": "a", "node2": "b", "10.77.0.10": "s"}
        self.failing: dict[str, int] = {}
        self.obstacles: dict[str, str] = {}
        # Delay of Ray tasks, in seconds.
        self.task_delay = 0.0

    def module(self) -> ModuleType:
        """A module with the names of Ray that the driver uses."""
        ray = ModuleType("ray")
        exceptions = ModuleType("ray.exceptions")
        for name, kind in {
            "RayActorError": ActorError,
            "RayError": ActorError,
            "GetTimeoutError": TimeoutError,
        }.items():
            setattr(exceptions, name, kind)
        names = {
            "get": lambda call, timeout=None: [one() for one in call] if isinstance(call, list) else call(),
            "remote": lambda target: self if isinstance(target, type) else Task(self),
            "exceptions": exceptions,
        }
        names["wait"] = lambda calls, num_returns, timeout: [call() for call in calls][:num_returns]
        names |= {"kill": lambda handle: self.log.append(f"{handle.agent.name} killed")}
        for name, value in names.items():
            setattr(ray, name, value)
        sys.modules["ray.exceptions"] = exceptions
        return ray

    def options(self, **options: Any) -> "Cluster":  # noqa: ANN401
        """Options of an actor: each is pinned to its client."""
        assert options["num_cpus"] == 0
        return self

    def remote(self, _plan: object, name: str) -> Handle:
        """Start an actor."""
        self.started.append(name)
        self.dead.discard(name)
        return Handle(FakeAgent(self, name))


class Task:
    """A function that Ray runs on a client. It only counts its files."""

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster = cluster

    def options(self, **options: Any) -> "Task":  # noqa: ANN401
        """Options of a task, which Ray must not retry by itself."""
        assert options["max_retries"] == 0
        return self

    def remote(self, files: list[str]) -> Callable[[], dict[str, Any]]:
        """Start a task."""

        def read() -> dict[str, Any]:
            self.cluster.log.append(f"read {len(files)} files")
            self.cluster.read += files
            return {"files": len(files), "bytes": 0, "seconds": 1, "started": time.time() + self.cluster.task_delay}

        return read


class FakeAgent:
    """An agent that logs its calls."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def note(self, text: str) -> None:
        """Log a call; fails if the agent is dead."""
        if self.name in self.cluster.dead:
            raise ActorError("The actor died.\n  Its worker is gone.")
        self.cluster.log.append(f"{self.name} {text}")

    def facts(self) -> dict[str, Any]:
        self.note("facts")
        return {"bootId": self.cluster.boots[self.name], **self.served()}

    def served(self) -> dict[str, Any]:
        """The node of Redis, which only the first client asks."""
        asks = self.name == "node1"
        return {"neighbours": {"10.77.0.10": {"bootId": self.cluster.boots["10.77.0.10"]}} if asks else {}}

    def clock(self) -> float:
        self.note("clock")
        return time.time()

    def prepare(self) -> dict[str, str]:
        self.note("prepare")
        return self.cluster.obstacles if self.name == "node2" else {}

    def create_data(self, workload: Workload) -> None:
        self.note(f"create data of {workload.name}")

    def clean_up(self) -> None:
        self.note("clean up")

    def abort(self, for_good: bool) -> None:
        with contextlib.suppress(ActorError):
            self.note("abort for good" if for_good else "abort")

    def unmount_and_drop(self) -> dict[str, Any]:
        self.note("unmount")
        if self.cluster.failing.get(self.name, 0) > 0:
            self.cluster.failing[self.name] -= 1
            return {"invalid": "drop caches: not counted"}
        return {"steps": []}

    def drop_elsewhere(self) -> dict[str, Any]:
        self.note("drop elsewhere")
        return {"steps": []}

    def mount_arm(self, arm: str) -> dict[str, Any]:
        self.note(f"mount {arm}")
        return {"steps": []}

    def ready(self, workload: Workload, _arm: str, _seed: int) -> dict[str, Any]:
        self.note(f"ready {workload.name}")
        return {}

    def begin_answer(self, _start: float) -> dict[str, Any]:
        self.note("begin")
        return {"late": 0}

    def end_answer(self, workload: Workload, arm: str) -> dict[str, Any]:
        self.note(f"end {workload.name} {arm}")
        return {"seconds": 1}

    def clear_tagging(self, _workload: Workload) -> dict[str, Any]:
        self.note("clear")
        return {}

    def write_corpus(self, _workload: Workload, _start: float) -> dict[str, Any]:
        self.note("write")
        return {"late": 0, "closed": [(int(self.name[-1]), time.time())]}

    def measure(self, workload: Workload, arm: str, seed: int, _start: float) -> dict[str, Any]:
        self.note(f"measure {workload.name} {arm} {seed}")
        counters = {"before": self.served(), "after": self.served()}
        return {"late": 0, "seconds": 1, "counters": counters, "files": {"loops.json": b"{}"}}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster in this process, for a newly imported driver module."""
    cluster = Cluster()
    monkeypatch.setitem(sys.modules, "ray", cluster.module())
    monkeypatch.delitem(sys.modules, "disgrafs_benchmark.driver", raising=False)
    yield cluster
    sys.modules.pop("ray.exceptions", None)
    sys.modules.pop("disgrafs_benchmark.driver", None)


def run(folder: Path, plan_file: Path) -> Any:  # noqa: ANN401
    """Execute the smoke plan in a folder."""
    from disgrafs_benchmark.driver import Driver

    if not (folder / "plan.json").exists():
        shutil.copy(plan_file, folder / "plan.json")
    driver = Driver(read_plan(plan_file), folder)
    driver.run()
    return driver


def points(folder: Path) -> dict[str, dict[str, Any]]:
    """Records of all points by the name of their folder."""
    return {file.parent.name: json.loads(file.read_text()) for file in sorted((folder / "points").glob("*/point.json"))}


def test_every_point_of_the_plan_is_measured_on_every_client(cluster: Cluster, tmp_path: Path, plan_file: Path) -> None:
    plan = run(tmp_path, plan_file).plan
    taken = points(tmp_path)
    assert len(taken) == plan.points
    assert all(record["invalid"] is None and set(record["clients"]) == {"node1", "node2"} for record in taken.values())
    assert json.loads((tmp_path / "end.json").read_text())["lost"] is None
    assert (tmp_path / "finished").exists()
    assert cluster.log[-2:] == ["node1 clean up", "node2 clean up"]


def test_a_run_pauses_after_the_requested_block_and_continues_from_there(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    (tmp_path / "request").write_text("1 pause\n")
    plan = run(tmp_path, plan_file).plan
    first = points(tmp_path)
    assert {record["block"] for record in first.values()} == {0, 1}
    assert (tmp_path / "finished").read_text() == f"{plan.run_id} paused after block 1\n"
    # abort() restores the mount, and the data is kept for the next start.
    assert cluster.log[-2:] == ["node1 killed", "node2 killed"]
    assert not any("clean up" in line for line in cluster.log)
    (tmp_path / "request").write_text("3 end\n")
    run(tmp_path, plan_file)
    done = points(tmp_path)
    assert len(done) == plan.points
    assert {name: done[name] for name in first} == first
    assert (tmp_path / "finished").read_text() == f"{plan.run_id} done\n"
    assert cluster.log[-2:] == ["node1 clean up", "node2 clean up"]


def test_a_paused_run_that_is_told_to_end_measures_no_further_point(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    (tmp_path / "request").write_text("1 pause\n")
    run(tmp_path, plan_file)
    first = points(tmp_path)
    (tmp_path / "request").write_text("1 end\n")
    run(tmp_path, plan_file)
    assert points(tmp_path) == first
    assert cluster.log[-2:] == ["node1 clean up", "node2 clean up"]


def test_all_clients_unmount_before_the_store_drops_its_caches_and_before_any_mounts(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    run(tmp_path, plan_file)
    begin = cluster.log.index("node1 unmount")
    assert cluster.log[begin : begin + 5] == [
        "node1 unmount",
        "node2 unmount",
        "node1 drop elsewhere",
        "node1 mount ttl",
        "node2 mount ttl",
    ]


def test_the_data_of_each_workload_is_created_on_all_clients_before_the_next(
    cluster: Cluster, tmp_path: Path, plan_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, plan_file)
    created = [line for line in cluster.log if "create data" in line]
    assert created[:2] == ["node1 create data of ray", "node2 create data of ray"]
    assert "node2 create data of metadata" in created
    assert not any("redis" in line for line in created)
    assert "creating the data of metadata: 40 files\n" in capsys.readouterr().out


def test_an_arms_turn_begins_with_a_new_mount(cluster: Cluster, tmp_path: Path, plan_file: Path) -> None:
    plan = run(tmp_path, plan_file).plan
    turns = [slot.arm for block in plan.blocks for slot in block.slots]
    # A cold workload uses that mount if it is the first; otherwise, it gets its own.
    assert [plan.workloads.index(workload) for workload in plan.workloads if workload.caches == "cold"] == [0]
    assert [line.removeprefix("node1 mount ") for line in cluster.log if line.startswith("node1 mount")] == turns


def test_a_workload_that_runs_once_runs_only_in_the_warm_up_block(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    plan = run(tmp_path, plan_file).plan
    once = {workload.name for workload in plan.workloads if workload.once}
    assert once == {"ray", "walk-warm", "tagger-warm", "application", "random-read", "juicefs-bench", "redis"}
    assert {record["block"] for record in points(tmp_path).values() if record["workload"] in once} == {0}
    small = json.loads((tmp_path / "points" / "000-0-ttl-ray" / "ray.json").read_text())["small"]
    assert small["expected"] == {"files": 8, "bytesEach": 4096}
    assert [(task["client"], task["files"]) for task in small["tasks"]] == [("node1", 4), ("node2", 4)]
    assert len([line for line in cluster.log if line.startswith("node1 measure redis")]) == 1


def test_all_arms_of_a_block_get_the_same_seed_and_each_block_another(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    run(tmp_path, plan_file)
    seeds = [line.split()[-1] for line in cluster.log if line.startswith("node1 measure control")]
    assert seeds == ["7000"] + ["7001"] * 3 + ["7002"] * 3 + ["7003"] * 3


def test_the_start_of_ray_tasks_is_chosen_after_their_processes_have_started(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    run(tmp_path, plan_file)
    begin = cluster.log.index("node2 ready ray")
    assert cluster.log[begin + 1 : begin + 9] == [
        *["read 0 files", "read 0 files"],
        *["node1 clock", "node2 clock"],
        *["node1 begin", "node2 begin"],
        *["read 4 files", "read 4 files"],
    ]


def test_ray_tasks_read_from_the_nodes_own_disk_in_an_arm_without_the_volume(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    plan = json.loads(plan_file.read_text())
    plan["workloads"] = [{**work, "once": False} for work in plan["workloads"] if work["name"] == "ray"]
    plan["arms"] = [{**arm, "local": arm["name"] == "nocache"} for arm in plan["arms"]]
    file = tmp_path / "local-plan.json"
    file.write_text(json.dumps(plan))
    run(tmp_path, file)
    on_disk = [Path(path).is_relative_to(LOCAL_FOLDER) for path in cluster.read]
    assert any(on_disk) and not all(on_disk)


@pytest.fixture
def tagging_plan(tmp_path: Path, plan_file: Path) -> Path:
    """A plan of one workload, which needs DisGraFS."""
    plan = json.loads(plan_file.read_text())
    workload = {"name": "tagging", "kind": "tagging", "once": False, "parameters": {"files": 1, "seconds": 1}}
    plan["workloads"] = [{**plan["workloads"][0], **workload, "caches": "as-is"}]
    file = tmp_path / "tagging-plan.json"
    file.write_text(json.dumps(plan))
    return file


def test_a_tagging_window_begins_when_disgrafs_is_idle_and_ends_when_all_files_are_tagged(
    cluster: Cluster, tmp_path: Path, tagging_plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from disgrafs_benchmark import tagging

    class Watch:
        error = None
        searches = (0.1,)

        def __init__(self, _words: list[str]) -> None:
            self.tagged: dict[int, list[float]] = {}

        def __enter__(self) -> "Watch":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def wait(self, inodes: set[int], _seconds: float) -> None:
            cluster.log.append(f"wait for {sorted(inodes)}")
            self.tagged = {inode: [time.time() + 2] for inode in inodes}

    monkeypatch.setattr(tagging, "Watch", Watch)
    monkeypatch.setattr(tagging, "words", lambda: ["x"])
    monkeypatch.setattr(tagging, "wait_until_calm", lambda clients, _: cluster.log.append(f"calm with {clients}"))
    run(tmp_path, tagging_plan)
    begin = cluster.log.index("node1 clear")
    assert [line for line in cluster.log[begin : begin + 12] if "clock" not in line][:9] == [
        *["node1 clear", "node2 clear", "calm with 2"],
        *["node1 ready tagging", "node2 ready tagging", "node1 write", "node2 write"],
        *["wait for [1, 2]", "node1 end tagging ttl"],
    ]
    (file, *_) = (tmp_path / "points").glob("*/tagging.json")
    result = json.loads(file.read_text())
    assert [record["client"] for record in result["files"]] == ["node1", "node2"]
    assert all(1 < record["seconds"] < 60 for record in result["files"])
    assert result["requests"] == 0


def test_a_tagging_window_is_invalid_if_disgrafs_is_not_ready(
    cluster: Cluster, tmp_path: Path, tagging_plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from disgrafs_benchmark import tagging

    def never(_clients: int, _seconds: float) -> None:
        raise RuntimeError("1 of 2 taggers ready")

    monkeypatch.setattr(tagging, "wait_until_calm", never)
    run(tmp_path, tagging_plan)
    assert cluster.started
    reasons = {record["invalid"] for record in points(tmp_path).values()}
    assert reasons == {"DisGraFS is not ready: 1 of 2 taggers ready"}


def test_a_client_whose_ray_tasks_begin_late_is_reported_as_late(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    cluster.task_delay = 7.5
    run(tmp_path, plan_file)
    clients = points(tmp_path)["000-0-ttl-ray"]["clients"]
    assert all(client["late"] > 5 for client in clients.values())


def test_a_record_has_its_start_and_end_and_the_planned_length_of_its_window(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    plan = run(tmp_path, plan_file).plan
    assert cluster.started
    phase = next(workload for workload in plan.workloads if workload.name == "metadata").parameters["phaseSeconds"]
    records = [record for record in points(tmp_path).values() if record["workload"] == "metadata"]
    assert {record["plannedSeconds"] for record in records} == {8 * phase}
    assert all(record["started"] <= record["ended"] for record in records)


def test_facts_of_every_start_are_kept(cluster: Cluster, tmp_path: Path, plan_file: Path) -> None:
    run(tmp_path, plan_file)
    cluster.boots["node2"] = "later"
    run(tmp_path, plan_file)
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert [start["clients"]["node2"]["bootId"] for start in facts["starts"]] == ["b", "later"]
    assert facts["clients"]["node2"]["bootId"] == "later"


@pytest.mark.parametrize("rebooted", ["node2", "10.77.0.10"])
def test_each_start_says_how_many_blocks_it_discarded(
    cluster: Cluster, tmp_path: Path, plan_file: Path, rebooted: str
) -> None:
    run(tmp_path, plan_file)
    for number in ("001", "002"):
        shutil.rmtree(next((tmp_path / "points").glob(f"{number}-1-*-control")))
    cluster.boots[rebooted] = "later"
    run(tmp_path, plan_file)
    starts = json.loads((tmp_path / "facts.json").read_text())["starts"]
    assert [start["discarded"] for start in starts] == [0, 2]


def test_only_missing_points_are_measured_when_a_run_is_started_again(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    run(tmp_path, plan_file)
    shutil.rmtree(next((tmp_path / "points").glob("002-1-*-control")))
    cluster.log.clear()
    started = json.loads((tmp_path / "facts.json").read_text())["started"]
    run(tmp_path, plan_file)
    assert json.loads((tmp_path / "facts.json").read_text())["started"] == started
    assert [line for line in cluster.log if "measure" in line and line.startswith("node1")] == [
        line for line in cluster.log if line.startswith("node1 measure control")
    ]
    assert len([line for line in cluster.log if line.startswith("node1 measure")]) == 1


def test_a_cold_cache_protocol_that_fails_once_is_tried_again(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    cluster.failing = {"node2": 1}
    run(tmp_path, plan_file)
    first = points(tmp_path)["000-0-ttl-ray"]
    assert first["invalid"] is None
    assert first["reset"]["firstTry"]["invalid"] == "cold-cache protocol failed: node2: drop caches: not counted"


def test_a_cold_cache_protocol_that_fails_twice_makes_only_its_point_invalid(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    cluster.failing = {"node2": 2}
    plan = run(tmp_path, plan_file).plan
    invalid = {name: record["invalid"] for name, record in points(tmp_path).items() if record["invalid"]}
    assert invalid == {
        f"000-0-ttl-{plan.workloads[0].name}": "cold-cache protocol failed: node2: drop caches: not counted"
    }
    assert "node1 begin" not in cluster.log


def test_an_arm_that_cannot_run_on_a_client_is_invalid_and_never_mounted(
    cluster: Cluster, tmp_path: Path, plan_file: Path
) -> None:
    cluster.obstacles = {"nocache": "unsupported: no BTF"}
    run(tmp_path, plan_file)
    invalid = [record for record in points(tmp_path).values() if record["invalid"]]
    assert {record["invalid"] for record in invalid} == {"node2: unsupported: no BTF"}
    assert {record["arm"] for record in invalid} == {"nocache"}
    assert all(record["invalid"] for record in points(tmp_path).values() if record["arm"] == "nocache")
    assert "node1 mount nocache" not in cluster.log


def test_an_agent_that_dies_is_replaced_and_its_point_is_invalid(
    cluster: Cluster, tmp_path: Path, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FakeAgent.measure

    def dies_once(self: FakeAgent, workload: Workload, arm: str, seed: int, start: float) -> dict[str, Any]:
        if self.name == "node2" and seed == 7002 and cluster.started.count("node2") == 1:
            cluster.dead.add("node2")
        return original(self, workload, arm, seed, start)

    monkeypatch.setattr(FakeAgent, "measure", dies_once)
    run(tmp_path, plan_file)
    invalid = [record for record in points(tmp_path).values() if record["invalid"]]
    assert [record["invalid"] for record in invalid] == ["node lost: node2: The actor died. Its worker is gone."]
    assert invalid[0]["block"] == 2
    assert cluster.started == ["node1", "node2", "node2"]
    assert json.loads((tmp_path / "end.json").read_text())["lost"] is None


def test_a_run_whose_agents_do_not_start_is_not_finished_and_starts_again_next_time(
    cluster: Cluster, tmp_path: Path, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FakeAgent.facts

    def dies(self: FakeAgent) -> dict[str, Any]:
        cluster.dead.add("node2")
        return original(self)

    with monkeypatch.context() as once:
        once.setattr(FakeAgent, "facts", dies)
        with pytest.raises(Exception, match=r"node lost: node2: The actor died\."):
            run(tmp_path, plan_file)
    # follow.sh waits for `finished`, and there are no results to collect.
    assert not (tmp_path / "finished").exists()
    assert not (tmp_path / "end.json").exists()
    assert cluster.log[-2:] == ["node1 killed", "node2 killed"]
    run(tmp_path, plan_file)
    assert (tmp_path / "finished").exists()


def test_a_node_that_is_rebooted_ends_the_run(
    cluster: Cluster, tmp_path: Path, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FakeAgent.ready

    def reboots(self: FakeAgent, workload: Workload, arm: str, seed: int) -> dict[str, Any]:
        if self.name == "node2" and seed == 7002 and cluster.started.count("node2") == 1:
            cluster.boots["node2"] = "c"
            cluster.dead.add("node2")
        return original(self, workload, arm, seed)

    monkeypatch.setattr(FakeAgent, "ready", reboots)
    run(tmp_path, plan_file)
    assert json.loads((tmp_path / "end.json").read_text())["lost"] == "node lost: node2 was rebooted during the run"
    assert max(record["block"] for record in points(tmp_path).values()) == 1
    # The mounts are restored and the data is removed.
    assert cluster.log[-4:] == ["node1 abort for good", "node2 abort for good", "node1 killed", "node2 killed"]


class Stubborn:
    """A driver that gets SIGTERM in code that turns the exception into another one."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def run(self) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except BaseException as error:
            raise SystemError("returned a result with an exception set") from error

    def show(self, line: str) -> None:
        self.log.append(line)

    def abort(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        self.log.append("aborted")


@pytest.fixture
def old_handler() -> Iterator[None]:
    """Restore the handler of SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("cluster", "old_handler")
def test_sigterm_ends_the_workloads_even_if_its_exception_changes_or_it_arrives_twice() -> None:
    sys.modules.pop("disgrafs_benchmark.__main__", None)
    from disgrafs_benchmark.__main__ import Terminator, carry_out

    driver: Any = Stubborn()
    assert carry_out(driver, Terminator(), lambda: None) == 143
    assert driver.log == ["received SIGTERM: ending the workloads on all nodes", "aborted"]


@pytest.mark.usefixtures("cluster", "old_handler")
def test_an_error_of_the_driver_is_raised_and_not_taken_for_a_stop() -> None:
    sys.modules.pop("disgrafs_benchmark.__main__", None)
    from disgrafs_benchmark.__main__ import Terminator, carry_out

    def refuse() -> None:
        raise ConnectionError("no Ray here")

    driver: Any = Stubborn()
    with pytest.raises(ConnectionError):
        carry_out(driver, Terminator(), refuse)
    assert driver.log == []
