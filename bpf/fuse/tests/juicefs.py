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
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import volume as v
from clients import WITHOUT_AGENTS, Clients, check, control, judge
from volume import BOUND, MOUNTS, PATTERN, Agent, mount, quiet, report, umount, wait

# Linux 6.16 can drop all names at once. An older kernel drops a name only if it is named, and waits for its directory.
ALL_NAMES = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 16)
# What a control must find. A stale size is also reported as torn: size and content are of two versions.
KINDS = {"bound": ["bound"], "close": ["close", "torn"], "missed": ["missed"]}


def hits_of_stats(agent: Agent, count: int = 50) -> float:
    """Number of requests answered in the kernel while a file of the mount is stated."""
    path = Path(MOUNTS[agent.i])
    before = agent.hits()[0]
    for _ in range(count):
        path.stat()
    return agent.hits()[0] - before


def daemon(i: int) -> int:
    """Process id of a mount's daemon, as it says itself."""
    config: dict[str, int] = json.loads(Path(f"{MOUNTS[i]}/.config").read_text())
    return config["Pid"]


def place_of(i: int) -> str:
    """Number of a mount in mountinfo, which a new mount at the same path would not have."""
    return next(line.split()[0] for line in Path("/proc/self/mountinfo").open() if f" {MOUNTS[i]} " in line)


def other_volumes() -> None:
    """Redis at --meta has another volume, from the start or after another volume was mounted: nothing is answered."""
    refused = "Redis at --meta has volume"
    v.format_at(v.OTHER_META, "other", "/tmp/jfs-bucket-other")
    title = "an agent with another volume's Redis answers nothing"
    if PATTERN.search(title):
        agent = Agent(0, extra=["--meta", v.OTHER_META], said=refused)
        report(hits_of_stats(agent) == 0, title, Path(agent.log).read_text())
        agent.stop()
        # Nor is its session in there.
        agent = Agent(0, faults=["no-volume", "no-session"], extra=["--meta", v.OTHER_META])
        time.sleep(BOUND / 1000)
        report(hits_of_stats(agent) > 0, f"{title}: fails with the faults no-volume and no-session")
        agent.stop()
    title = "when another volume is mounted at the same path, nothing is answered until the first one is back"
    if PATTERN.search(title):
        agent = Agent(0)
        umount(0)
        mount(0, meta=v.OTHER_META)
        wait(lambda: refused in Path(agent.log).read_text(), "the agent to refuse the other volume")
        other = hits_of_stats(agent)
        umount(0)
        mount(0)
        wait(lambda: Path(agent.log).read_text().count("serving") == 2, "the agent to find the mount")
        time.sleep(BOUND / 1000)
        first = hits_of_stats(agent)
        report(other == 0 and first > 0, title, f"{other:.0f} and {first:.0f} hits\n{Path(agent.log).read_text()}")
        agent.stop()


def refused_mounts() -> None:
    """Mounts that a lease refuses: a subdirectory, and what only the daemon's command line says."""
    url, long = v.META, ["--cache-dir", f"/tmp/jfs-cache0/{'x' * 200}"]
    cases: list[tuple[str, list[str], str, str]] = [
        ("a mount with --subdir", ["--subdir", "sub"], url, "--subdir"),
        ("a daemon with client-cache", [], f"{url}?client-cache=1", "client-cache"),
        (
            "a daemon with client-cache, among other words",
            [],
            f"{url}?read-timeout=30s&client%2Dcache=t",
            "client-cache",
        ),
        ("a daemon that may read from replicas", [], f"{url}?route-read=replica", "route-read"),
        ("a read-only mount, which has no session", ["--read-only"], url, "no session"),
        ("client-cache=false", [], f"{url}?client-cache=false", ""),
        ("a long command line", long, url, ""),
    ]
    for name, options, meta, why in cases:
        title = f"a lease refuses {name}" if why else f"a lease accepts {name}"
        if not PATTERN.search(title):
            continue
        umount(0)
        mount(0, [*v.NOCACHE, *options], meta)
        agent = Agent(0, said=f"refused: {MOUNTS[0]}" if why else "serving")
        time.sleep(BOUND / 1000)
        hits, said = hits_of_stats(agent), Path(agent.log).read_text()
        agent.stop()
        report(why in said and (hits == 0) == bool(why), title, f"{hits:.0f} hits\n{said}")
        if why:
            agent = Agent(0, mode="ttl", said="serving")
            report(True, f"{title}, and mode ttl does not")
            agent.stop()
        umount(0)
        mount(0)


def copied_database() -> None:
    """Redis at --meta is a copy of the mount's database: the same volume, but nothing is reported."""
    title = "an agent with a copy of the database answers nothing"
    if not PATTERN.search(title):
        return
    umount(0)
    mount(0, [*v.NOCACHE, "--heartbeat", "3s"])
    session = json.loads(Path(f"{MOUNTS[0]}/.config").read_text())["Meta"]["Sid"]
    agent = Agent(0)
    # The session is renewed meanwhile.
    time.sleep(20)
    served = hits_of_stats(agent)
    agent.stop()
    folder, port, copy = Path("/tmp/redis-copy"), "6397", "redis://127.0.0.1:6397/1"
    folder.mkdir(exist_ok=True)
    subprocess.run(["redis-cli", "-p", "6398", "save"], check=True, stdout=subprocess.DEVNULL)
    shutil.copy("/tmp/dump.rdb", folder / "dump.rdb")
    redis = subprocess.Popen(
        [
            *["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
            *["--logfile", "/tmp/redis-copy.log"],
        ]
    )
    wait(lambda: quiet("redis-cli", "-p", port, "-n", "1", "exists", "setting") == 0, "the copy")
    refused = f"its session {session} is not in Redis"
    # As long as the session has not expired in the copy, it cannot be told from the original.
    agent = Agent(0, extra=["--meta", copy], said=refused)
    hits = hits_of_stats(agent)
    said = Path(agent.log).read_text()
    agent.stop()
    # A client of the copy can have the same number.
    call = ["redis-cli", "-p", port, "-n", "1"]
    quiet(*call, "zadd", "allSessions", "9999999999", str(session))
    quiet(*call, "hset", "sessionInfos", str(session), '{"ProcessID": 1}')
    agent = Agent(0, extra=["--meta", copy], said=refused)
    others = hits_of_stats(agent)
    agent.stop()
    report(served > 0 and hits == 0 and others == 0, title, f"{served:.0f}, {hits:.0f}, {others:.0f} hits\n{said}")
    agent = Agent(0, faults=["no-session"], extra=["--meta", copy])
    time.sleep(BOUND / 1000)
    report(hits_of_stats(agent) > 0, f"{title}: fails with the fault no-session")
    agent.stop()
    redis.kill()
    redis.wait()
    umount(0)
    mount(0)


def late_on_first(names: bool) -> list[str]:
    """What client 0 still has 10 s after client 1 has changed it: a file's attributes, and a name."""
    changed, removed = (tuple(Path(m, name) for m in MOUNTS) for name in ("reported", "gone"))
    changed[1].write_text("x")
    removed[1].touch()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert changed[0].stat().st_size == 1 and removed[0].exists()
    changed[1].write_text("longer")
    removed[1].unlink()
    checks: list[tuple[str, Callable[[], bool]]] = [("attributes", lambda: changed[0].stat().st_size == len("longer"))]
    if names:
        checks.append(("a name", lambda: not removed[0].exists()))
    late = []
    end = time.monotonic() + 10
    for what, is_new in checks:
        while not is_new() and time.monotonic() < end:
            time.sleep(0.1)
        late += [] if is_new() else [what]
    return late


def dropped(clients: Clients) -> None:
    """The kernel's own copies end when Redis reports a change, long before they would expire."""
    minute = ["--kernel-cache", "on", "--bound", "60000"]
    cases = [
        ("--kernel-cache and a bound of a minute", minute, v.NOCACHE, ALL_NAMES, "no-drop"),
        ("--sink notify and cache times of 300 s", ["--sink", "notify"], v.cache_times(300), True, "no-push"),
    ]
    for name, extra, cached, names, fault in cases:
        title = f"with {name}, another client's change is seen within seconds"
        if not PATTERN.search(title):
            continue
        late = []
        for faults in ([], [fault]):
            v.remount(cached)
            clients.start(faults=faults, extra=extra)
            time.sleep(2)
            late.append(late_on_first(names))
            clients.stop()
        report(late[0] == [], title, f"late: {late[0]}\n{Path('/tmp/agent-jfs0.log').read_text()}")
        wanted = ["attributes", *(["a name"] if names else [])]
        report(late[1] == wanted, f"{title}: fails with the fault {fault}", f"late: {late[1]}")
    v.remount()


def warned() -> None:
    """The kernel's own cache times add to the bound, so the agent names each."""
    title = "a lease warns of each cache time of the kernel"
    if not PATTERN.search(title):
        return
    warning = "adds to the bound: mount with --"
    said = []
    for options in (v.NOCACHE, [*v.cache_times(1), "--negative-entry-cache", "1"]):
        umount(0)
        mount(0, options)
        agent = Agent(0)
        said.append(Path(agent.log).read_text())
        agent.stop()
    umount(0)
    mount(0)
    named = set(re.findall(f"{warning}(\\S+)=0", said[1]))
    all_of_them = {"attr-cache", "entry-cache", "dir-entry-cache", "negative-entry-cache"}
    report(warning not in said[0] and named == all_of_them, title, "\n".join(said))


def dead_daemon(agent: Agent) -> None:
    """A notification waits for a directory that a caller has locked, who waits for a daemon that has been killed.

    Both must return, although the agent has a copy of the daemon's descriptor. From Linux 6.16 on, none waits.
    """
    waits = not ALL_NAMES
    title = "--sink notify: a caller and the agent return when the daemon is killed under them"
    connection = os.minor(Path(MOUNTS[1]).stat().st_dev)
    waiting = Path(f"/sys/fs/fuse/connections/{connection}/waiting")
    wchan = Path(f"/proc/{agent.process.pid}/wchan")
    # Its other requests: none is left before the caller's.
    wait(lambda: int(waiting.read_text()) == 0, "the mount to be idle")
    processes = v.daemons(1)
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    caller = subprocess.Popen(["mkdir", f"{MOUNTS[1]}/stuck"], stderr=subprocess.DEVNULL)
    wait(lambda: int(waiting.read_text()) > 0, "the caller to wait for the daemon")
    Path(f"{MOUNTS[0]}/new").touch()
    if waits:
        # Some kernels name the lock's function here, others its caller.
        wait(lambda: re.search("rwsem|inval_entry", wchan.read_text()), "the notification to wait")
    else:
        time.sleep(1)
    state = wchan.read_text()
    for pid in processes:
        os.kill(pid, signal.SIGKILL)
    try:
        caller.wait(60)
        ended = "aborting its connection" if waits else "has ended"
        wait(lambda: ended in Path(agent.log).read_text(), "the agent", 60)
        why = ""
    except (subprocess.TimeoutExpired, RuntimeError) as error:
        why = str(error)
        Path(f"/sys/fs/fuse/connections/{connection}/abort").write_text("1")
    report(not why, title, f"{why}\nthe agent was in {state}\n{Path(agent.log).read_text()}")


def main() -> int:
    redis = v.redis_start()
    v.format_volume()
    for i in range(2):
        mount(i)
    v.load_module()
    clients = Clients(redis)
    agents, start, stop = clients.agents, clients.start, clients.stop

    steps: list[tuple[str, Callable[[], None]]] = [
        ("two clients, nothing disturbed", lambda: None),
        ("Redis is killed and restarted", clients.restart_redis),
        ("the tracking connections are cut off", clients.partition),
        ("an agent is killed and started", clients.kill_agent),
        ("an agent is stopped for longer than the bound", clients.stop_agent),
    ]
    # With --kernel-cache, the kernel also keeps answers until the lease ends.
    for options in ([], ["--kernel-cache", "on"]):
        for name, disturb in steps:
            title = " ".join([name, *options])
            if not PATTERN.search(title):
                continue
            start(extra=options)
            judge(title, check(disturb), agents, alone=clients.alone)
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
        control(title, KINDS[violation])
        stop()

    # What the kernel keeps after the lease, and attributes from before open().
    controls: list[tuple[Callable[[], None], list[str], str]] = [
        (clients.stop_agent, ["long-grant"], "bound"),
        (lambda: None, ["no-push", "keep-all", "no-notify"], "close"),
    ]
    for disturb, faults, violation in controls:
        title = f"the checker fails with --kernel-cache and {' and '.join(faults)}: {violation}"
        if not PATTERN.search(title):
            continue
        start(faults=faults, extra=["--kernel-cache", "on"])
        control(title, KINDS[violation], disturb)
        stop()
        # With long-grant, the kernel keeps answers for a minute.
        v.remount()

    replaced = ["--only", "replaced", "--objects", "2"]
    title = "with only replaced names, every open() finds one"
    if PATTERN.search(title):
        start()
        judge(title, check(seconds=30, extra=replaced), agents)
        stop()

    title = "with only replaced names, the checker fails with no-estale: missed"
    if PATTERN.search(title):
        start(faults=["no-estale"])
        control(title, KINDS["missed"], extra=replaced)
        stop()

    title = "without the extension: the checker finds nothing"
    if PATTERN.search(title):
        judge(title, check(), [], alone=WITHOUT_AGENTS)

    title = "a client is remounted while the agent runs"
    if PATTERN.search(title):
        start()
        umount(1)
        wait(lambda: "is gone" in Path(agents[1].log).read_text(), "the agent to notice the unmount")
        mount(1)
        wait(lambda: Path(agents[1].log).read_text().count("serving") == 2, "the agent to find the mount")
        judge(title, check(), agents)
        stop()

    title = "a daemon is replaced in place while the agent runs (a smooth upgrade of JuiceFS)"
    if PATTERN.search(title):
        start()
        old, place = daemon(1), place_of(1)
        mount(1)
        wait(lambda: daemon(1) != old, "the new daemon to take the mount over")
        wait(lambda: "has ended" in Path(agents[1].log).read_text(), "the agent to notice that the daemon has ended")
        wait(lambda: Path(agents[1].log).read_text().count("serving") == 2, "the agent to serve again")
        judge(title, check(), agents)
        report(place_of(1) == place, f"{title}: the mount stayed", f"{place} and {place_of(1)}")
        stop()

    dropped(clients)
    warned()
    other_volumes()
    refused_mounts()
    copied_database()

    title = "--sink notify: notifications instead of the module"
    if PATTERN.search(title):
        v.remount(v.cache_times(300))
        start(extra=["--sink", "notify"])
        before = [a.metrics() for a in agents]
        _code, r, _err = check()
        written = sum(
            float(a.metrics()['efuse_notifications_total{result="written"}'])
            - float(b['efuse_notifications_total{result="written"}'])
            for a, b in zip(agents, before, strict=True)
        )
        # It guarantees less: for own changes and open(), only what the kernel does.
        # The test checks that notifications are written; violations are only printed.
        report(r.get("reads", 0) > 50 and written > 20, title, f"{written:.0f} notifications\n" + json.dumps(r))
        dead_daemon(agents[1])
        stop()

    for i in range(2):
        umount(i)
    clients.redis.kill()
    quiet("rmmod", "efuse")
    return v.finish()


sys.exit(main())
