"""A client's agent, with this machine's programs or stand-ins for them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from disgrafs_benchmark import agent as agent_module
from disgrafs_benchmark import arms, folders, mount, neighbours, programs, redis, requests, system, tree
from disgrafs_benchmark.agent import Agent
from disgrafs_benchmark.lifeline import Lifeline
from disgrafs_benchmark.loop import StoppedError
from disgrafs_benchmark.mount import Mount, ResetError
from disgrafs_benchmark.neighbours import Neighbour
from disgrafs_benchmark.plan import Arm, Workload, read_plan

Program = Callable[[str, str], Path]
PARAMETERS = {"rw": "randrw", "blockSize": 4096, "fileSize": 4096, "direct": True, "seconds": 1}


@pytest.fixture
def agent(
    plan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Program, loaded: Path
) -> Iterator[Agent]:
    """An agent whose local disk is the test's folder; without systemd, its programs are only children."""
    assert not list(loaded.iterdir())
    monkeypatch.setattr(folders, "LOCAL_FOLDER", tmp_path / "local")
    monkeypatch.setattr(agent_module, "ENABLED_FILE", tmp_path / "run" / "arm")
    monkeypatch.setattr(Neighbour, "counters", lambda _self: {"cpuTicks": 1, "stealTicks": 0, "load": 0.5})
    monkeypatch.setattr(Neighbour, "sync", lambda _self: None)
    program("iostat", 'echo "$@"; sleep 30 & trap "kill $!; exit" INT; wait')
    yield Agent(read_plan(plan_file), "node1", lifeline=Lifeline("test"))


def workload(plan_file: Path, name: str) -> Workload:
    return next(entry for entry in read_plan(plan_file).workloads if entry.name == name)


def turn(agent: Agent, work: Workload, arm: str = "ttl", ahead: float = 0.3) -> dict[str, Any]:
    """Prepare a window that begins in `ahead` seconds, and measure it."""
    readied = agent.ready(work, arm, 1)
    return readied if "invalid" in readied else agent.measure(work, arm, 1, time.time() + ahead)


@pytest.fixture
def control(agent: Agent, plan_file: Path, loops_program: Path) -> Workload:
    """A workload that needs no mount, with its tree."""
    assert loops_program.exists()
    work = workload(plan_file, "control")
    tree.make(agent.folder(work) / "tree", work.parameters["files"], 2)
    return work


def test_a_window_starts_at_the_agreed_time_and_returns_counters_and_raw_files(agent: Agent, control: Workload) -> None:
    assert agent.ready(control, "ttl", 1) == {}
    deadline = time.monotonic() + 60
    while agent.iostat.file.stat().st_size == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    start = time.time() + 0.2
    answer = agent.measure(control, "ttl", 1, start)
    assert answer.get("invalid") is None
    assert 0 <= answer["late"] < 60
    assert answer["seconds"] < answer["observedSeconds"]
    assert time.time() >= start + control.seconds / 4
    before, after = answer["counters"]["before"], answer["counters"]["after"]
    assert after["cpuTicks"] >= before["cpuTicks"]
    assert before["requests"] is None
    assert before["neighbours"] == {"10.77.0.10": {"cpuTicks": 1, "stealTicks": 0, "load": 0.5}}
    assert answer["files"]["iostat.json"].startswith(b"-dxc -o JSON 1 ")
    assert set(json.loads(answer["files"]["loops.json"])) == {"create", "stat", "unlink"}


def test_a_late_start_is_reported(agent: Agent, control: Workload) -> None:
    assert turn(agent, control, ahead=-2)["late"] >= 2


def test_a_workload_on_a_volume_that_is_not_mounted_is_invalid(
    agent: Agent, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "prepare_work", lambda _workload, _seed: None)
    answer = turn(agent, workload(plan_file, "metadata"))
    assert answer["invalid"] == "/mnt/jfs is not mounted, not fuse.juicefs"
    assert "files" not in answer


def test_a_workload_that_is_stopped_is_invalid(agent: Agent, control: Workload, plan_file: Path) -> None:
    agent.stopped = True
    with server(answer_redis) as port:
        agent.plan = replace(agent.plan, redis_host="127.0.0.1", redis_port=port)
        assert turn(agent, workload(plan_file, "redis"))["invalid"] == "StoppedError"
    agent.ready(control, "ttl", 1)
    agent.lifeline.kill()
    assert agent.ready(control, "ttl", 1)["invalid"] == "the run was told to stop"


class Extension:
    """An extension that counts each request that it sees, as the FUSE extension does."""

    def __init__(self, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = self.reads = self.bytes = 0
        counted = replace(agent.plan.arms["ttl"], name="counted", script=["unit.sh"], counted=True)
        agent.plan.arms["counted"] = counted
        agent.plan.arms["reading"] = replace(counted, name="reading", reads=True)
        monkeypatch.setattr(Mount, "metrics", lambda _self: ("127.0.0.1", 1))
        monkeypatch.setattr(requests, "counts", lambda *_where: {"lookup": self.count})
        monkeypatch.setattr(Mount, "check", self.check)
        monkeypatch.setattr(arms, "prove", self.prove)
        monkeypatch.setattr(agent, "prepare_work", lambda _workload, _seed: None)

    def prove(self, _arm: Arm, _mount_point: str) -> arms.Proof:
        """What the arm's script prints."""
        return arms.Proof(True, self.count, [], self.reads, self.bytes)

    def check(self, _arm: Arm) -> dict[str, Any]:
        """Count the requests for the mount's .config."""
        self.count += 5
        return {"type": "fuse.juicefs"}


def test_an_arm_counts_as_active_only_if_the_workloads_own_requests_reach_its_extension(
    agent: Agent, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extension = Extension(agent, monkeypatch)
    asked = [0]

    def work(_workload: Workload, _seed: int, _start: float) -> dict[str, Any]:
        extension.count += asked[0]
        return {"late": 0, "files": {}}

    monkeypatch.setattr(agent, "work", work)
    metadata = workload(plan_file, "metadata")
    assert turn(agent, metadata, "counted")["invalid"] == "arm counted was enabled, but its run count did not move"
    asked[0] = 3
    answer = turn(agent, metadata, "counted")
    proof = answer["proof"]
    assert proof["after"]["script"]["count"] - proof["before"]["script"]["count"] == 3
    assert answer["counters"]["after"]["requests"]["lookup"] - answer["counters"]["before"]["requests"]["lookup"] == 3


def test_an_arm_that_answers_reads_must_answer_some_of_a_workload_that_reads(
    agent: Agent, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extension = Extension(agent, monkeypatch)
    size, warm_bytes = [0], [0]

    def work(_workload: Workload, _seed: int, _start: float) -> dict[str, Any]:
        extension.count += 1
        extension.reads += 2 if size[0] else 0
        extension.bytes += size[0]
        return {"late": 0, "warmBytes": warm_bytes[0], "files": {}}

    monkeypatch.setattr(agent, "work", work)
    read = replace(workload(plan_file, "random-read"), reads=True)
    unanswered = "arm reading was enabled, but no read() was answered from the block cache"
    assert turn(agent, read, "reading")["invalid"] == unanswered
    assert "invalid" not in turn(agent, read, "counted")
    assert "invalid" not in turn(agent, workload(plan_file, "metadata"), "reading")
    size[0] = 8192
    proof = turn(agent, read, "reading")["proof"]
    assert (proof["before"]["script"]["reads"], proof["after"]["script"]["reads"]) == (0, 2)
    assert proof["after"]["script"]["readBytes"] == 8192
    # Reads that kept the data warm are not those of the window.
    warm_bytes[0] = 8192
    assert turn(agent, read, "reading")["invalid"] == unanswered


def test_an_arm_without_the_volume_has_its_files_on_the_nodes_own_disk(
    agent: Agent, plan_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    extension = Extension(agent, monkeypatch)
    agent.plan.arms["local"] = replace(agent.plan.arms["ttl"], name="local", local=True)
    agent.plan = replace(agent.plan, mount_point=str(tmp_path / "volume"))
    worked: list[Path] = []

    def work(workload: Workload, _seed: int, _start: float) -> dict[str, Any]:
        worked.append(agent.folder(workload))
        extension.count += 1
        return {"late": 0, "files": {}}

    monkeypatch.setattr(agent, "work", work)
    read = workload(plan_file, "random-read")
    agent.create_data(read)
    assert turn(agent, read, "local")["proof"]["after"]["disk"] not in ("", "fuse.juicefs")
    assert "disk" not in turn(agent, read, "ttl")["proof"]["after"]
    assert [folder.is_relative_to(tmp_path / "volume") for folder in worked] == [False, True]
    files = [programs.fio_file(folder, read.name, read.parameters) for folder in worked]
    assert [file.stat().st_size for file in files] == [read.parameters["fileSize"]] * 2
    assert turn(agent, read, "local")["counters"]["after"]["requests"] is None
    # The driver does the work of Ray's data set, and only ends the window here.
    ray = workload(plan_file, "ray")
    assert "invalid" not in agent.ready(ray, "local", 1)
    agent.begin_answer(time.time())
    ended = agent.end_answer(ray, "local")
    assert ended["proof"]["after"]["disk"] == ended["proof"]["before"]["disk"]
    assert ended["counters"]["after"]["requests"] is None


def test_every_client_has_the_data_of_ray_on_its_own_disk_and_one_writes_that_of_the_volume(
    agent: Agent, plan_file: Path, tmp_path: Path
) -> None:
    agent.plan.arms["local"] = replace(agent.plan.arms["ttl"], name="local", local=True)
    agent.plan = replace(agent.plan, mount_point=str(tmp_path / "volume"))
    ray = workload(plan_file, "ray")

    def files_of(first: str) -> list[int]:
        agent.plan = replace(agent.plan, clients=[first, agent.name], run_id=f"of-{first}")
        agent.create_data(ray)
        roots = (tmp_path / "volume" / folders.DATA_FOLDER, tmp_path / "local")
        return [sum(file.is_file() for file in (root / agent.plan.run_id).rglob("*")) for root in roots]

    on_volume, on_disk = files_of("another")
    assert on_volume == 0 and on_disk >= 10
    assert files_of(agent.name) == [on_disk, on_disk]


def test_a_read_of_blocks_begins_without_pages_and_one_from_the_disk_without_blocks(
    agent: Agent, plan_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dropped: list[str] = []
    monkeypatch.setattr(agent_module.backing, "drop", lambda files: dropped.extend(file.name for file in files))
    (tmp_path / "cache" / "raw").mkdir(parents=True)
    (tmp_path / "cache" / "raw" / "block").touch()
    agent.mount.cache_folders = [tmp_path / "cache"]
    own = Path("own")
    work = workload(plan_file, "random-read")
    for place, memory, expected in (
        ("mount", "blocks", ["own"]),
        ("mount", "none", ["block", "own"]),
        ("local-disk", "blocks", []),
        ("local-disk", "none", ["own"]),
    ):
        dropped.clear()
        agent.empty_memory(replace(work, place=place, parameters={"memory": memory}), [own])
        assert dropped == expected, (place, memory)


@pytest.mark.parametrize(
    ("place", "memory", "keeps"),
    [
        ("mount", None, True),
        ("mount", "blocks", False),
        ("mount", "none", False),
        ("local-disk", "blocks", True),
        ("local-disk", "none", False),
    ],
)
def test_fio_keeps_the_pages_that_are_to_be_in_memory(
    agent: Agent, plan_file: Path, monkeypatch: pytest.MonkeyPatch, place: str, memory: str | None, keeps: bool
) -> None:
    kept: list[bool] = []
    once: list[bool] = []

    def fio(*words: Any) -> dict[str, bytes]:  # noqa: ANN401
        kept.append(words[-2])
        once.append(words[-1])
        return {"fio.json": b""}

    monkeypatch.setattr(agent, "folder", lambda _workload: agent.scratch)
    monkeypatch.setattr(agent_module.backing, "drop", lambda _files: None)
    monkeypatch.setattr(programs, "fio_keep_warm", lambda _file, until: (until, 0))
    monkeypatch.setattr(programs, "fio", fio)
    work = workload(plan_file, "random-read")
    parameters = work.parameters | ({} if memory is None else {"memory": memory})
    caches = "as-is" if memory else "warm"
    work = replace(work, caches=caches, place=place, parameters=parameters)
    for one_pass in (False, True):
        agent.timed_fio(replace(work, one_pass=one_pass), 1, time.time())
    assert (kept, once) == ([keeps, keeps], [False, True])


TESTDATA = Path(__file__).parents[2] / "testdata"


def late_fio(version: str) -> str:
    """A fio that begins its job after 0.2 s, and writes a version's real output with the times of this run."""
    return f"""
sleep 0.2
start=$(date +%s%3N)
sleep 1
end=$(date +%s%3N)
for a; do case $a in --output=*)
  sed -E 's/("job_start" : )[0-9]+/\\1'$start'/; s/("timestamp_ms" : )[0-9]+/\\1'$end'/' \\
    {TESTDATA}/fio-{version}-randread.txt >"${{a#--output=}}";;
esac; done"""


def test_the_cost_of_an_arms_proof_is_outside_of_the_observed_time(
    agent: Agent, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extension = Extension(agent, monkeypatch)
    ticks = [0]

    def prove(_arm: Arm, _point: str) -> arms.Proof:
        ticks[0] += 1000
        return arms.Proof(True, extension.count)

    def work(_workload: Workload, _seed: int, _start: float) -> dict[str, Any]:
        extension.count += 1
        ticks[0] += 1
        return {"late": 0, "files": {}}

    monkeypatch.setattr(arms, "prove", prove)
    monkeypatch.setattr(system, "counters", lambda: {"cpuTicks": ticks[0], "stealTicks": 0, "pressure": {}})
    monkeypatch.setattr(agent, "work", work)
    work_of = workload(plan_file, "metadata")
    assert agent.ready(work_of, "counted", 1) == {}
    # A client that waits for a slower one has idle time, which is no part of its window.
    ticks[0] += 5000
    counters = agent.measure(work_of, "counted", 1, time.time() + 0.3)["counters"]
    assert counters["after"]["cpuTicks"] - counters["before"]["cpuTicks"] == 1


def test_what_earlier_points_left_is_written_everywhere_before_a_point(
    agent: Agent, control: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(os, "sync", lambda: order.append("here"))
    monkeypatch.setattr(Neighbour, "sync", lambda self: order.append(self.address))
    prepare = agent.prepare_work

    def prepare_work(work: Workload, seed: int) -> None:
        order.append("prepared")
        prepare(work, seed)

    monkeypatch.setattr(agent, "prepare_work", prepare_work)
    assert agent.ready(control, "ttl", 1) == {}
    assert order == ["here", "10.77.0.10", "prepared"]


@pytest.mark.parametrize("version", ["3.33", "3.39"])
def test_a_warm_fio_job_reads_its_file_until_shortly_before_its_window(
    agent: Agent, plan_file: Path, program: Program, version: str
) -> None:
    program("fio", late_fio(version))
    work = replace(workload(plan_file, "random-read"), place="local-disk")
    file = programs.fio_file(agent.folder(work), work.name, work.parameters)
    programs.fio_layout(file, work.parameters)
    answer = turn(agent, work, ahead=1)
    assert answer.get("invalid") is None
    # The job runs for a second, which is no part of either.
    assert 0.2 <= answer["late"] < 0.8
    # The first warming was a second before the window.
    assert answer["gap"] - answer["late"] < 0.6


def test_a_fio_job_is_told_to_run_for_its_whole_window(tmp_path: Path) -> None:
    command = programs.fio_command(
        tmp_path / "data", tmp_path / "out", {**PARAMETERS, "seconds": 1.5}, seed=4, keep_pages=True, once=False
    )
    assert "--time_based" in command
    pass_alone = programs.fio_command(tmp_path / "data", tmp_path / "out", PARAMETERS, 4, keep_pages=False, once=True)
    assert not {"--time_based", "--runtime=1500ms"} & set(pass_alone)
    assert [word for word in command if word.startswith("--runtime")] == ["--runtime=1500ms"]
    assert {"--invalidate=0", "--direct=1", "--randseed=5", "--size=4096", "--bs=4096"} <= set(command)


def test_a_job_that_writes_gets_a_new_file_and_one_that_reads_keeps_its_own(tmp_path: Path) -> None:
    file = programs.fio_file(tmp_path, "mixed", PARAMETERS)
    assert file != programs.fio_file(tmp_path, "random-read", PARAMETERS)
    parameters = {**PARAMETERS, "rw": "randread"}
    programs.fio_layout(file, parameters)
    first = file.read_bytes()
    programs.fio_renew(file, parameters)
    programs.fio_layout(file, parameters)
    assert file.read_bytes() == first
    programs.fio_renew(file, {**parameters, "rw": "randrw"})
    assert len(file.read_bytes()) == len(first)
    assert file.read_bytes() != first
    programs.fio_renew(file, {**parameters, "rw": "randwrite"})
    assert not file.exists()


class SlowService:
    """A service that stops when the test allows it; `mounted` is the arm's name, "lab" or None."""

    def __init__(self) -> None:
        self.mounted: str | None = "lab"
        self.stopping, self.go_on = threading.Event(), threading.Event()

    def start(self, arm: Arm | None) -> None:
        """Mount."""
        self.mounted = arm.name if arm else "lab"

    def stop(self) -> None:
        """Unmount when the test allows it."""
        self.stopping.set()
        assert self.go_on.wait(60)
        self.mounted = None


@pytest.fixture
def service(agent: Agent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SlowService:
    """The agent's mount uses this service; the other steps of the protocol do nothing."""
    service = SlowService()
    agent.mount = Mount("/volume", service)
    monkeypatch.setattr(mount, "ARM_FILE", tmp_path / "arm.env")
    monkeypatch.setattr(mount, "mount_type", lambda _point: "fuse.juicefs" if service.mounted else None)
    monkeypatch.setattr(mount, "drop_caches", lambda _proc: None)
    monkeypatch.setattr(Mount, "state", lambda _self: {})
    monkeypatch.setattr(Mount, "check", lambda _self, _arm: {})
    return service


class Script:
    """An arm's script. Its state outlives the agent, as on a machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, active: bool) -> None:
        self.active = active
        monkeypatch.setattr(arms, "obstacle", lambda _arm, _point: None)
        monkeypatch.setattr(arms, "is_active", lambda _arm, _point: self.active)
        monkeypatch.setattr(arms, "prove", lambda _arm, _point: None)
        monkeypatch.setattr(arms, "switch", self.switch)

    def switch(self, _arm: Arm, action: str, _point: str) -> str:
        """Enable or disable."""
        self.active = action == "enable"
        return ""


@pytest.mark.parametrize("labs_own", [True, False])
def test_only_an_arm_that_the_lab_had_enabled_is_enabled_again_at_the_end(
    agent: Agent, service: SlowService, monkeypatch: pytest.MonkeyPatch, labs_own: bool
) -> None:
    service.go_on.set()
    agent.plan.arms["scripted"] = replace(agent.plan.arms["ttl"], name="scripted", script=["unit.sh"])
    agent.plan.workloads.clear()
    script = Script(monkeypatch, active=labs_own)
    if not labs_own:
        assert "invalid" not in agent.mount_arm("scripted")
    assert script.active
    agent.enabled = None  # as in a new process
    agent.prepare()
    agent.clean_up()
    assert script.active is labs_own
    assert agent.prepare() == {}


@pytest.mark.parametrize("killed", [False, True])
def test_extensions_of_the_lab_are_stopped_for_the_run_and_started_again_at_its_end(
    agent: Agent, service: SlowService, loaded: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    service.go_on.set()
    fuse = replace(agent.plan.arms["ttl"], name="fuse-lease", script=["fuse.sh"], extension="fuse")
    agent.plan.arms["fuse-lease"] = fuse
    agent.plan.workloads.clear()
    script = Script(monkeypatch, active=False)
    (loaded / "redis-sockmap").touch()
    # The lab has removed it when the run ends.
    (loaded / "packet-dma").touch()
    agent.prepare()
    assert list(loaded.iterdir()) == []
    assert "invalid" not in agent.mount_arm("fuse-lease")
    assert script.active
    (loaded / "fuse").touch()
    Path(agent_module.extensions.OPTIONS_FILE.format("redis-sockmap")).touch()
    if killed:
        # The next agent finds what the arm has loaded.
        agent.enabled = None
        agent.prepare()
        assert list(loaded.iterdir()) == []
        agent.clean_up()
    else:
        (loaded / "fuse").unlink()
        agent.abort(for_good=False)
    assert [file.name for file in loaded.iterdir()] == ["redis-sockmap"]
    assert not Path(agent_module.extensions.OPTIONS_FILE.format("redis-sockmap")).exists()
    assert agent_module.extensions.stopped() == []


def test_only_the_arms_own_extension_may_be_loaded_in_its_turn(
    agent: Agent, control: Workload, service: SlowService, loaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.go_on.set()
    reason = "extensions that are not part of arm ttl are loaded: fuse"
    assert "invalid" not in agent.mount_arm("ttl")
    assert turn(agent, control)["proof"] == {"before": {"extensions": []}, "after": {"extensions": []}}
    (loaded / "fuse").touch()
    assert agent.mount_arm("ttl")["invalid"] == reason
    assert agent.ready(control, "ttl", 1)["invalid"] == reason
    monkeypatch.setitem(agent.plan.arms, "own", replace(agent.plan.arms["ttl"], name="own", extension="fuse"))
    assert turn(agent, control, "own")["proof"]["after"] == {"extensions": ["fuse"]}
    # Loaded during the window.
    (loaded / "fuse").unlink()
    assert agent.ready(control, "ttl", 1) == {}
    (loaded / "fuse").touch()
    assert agent.measure(control, "ttl", 1, time.time())["invalid"] == reason


def test_a_run_that_is_aborted_while_it_unmounts_restores_the_labs_own_mount(
    agent: Agent, service: SlowService
) -> None:
    reset = threading.Thread(target=agent.unmount_and_drop)
    reset.start()
    assert service.stopping.wait(60)
    abort = threading.Thread(target=agent.abort, args=(False,))
    abort.start()
    # It waits for the current step. If it did not, it would end within this time.
    abort.join(0.5)
    assert abort.is_alive()
    service.go_on.set()
    reset.join(60)
    abort.join(60)
    assert service.mounted == "lab"
    assert agent.mount_arm("nocache")["invalid"] == "the run was told to stop"
    assert service.mounted == "lab"


def test_an_arm_whose_script_failed_to_enable_it_is_disabled_before_the_next_mount(
    agent: Agent, service: SlowService, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def switch(arm: Arm, action: str, _point: str) -> None:
        calls.append(f"{action} {arm.name}")
        if action == "enable":
            raise ResetError("took more than 180 s")

    monkeypatch.setattr(arms, "switch", switch)
    agent.plan.arms["ext"] = Arm("ext", 1, 1, 1, {}, ["ext.sh"], "fuse", counted=True, reads=False, local=False)
    service.go_on.set()
    assert agent.mount_arm("ext")["invalid"] == "took more than 180 s"
    assert "steps" in agent.unmount_and_drop()
    assert calls == ["enable ext", "disable ext"]


def test_nothing_is_started_after_a_kill(program: Program) -> None:
    program("late", "exit 0")
    lifeline = Lifeline("test")
    lifeline.kill()
    with pytest.raises(StoppedError):
        lifeline.start(["late"])


def test_sigint_ends_a_program_although_this_process_blocks_the_signal() -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        program = Lifeline("test").start(["sleep", "60"])
        program.send_signal(signal.SIGINT)
        assert program.wait(30) == -signal.SIGINT
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def test_fio_gets_its_parameters_and_its_json_and_log_are_kept(tmp_path: Path, program: Program) -> None:
    program("fio", 'for a; do case $a in --output=*) echo "{ $* }" >"${a#--output=}";; esac; done; echo note')
    file = tmp_path / "mixed.data"
    file.touch()
    files = programs.fio(Lifeline("test"), file, tmp_path, PARAMETERS, seed=4, keep_pages=True, once=False)
    written = files["fio.json"].decode()
    assert files["fio.log"] == b"note\n"
    for option in ("--rw=randrw", "--rwmixread=70", "--direct=1", "--invalidate=0", "--output-format=json+"):
        assert f"{option} " in written
    assert f"--filename={file} " in written
    # fio would charge the flush to the reads.
    assert "--end_fsync" not in written
    writes = programs.fio(
        Lifeline("test"), file, tmp_path, {**PARAMETERS, "rw": "randwrite"}, seed=4, keep_pages=False, once=False
    )
    assert "--end_fsync=1 " in writes["fio.json"].decode()


def test_a_fio_that_fails_raises_an_error_with_its_output(tmp_path: Path, program: Program) -> None:
    program("fio", "echo no space; exit 1")
    with pytest.raises(RuntimeError, match="fio: exit status 1: no space"):
        programs.fio(Lifeline("test"), tmp_path / "data", tmp_path, PARAMETERS, seed=4, keep_pages=False, once=False)


def test_a_program_that_hangs_is_killed(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program("hang", "exec sleep 600")
    lifeline, started = Lifeline("test"), []
    start = lifeline.start

    def remember(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":  # noqa: ANN401
        started.append(start(*arguments, **options))
        return started[0]

    monkeypatch.setattr(lifeline, "start", remember)
    with (tmp_path / "log").open("wb") as log, pytest.raises(TimeoutError, match="hang took more than 0 s"):
        lifeline.run(["hang"], 0.3, log)
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_facts_of_this_machine_have_its_cpus_kernel_and_boot() -> None:
    facts = system.facts()
    assert facts["cpus"] >= 1
    assert facts["kernel"]
    assert facts["bootId"] == system.boot_id()


@contextlib.contextmanager
def server(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one connection on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                handle(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def answer_redis(connection: socket.socket) -> None:
    """Answer like Redis: a GET of an absent key, and a transaction with a GET."""
    with contextlib.suppress(ConnectionError):
        while request := connection.recv(4096):
            multi = b"MULTI" in request
            connection.sendall(b"+OK\r\n+QUEUED\r\n*1\r\n$3\r\nabc\r\n" if multi else b"$-1\r\n")


def test_redis_get_and_transaction_are_timed() -> None:
    with server(answer_redis) as port:
        result = redis.floor("127.0.0.1", port, {"phaseSeconds": 0.05})
    assert result["get"]["operations"] > 0
    assert result["multi"]["operations"] > 0


def test_an_error_of_redis_is_reported_without_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("canary\n")
    monkeypatch.setattr(redis, "PASSWORD_FILE", tmp_path / "password")
    with (
        server(lambda connection: (connection.recv(4096), connection.sendall(b"-WRONGPASS no\r\n"))) as port,  # type: ignore[arg-type,return-value]
        pytest.raises(RuntimeError, match=r"^Redis: WRONGPASS no$"),
    ):
        redis.floor("127.0.0.1", port, {"phaseSeconds": 0.05})


@contextlib.contextmanager
def neighbour(answers: dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Neighbour]:
    """A node that answers requests, all over one connection."""

    def handle(connection: socket.socket) -> None:
        for question in connection.makefile("rb"):
            connection.sendall(answers[question.strip()] + b"\n")

    with server(handle) as port:
        monkeypatch.setattr(neighbours, "PORT", port)
        found = Neighbour("127.0.0.1")
        yield found
        found.close()


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (b"drop_pagecache 1 2\ndrop_slab 1 2\n", True),
        (b"drop_pagecache 1 1\ndrop_slab 1 2\n", False),
        (b"drop_pagecache 1\ndrop_slab 1\n", False),
        (b"", False),
    ],
)
def test_a_node_must_confirm_that_it_dropped_its_caches(
    monkeypatch: pytest.MonkeyPatch, text: bytes, good: bool
) -> None:
    with neighbour({b"drop": text}, monkeypatch) as node:
        if good:
            assert node.drop()["step"] == "drop caches of 127.0.0.1"
            assert node.drop()["step"] == "drop caches of 127.0.0.1"
        else:
            with pytest.raises(ResetError, match="did not confirm"):
                node.drop()


def test_a_node_reports_its_facts_and_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = b"boot abc\nkernel 6.12\ncpus 2\nvirtualization kvm\ncpu An EPYC\n"
    look = b"boot abc\ncpu 10 0 20 69 1 0 0 5 0 0\ncpus 2\nload 0.52 0.3 0.1 1/90 7\n"
    with neighbour({b"facts": facts, b"look": look}, monkeypatch) as node:
        assert node.facts() == {
            "bootId": "abc",
            "kernel": "6.12",
            "cpus": 2,
            "virtualization": "kvm",
            "cpu": "An EPYC",
        }
        assert node.counters() == {
            "bootId": "abc",
            "cpuTicks": 105,
            "idleTicks": 70,
            "stealTicks": 5,
            "cpus": 2,
            "load": 0.52,
        }


def test_the_error_names_a_node_that_does_not_answer() -> None:
    with pytest.raises(ResetError, match=r"^127\.0\.0\.1 does not answer: "):
        Neighbour("127.0.0.1").ask("look")


def test_disgrafs_tags_only_the_corpus_and_all_data_is_removed(agent: Agent, plan_file: Path) -> None:
    """DisGraFS leaves `.disgrafs-benchmark` out: its work would disturb what is measured."""
    volume = Path(agent.plan.mount_point)
    kinds = {"control": ("metadata", "local-disk"), "random-read": ("fio", "mount"), "tagging": ("tagging", "mount")}
    work = workload(plan_file, "control")
    folders = {
        name: agent.folder(replace(work, name=name, kind=kind, place=place)) for name, (kind, place) in kinds.items()
    }
    assert folders["random-read"].is_relative_to(volume / ".disgrafs-benchmark")
    assert folders["tagging"].is_relative_to(volume / ".disgrafs-tagging")
    for folder in folders.values():
        folder.mkdir(parents=True)
    agent.remove_data()
    assert not any(folder.exists() for folder in folders.values())
