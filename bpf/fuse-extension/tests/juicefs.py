#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""JuiceFS and the checker: two clients of one volume on one machine, an agent
on each, while Redis is restarted, stopped and cut off, agents are killed and
stopped, and a client is mounted anew. Run as root inside a virtual machine:

    juicefs.py DIR [seconds]     DIR has efuse.ko, efuse-agent, efuse-check

Prints TAP. EFUSE_BOUND is in milliseconds (default 1000: machines that are
emulated are slow)."""

import json
import os
import signal
import subprocess
import sys
import time

import volume as v
from volume import BOUND, DIR, MOUNTS, PATTERN, Agent, mount, quiet, report, umount, wait

SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
# A slow machine takes longer; the checker goes on until it has judged these.
READS = 150


def prompt(path):
    """Is one small file made and gone within a second?"""
    start = time.monotonic()
    with open(f"{path}/prompt{path[-1]}", "w") as f:
        f.write("x")
    os.unlink(f"{path}/prompt{path[-1]}")
    return time.monotonic() - start < 1


def check(disturb=lambda: None, seconds=SECONDS, bound=BOUND):
    """The checker's result while `disturb` is called again and again."""
    os.makedirs(MOUNTS[0] + "/check", exist_ok=True)
    wait(lambda: os.path.isdir(MOUNTS[1] + "/check"), "the folder on the other client")
    # After Redis was away, JuiceFS takes its time to find it again.
    wait(lambda: all(prompt(m) for m in MOUNTS), "both clients to answer promptly")
    with open("/tmp/efuse-check.err", "w+") as said:
        p = subprocess.Popen([f"{DIR}/efuse-check", "--bound", str(bound), "--seconds", str(seconds), "--seed", "1",
                              "--reads", str(READS), MOUNTS[0] + "/check", MOUNTS[1] + "/check"],
                             stdout=subprocess.PIPE, stderr=said, text=True)
        # It says its seed when all is laid out, which nothing may disturb.
        wait(lambda: p.poll() is not None or "seed" in open(said.name).read(), "the checker's preparation")
        time.sleep(2)
        while p.poll() is None:
            disturb()
            time.sleep(1)
        out, _ = p.communicate()
        said.seek(0)
        return p.returncode, json.loads(out) if out.startswith("{") else {}, said.read()


def judge(title, result, agents, least=READS):
    code, r, err = result
    hits = [a.hits() for a in agents if a.process.poll() is None]
    ok = code == 0 and r.get("reads", 0) >= least and r.get("changes", 0) > 10
    summary = {k: r.get(k) for k in ("reads", "changes", "errors", "longest_ms", "oldest_ms", "violations")}
    report(ok, title, json.dumps(summary) + "\n" + " ".join(f"hits {h:.0f} of {n:.0f}" for h, n in hits) +
           ("" if ok else "\n" + err[-1500:]))


def main():
    redis = v.redis_start()
    v.format_volume()
    for i in range(2):
        mount(i)
    v.load_module()
    agents = []

    def start(**kw):
        agents[:] = [Agent(i, **kw) for i in range(2)]

    def stop():
        for a in agents:
            a.stop()

    def restart_redis():
        nonlocal redis
        redis.kill()
        redis.wait()
        time.sleep(0.5)
        redis = v.redis_start()
        time.sleep(3)

    def partition():
        """Packets of the tracking connections vanish; JuiceFS goes on."""
        ports = []
        for line in subprocess.run(["ss", "-Htnp", "dport", "=", ":6398"], capture_output=True, text=True).stdout.splitlines():
            if "efuse-agent" in line:
                ports.append(line.split()[3].rsplit(":", 1)[1])
        rules = "table inet cut {\n chain in {\n type filter hook input priority 0;\n"
        for port in ports:
            rules += f"tcp sport {port} drop\ntcp dport {port} drop\n"
        subprocess.run(["nft", "-f", "-"], input=rules + "}\n}\n", text=True, check=True)
        time.sleep(BOUND / 1000 * 2)
        quiet("nft", "delete", "table", "inet", "cut")
        time.sleep(3)

    def kill_agent():
        agents[1].stop(signal.SIGKILL)
        time.sleep(1)
        agents[1] = Agent(1)

    def stop_agent():
        agents[0].process.send_signal(signal.SIGSTOP)
        time.sleep(BOUND / 1000 * 2)
        agents[0].process.send_signal(signal.SIGCONT)
        time.sleep(1)

    steps = [
        ("two clients, nothing disturbed", {}, lambda: None),
        ("Redis is killed and restarted", {}, restart_redis),
        ("the tracking connections are cut off", {}, partition),
        ("an agent is killed and started", {}, kill_agent),
        ("an agent is stopped for longer than the bound", {}, stop_agent),
    ]
    for title, options, disturb in steps:
        if not PATTERN.search(title):
            continue
        start(**options)
        judge(title, check(disturb), agents)
        stop()

    title = "shadow mode on two clients: no mismatch"
    if PATTERN.search(title):
        start(extra=["--shadow"])
        code, r, err = check()
        time.sleep(BOUND / 1000 * 2 + 1)
        bad = [a.metrics()['efuse_shadow_total{result="mismatch"}'] for a in agents]
        compared = sum(float(v) for a in agents for k, v in a.metrics().items() if "shadow_match" in k)
        report(bad == ["0", "0"] and compared > 50, title,
               f"{compared:.0f} compared, mismatches {bad} {json.dumps(r.get('violations'))}\n" +
               "".join(open(a.log).read()[-600:] for a in agents))
        stop()

    # Without pushes a lease says nothing, and what is old stays so. What a
    # client itself does not notice, only open() would show (JuiceFS notifies the
    # kernel at open() as well, so that goes, too). tests/run.py has the rest:
    # with no-raise, the checker cannot even prepare its files.
    for faults, violation in ((["no-push"], "bound"), (["no-push", "no-open-raise", "no-notify"], "close")):
        title = f"the checker fails with {' and '.join(faults)}: {violation}"
        if not PATTERN.search(title):
            continue
        start(faults=faults)
        code, r, err = check(seconds=max(SECONDS, 20))
        found = r.get("violations", {})
        # Size and content of two versions are what an old size looks like.
        bad = found.get(violation, 0) + (found.get("torn", 0) if violation == "close" else 0)
        report(code == 1 and bad > 0, title, json.dumps(r))
        stop()

    title = "without the extension: the checker finds nothing"
    if PATTERN.search(title):
        judge(title, check(), [])

    title = "a client is mounted anew under the agent"
    if PATTERN.search(title):
        start()
        umount(1)
        wait(lambda: "is gone" in open(agents[1].log).read(), "the agent to miss the mount")
        mount(1)
        wait(lambda: open(agents[1].log).read().count("serving") == 2, "the agent to find the mount")
        judge(title, check(), agents)
        stop()

    title = "arm D: notifications instead of the module"
    if PATTERN.search(title):
        for i in range(2):
            umount(i)
            mount(i, ["--attr-cache", "300", "--entry-cache", "300", "--dir-entry-cache", "300"])
        start(extra=["--sink", "notify"])
        before = [a.metrics() for a in agents]
        code, r, err = check()
        written = sum(float(a.metrics()['efuse_notifications_total{result="written"}']) -
                      float(b['efuse_notifications_total{result="written"}']) for a, b in zip(agents, before))
        # What it promises is less: no own-change or open guarantee beyond the
        # kernel's. The figures are the result; that it works at all, the test.
        report(r.get("reads", 0) > 50 and written > 20, title,
               f"{written:.0f} notifications\n" + json.dumps(r))
        stop()

    for i in range(2):
        umount(i)
    redis.kill()
    quiet("rmmod", "efuse")
    return v.finish()


sys.exit(main())
