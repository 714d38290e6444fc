# SPDX-License-Identifier: GPL-2.0
"""The checker on two JuiceFS clients of one volume on one machine, and what disturbs them meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import volume as v
from volume import BOUND, DIR, MOUNTS, Agent, daemons, mount, quiet, report, wait

SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
# The checker continues for at least this number of reads, also on a slow machine.
READS = 150


def prompt(path: str) -> bool:
    """Whether a small file can be created and removed within a second."""
    start = time.monotonic()
    with Path(f"{path}/prompt{path[-1]}").open("w") as f:
        f.write("x")
    Path(f"{path}/prompt{path[-1]}").unlink()
    return time.monotonic() - start < 1


def check(
    disturb: Callable[[], object] = lambda: None,
    seconds: float = SECONDS,
    extra: Sequence[str] = (),
    limits: Sequence[str] = (),
) -> tuple[int, dict[str, Any], str]:
    """Runs the checker, calls `disturb` repeatedly meanwhile, and returns the result.

    `limits`: a command that runs the checker.
    """
    Path(MOUNTS[0] + "/check").mkdir(exist_ok=True, parents=True)
    # A mount whose Redis was down may return errors, which Path.is_dir() would raise.
    wait(lambda: os.path.isdir(MOUNTS[1] + "/check"), "the folder on the other client")  # noqa: PTH112
    # JuiceFS takes some time to reconnect to Redis.
    wait(lambda: all(prompt(m) for m in MOUNTS), "both clients to answer promptly")
    with Path("/tmp/efuse-check.err").open("w+") as said:
        p = subprocess.Popen(
            [
                *limits,
                f"{DIR}/efuse-check",
                "--bound",
                str(BOUND),
                "--seconds",
                str(seconds),
                "--seed",
                "1",
                "--reads",
                str(READS),
                *extra,
                MOUNTS[0] + "/check",
                MOUNTS[1] + "/check",
            ],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        # It prints its seed when its files are prepared; the preparation must not be disturbed.
        ready = lambda: p.poll() is not None or "seed" in Path(said.name).read_text()  # noqa: E731
        wait(ready, "the checker's preparation", 900)
        time.sleep(2)
        while p.poll() is None:
            disturb()
            time.sleep(1)
        out, _ = p.communicate()
        said.seek(0)
        return p.returncode, json.loads(out) if out.startswith("{") else {}, said.read()


class Alone(NamedTuple):
    """A client without an agent, between two times of CLOCK_MONOTONIC in seconds."""

    client: int
    since: float
    until: float

    def includes(self, missed: dict[str, float]) -> bool:
        """Whether this missed open could have gone to JuiceFS alone."""
        at_same_time = missed["sent_s"] <= self.until and missed["answered_s"] >= self.since
        return missed["client"] == self.client and at_same_time


WITHOUT_AGENTS = [Alone(i, 0, float("inf")) for i in range(2)]


def judge(
    title: str,
    result: tuple[int, dict[str, Any], str],
    agents: Sequence[Agent],
    least: int = READS,
    changes: int = 10,
    alone: Sequence[Alone] = (),
) -> None:
    """Reports whether the checker found no violation, and did this many reads and more than this many changes.

    `alone`: when a client had no agent. Then opens may be missed: JuiceFS alone has them, because its lookup and its
    open are two requests, and another client can replace the name between them.
    """
    code, r, err = result
    hits = [a.hits() for a in agents if a.process.poll() is None]
    excused = [m for m in r.get("missed", []) if any(a.includes(m) for a in alone)]
    violations = r.get("violations", {"none reported": 1})
    clean = code in (0, 1) and sum(violations.values()) == len(excused)
    ok = clean and r.get("reads", 0) >= least and r.get("changes", 0) > changes
    summary = {k: r.get(k) for k in ("reads", "changes", "errors", "longest_ms", "oldest_ms", "violations")}
    report(
        ok,
        title,
        json.dumps(summary)
        + "\n"
        + " ".join(f"hits {h:.0f} of {n:.0f}" for h, n in hits)
        + (f"\n{len(excused)} missed opens on a client without an agent" if excused else "")
        + ("" if ok else "\n" + err[-1500:]),
    )


def control(
    title: str, kinds: Sequence[str], disturb: Callable[[], object] = lambda: None, extra: Sequence[str] = ()
) -> None:
    """With the faults of the agents, the checker must find a violation of one of these kinds.

    In one run on a busy machine it may do too few operations, so it is run up to six times.
    """
    for _ in range(6):
        code, r, _err = check(disturb, seconds=max(SECONDS, 20), extra=extra)
        found = code == 1 and any(r.get("violations", {}).get(kind, 0) for kind in kinds)
        if found:
            break
    report(found, title, json.dumps(r))


class Clients:
    """Redis, and an agent for each mount."""

    def __init__(self, redis: "subprocess.Popen[bytes]", extra: Sequence[str] = ()) -> None:
        self.redis, self.extra = redis, extra
        self.options: Sequence[str] = extra
        self.agents: list[Agent] = []
        self.alone: list[Alone] = []

    def start(self, faults: Sequence[str] = (), extra: Sequence[str] = ()) -> None:
        self.options = [*self.extra, *extra]
        self.agents[:] = [Agent(i, faults=faults, extra=self.options) for i in range(2)]

    def stop(self) -> None:
        for a in self.agents:
            a.stop()

    def restart_redis(self) -> None:
        self.redis.kill()
        self.redis.wait()
        time.sleep(0.5)
        self.redis = v.redis_start()
        time.sleep(3)

    def partition(self) -> None:
        """Drops the packets of the tracking connections, but not those of JuiceFS."""
        ports = []
        for line in subprocess.run(
            ["ss", "-Htnp", "dport", "=", ":6398"], capture_output=True, text=True, check=False
        ).stdout.splitlines():
            if "efuse-agent" in line:
                ports.append(line.split()[3].rsplit(":", 1)[1])
        rules = "table inet cut {\n chain in {\n type filter hook input priority 0;\n"
        for port in ports:
            rules += f"tcp sport {port} drop\ntcp dport {port} drop\n"
        subprocess.run(["nft", "-f", "-"], input=rules + "}\n}\n", text=True, check=True)
        time.sleep(BOUND / 1000 * 2)
        quiet("nft", "delete", "table", "inet", "cut")
        time.sleep(3)

    def kill_agent(self) -> None:
        since = time.monotonic()
        self.agents[1].stop(signal.SIGKILL)
        time.sleep(1)
        self.agents[1] = Agent(1, extra=self.options)
        self.alone.append(Alone(1, since, time.monotonic()))

    def stop_agent(self) -> None:
        self.agents[0].process.send_signal(signal.SIGSTOP)
        time.sleep(BOUND / 1000 * 2)
        self.agents[0].process.send_signal(signal.SIGCONT)
        time.sleep(1)

    def kill_daemon(self) -> None:
        """Ends a mount under its users and its agent, and mounts the volume again at the same place."""
        log = Path(self.agents[1].log)
        before = log.read_text().count("serving")
        for pid in daemons(1):
            os.kill(pid, signal.SIGKILL)
        quiet("umount", "-l", MOUNTS[1])
        mount(1)
        wait(lambda: log.read_text().count("serving") > before, "the agent to find the mount")
        time.sleep(3)

    def empty_cache(self) -> None:
        """Removes all cached blocks, as JuiceFS does when it evicts them."""
        for i in range(2):
            for file in Path(f"/tmp/jfs-cache{i}").rglob("raw/chunks/**/*"):
                if file.is_file():
                    file.unlink(missing_ok=True)
        time.sleep(2)

    def fill_cache(self) -> None:
        """The file systems of the caches, which must be small, are full for a while."""
        fillers = [Path(f"/tmp/jfs-cache{i}/filler") for i in range(2)]
        for filler in fillers:
            quiet("dd", "if=/dev/zero", f"of={filler}", "bs=64k")
        time.sleep(3)
        for filler in fillers:
            filler.unlink()
        time.sleep(2)
