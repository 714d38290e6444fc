#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The checker on two JuiceFS clients of one volume on one machine, each with an agent.

Meanwhile Redis is restarted and disconnected, agents are killed and stopped, and a client is remounted. Run as root
inside a virtual machine:

    juicefs.py DIR [seconds]     DIR has efuse.ko, efuse-agent, efuse-check

Prints TAP. EFUSE_BOUND is in milliseconds (default 1000, because emulated machines are slow).
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import volume as v
from volume import BOUND, DIR, MOUNTS, PATTERN, Agent, mount, quiet, report, umount, wait

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
    disturb: Callable[[], object] = lambda: None, seconds: float = SECONDS, bound: int = BOUND
) -> tuple[int, dict[str, Any], str]:
    """Runs the checker, calls `disturb` repeatedly meanwhile, and returns the result."""
    Path(MOUNTS[0] + "/check").mkdir(exist_ok=True, parents=True)
    # A mount whose Redis was down may return errors, which Path.is_dir() would raise.
    wait(lambda: os.path.isdir(MOUNTS[1] + "/check"), "the folder on the other client")  # noqa: PTH112
    # JuiceFS takes some time to reconnect to Redis.
    wait(lambda: all(prompt(m) for m in MOUNTS), "both clients to answer promptly")
    with Path("/tmp/efuse-check.err").open("w+") as said:
        p = subprocess.Popen(
            [
                f"{DIR}/efuse-check",
                "--bound",
                str(bound),
                "--seconds",
                str(seconds),
                "--seed",
                "1",
                "--reads",
                str(READS),
                MOUNTS[0] + "/check",
                MOUNTS[1] + "/check",
            ],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        # It prints its seed when its files are prepared; the preparation must not be disturbed.
        wait(lambda: p.poll() is not None or "seed" in Path(said.name).read_text(), "the checker's preparation")
        time.sleep(2)
        while p.poll() is None:
            disturb()
            time.sleep(1)
        out, _ = p.communicate()
        said.seek(0)
        return p.returncode, json.loads(out) if out.startswith("{") else {}, said.read()


def judge(title: str, result: tuple[int, dict[str, Any], str], agents: Sequence[Agent], least: int = READS) -> None:
    code, r, err = result
    hits = [a.hits() for a in agents if a.process.poll() is None]
    ok = code == 0 and r.get("reads", 0) >= least and r.get("changes", 0) > 10
    summary = {k: r.get(k) for k in ("reads", "changes", "errors", "longest_ms", "oldest_ms", "violations")}
    report(
        ok,
        title,
        json.dumps(summary)
        + "\n"
        + " ".join(f"hits {h:.0f} of {n:.0f}" for h, n in hits)
        + ("" if ok else "\n" + err[-1500:]),
    )


def main() -> int:
    redis = v.redis_start()
    v.format_volume()
    for i in range(2):
        mount(i)
    v.load_module()
    agents: list[Agent] = []

    def start(faults: Sequence[str] = (), extra: Sequence[str] = ()) -> None:
        agents[:] = [Agent(i, faults=faults, extra=extra) for i in range(2)]

    def stop() -> None:
        for a in agents:
            a.stop()

    def restart_redis() -> None:
        nonlocal redis
        redis.kill()
        redis.wait()
        time.sleep(0.5)
        redis = v.redis_start()
        time.sleep(3)

    def partition() -> None:
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

    def kill_agent() -> None:
        agents[1].stop(signal.SIGKILL)
        time.sleep(1)
        agents[1] = Agent(1)

    def stop_agent() -> None:
        agents[0].process.send_signal(signal.SIGSTOP)
        time.sleep(BOUND / 1000 * 2)
        agents[0].process.send_signal(signal.SIGCONT)
        time.sleep(1)

    steps: list[tuple[str, Callable[[], None]]] = [
        ("two clients, nothing disturbed", lambda: None),
        ("Redis is killed and restarted", restart_redis),
        ("the tracking connections are cut off", partition),
        ("an agent is killed and started", kill_agent),
        ("an agent is stopped for longer than the bound", stop_agent),
    ]
    for title, disturb in steps:
        if not PATTERN.search(title):
            continue
        start()
        judge(title, check(disturb), agents)
        stop()

    title = "shadow mode on two clients: no mismatch"
    if PATTERN.search(title):
        start(extra=["--shadow"])
        _code, r, _err = check()
        time.sleep(BOUND / 1000 * 2 + 1)
        bad = [a.metrics()['efuse_shadow_total{result="mismatch"}'] for a in agents]
        compared = sum(float(v) for a in agents for k, v in a.metrics().items() if "shadow_match" in k)
        report(
            bad == ["0", "0"] and compared > 50,
            title,
            f"{compared:.0f} compared, mismatches {bad} {json.dumps(r.get('violations'))}\n"
            + "".join(Path(a.log).read_text()[-600:] for a in agents),
        )
        stop()

    # Without pushes, stale answers are served for as long as the lease is renewed.
    # An open() would still drop them, so no-open-raise disables that, too, and
    # no-notify the notification that JuiceFS sends at open(). tests/run.py has the
    # other faults: with no-raise, the checker cannot even prepare its files.
    for faults, violation in ((["no-push"], "bound"), (["no-push", "no-open-raise", "no-notify"], "close")):
        title = f"the checker fails with {' and '.join(faults)}: {violation}"
        if not PATTERN.search(title):
            continue
        start(faults=faults)
        code, r, _err = check(seconds=max(SECONDS, 20))
        found = r.get("violations", {})
        # A stale size is also reported as torn: size and content are of two versions.
        bad = found.get(violation, 0) + (found.get("torn", 0) if violation == "close" else 0)
        report(code == 1 and bad > 0, title, json.dumps(r))
        stop()

    title = "without the extension: the checker finds nothing"
    if PATTERN.search(title):
        judge(title, check(), [])

    title = "a client is remounted while the agent runs"
    if PATTERN.search(title):
        start()
        umount(1)
        wait(lambda: "is gone" in Path(agents[1].log).read_text(), "the agent to notice the unmount")
        mount(1)
        wait(lambda: Path(agents[1].log).read_text().count("serving") == 2, "the agent to find the mount")
        judge(title, check(), agents)
        stop()

    title = "--sink notify: notifications instead of the module"
    if PATTERN.search(title):
        for i in range(2):
            umount(i)
            mount(i, ["--attr-cache", "300", "--entry-cache", "300", "--dir-entry-cache", "300"])
        start(extra=["--sink", "notify"])
        before = [a.metrics() for a in agents]
        code, r, _err = check()
        written = sum(
            float(a.metrics()['efuse_notifications_total{result="written"}'])
            - float(b['efuse_notifications_total{result="written"}'])
            for a, b in zip(agents, before, strict=True)
        )
        # It guarantees less: for own changes and open(), only what the kernel does.
        # The test checks that notifications are written; violations are only printed.
        report(r.get("reads", 0) > 50 and written > 20, title, f"{written:.0f} notifications\n" + json.dumps(r))
        stop()

    for i in range(2):
        umount(i)
    redis.kill()
    quiet("rmmod", "efuse")
    return v.finish()


sys.exit(main())
