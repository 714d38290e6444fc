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
import re
import signal
import subprocess
import sys
import time
import urllib.request

DIR = sys.argv[1]
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
# A slow machine takes longer; the checker goes on until it has judged these.
READS = 150
BOUND = int(os.environ.get("EFUSE_BOUND", "1000"))
PATTERN = re.compile(os.environ.get("EFUSE_ONLY", ""))
META = "redis://127.0.0.1:6398/1"
MOUNTS = ["/jfs1", "/jfs2"]
NOCACHE = ["--attr-cache", "0", "--entry-cache", "0", "--dir-entry-cache", "0"]

count = failed = 0


def report(ok, title, why=""):
    global count, failed
    count += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - {title}", flush=True)
    for line in str(why).splitlines()[:20]:
        print(f"#   {line}", flush=True)


def wait(what, name, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.1)
    raise RuntimeError(f"timeout: waited for {name}")


def quiet(*args, **kw):
    return subprocess.run(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kw).returncode


def redis_start():
    p = subprocess.Popen(["redis-server", "--port", "6398", "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes",
                          "--appendfsync", "always", "--dir", "/tmp", "--logfile", "/tmp/redis-jfs.log"])
    wait(lambda: quiet("redis-cli", "-p", "6398", "ping") == 0, "redis")
    return p


def mounted(path):
    return any(f" {path} " in line and "juicefs" in line for line in open("/proc/self/mountinfo"))


def mount(i, options=NOCACHE):
    # One process, in the foreground: no wait for a background that is slow.
    subprocess.Popen(["juicefs", "mount", *options, "--no-usage-report", "--cache-dir", f"/tmp/jfs-cache{i}", META,
                      MOUNTS[i]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait(lambda: mounted(MOUNTS[i]), f"mount {MOUNTS[i]}")


def umount(i):
    quiet("juicefs", "umount", "--force", MOUNTS[i])
    wait(lambda: not mounted(MOUNTS[i]), f"umount {MOUNTS[i]}")


class Agent:
    def __init__(self, i, mode="lease", faults=(), extra=()):
        self.i = i
        self.log = f"/tmp/agent-jfs{i}.log"
        args = [f"{DIR}/efuse-agent", "--mount", MOUNTS[i], "--mode", mode, "--bound", str(BOUND), "--meta", META,
                "--metrics", str(9910 + i), *extra]
        if faults:
            args += ["--fault", ",".join(faults)]
        self.process = subprocess.Popen(args, stdout=open(self.log, "w"), stderr=subprocess.STDOUT)
        wait(lambda: "serving" in open(self.log).read() or self.process.poll() is not None, "the agent")
        if self.process.poll() is not None:
            raise RuntimeError(open(self.log).read())

    def metrics(self):
        url = f"http://127.0.0.1:{9910 + self.i}/metrics"
        with urllib.request.urlopen(url, timeout=30) as r:
            return dict(line.rsplit(" ", 1) for line in r.read().decode().splitlines() if not line.startswith("#"))

    def hits(self):
        m = self.metrics()
        total = {"asked": 0.0, "hit": 0.0}
        for key, value in m.items():
            for result in total:
                if re.match(r'efuse_requests_total\{opcode="(lookup|getattr)"', key) and f'result="{result}"' in key:
                    total[result] += float(value)
        return total["hit"], total["asked"]

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait()


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
    p = subprocess.Popen([f"{DIR}/efuse-check", "--bound", str(bound), "--seconds", str(seconds), "--seed", "1",
                          "--reads", str(READS), MOUNTS[0] + "/check", MOUNTS[1] + "/check"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
    time.sleep(2)
    while p.poll() is None:
        disturb()
        time.sleep(1)
    out, err = p.communicate()
    return p.returncode, json.loads(out) if out.startswith("{") else {}, err


def judge(title, result, agents, least=READS):
    code, r, err = result
    hits = [a.hits() for a in agents if a.process.poll() is None]
    ok = code == 0 and r.get("reads", 0) >= least and r.get("changes", 0) > 10
    summary = {k: r.get(k) for k in ("reads", "changes", "errors", "longest_ms", "oldest_ms", "violations")}
    report(ok, title, json.dumps(summary) + "\n" + " ".join(f"hits {h:.0f} of {n:.0f}" for h, n in hits) +
           ("" if ok else "\n" + err[-1500:]))


def main():
    redis = redis_start()
    quiet("redis-cli", "-p", "6398", "-n", "1", "flushall")
    os.makedirs("/tmp/jfs-bucket", exist_ok=True)
    subprocess.run(["juicefs", "format", "--storage", "file", "--bucket", "/tmp/jfs-bucket", "--trash-days", "0", META,
                    "test"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for i in range(2):
        mount(i)
    if not os.path.exists("/dev/efuse"):
        subprocess.run(["insmod", f"{DIR}/efuse.ko"], check=True)
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
        redis = redis_start()
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
    print(f"1..{count}\n# {failed} failed", flush=True)
    return 1 if failed or not count else 0


sys.exit(main())
