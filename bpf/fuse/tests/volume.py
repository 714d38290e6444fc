# SPDX-License-Identifier: GPL-2.0
"""Shared by the tests with JuiceFS: Redis, a volume, clients on one machine with an agent each, and TAP output.

For a virtual machine, as root.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

DIR = sys.argv[1]  # efuse.ko, efuse-agent, efuse-check
# Milliseconds; emulated machines are slow.
BOUND = int(os.environ.get("EFUSE_BOUND", "1000"))
PATTERN = re.compile(os.environ.get("EFUSE_ONLY", ""))
META = "redis://127.0.0.1:6398/1"
OTHER_META = "redis://127.0.0.1:6398/2"
MOUNTS = ["/jfs1", "/jfs2"]


def cache_times(seconds: int) -> list[str]:
    """Mount options that set JuiceFS's three cache times in the kernel."""
    return [word for name in ("attr", "entry", "dir-entry") for word in (f"--{name}-cache", str(seconds))]


NOCACHE = cache_times(0)

# Whether each test passed.
results: list[bool] = []


def report(ok: object, title: str, why: object = "") -> None:
    results.append(bool(ok))
    print(f"{'ok' if ok else 'not ok'} {len(results)} - {title}", flush=True)
    for line in str(why).splitlines()[:20]:
        print(f"#   {line}", flush=True)


def finish() -> int:
    """Prints the TAP plan, and returns the exit status."""
    failed = results.count(False)
    print(f"1..{len(results)}\n# {failed} failed", flush=True)
    return 1 if failed or not results else 0


def wait(what: Callable[[], object], name: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.1)
    raise RuntimeError(f"timeout: waited for {name}")


def quiet(*args: str) -> int:
    return subprocess.run(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def redis_start(durable: bool = True) -> subprocess.Popen[bytes]:
    """`durable`: every change is on the disk before it is acknowledged; otherwise nothing is written there."""
    p = subprocess.Popen(
        [
            "redis-server",
            "--port",
            "6398",
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes" if durable else "no",
            "--appendfsync",
            "always",
            "--dir",
            "/tmp",
            "--logfile",
            "/tmp/redis-jfs.log",
        ]
    )
    wait(lambda: quiet("redis-cli", "-p", "6398", "ping") == 0, "redis")
    return p


def format_volume() -> None:
    """A new, empty volume."""
    quiet("redis-cli", "-p", "6398", "-n", "1", "flushall")
    format_at(META, "test", "/tmp/jfs-bucket")


def format_at(meta: str, name: str, bucket: str, options: Sequence[str] = ()) -> None:
    shutil.rmtree(bucket, ignore_errors=True)
    Path(bucket).mkdir(exist_ok=True, parents=True)
    subprocess.run(
        ["juicefs", "format", *options, "--storage", "file", "--bucket", bucket, "--trash-days", "0", meta, name],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def mounted(path: str) -> bool:
    return any(f" {path} " in line and "juicefs" in line for line in Path("/proc/self/mountinfo").open())


def mount(i: int, options: Sequence[str] = NOCACHE, meta: str = META, cache: str = "") -> None:
    log = Path(f"/tmp/jfs-mount{i}.log")
    # JuiceFS gives up after some seconds, which can be too few on a busy emulated machine.
    for _ in range(5):
        # In the foreground: starting JuiceFS's background process is slow. The agent reads the URL in the command
        # line, of which JuiceFS shows only the beginning.
        with log.open("w") as out:
            juicefs = subprocess.Popen(
                [
                    *["juicefs", "mount", meta, MOUNTS[i], *options, "--no-usage-report"],
                    *["--cache-dir", cache or f"/tmp/jfs-cache{i}"],
                ],
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        # There, a mount can take minutes.
        wait(lambda: mounted(MOUNTS[i]) or juicefs.poll() is not None, f"mount {MOUNTS[i]}", 900)  # noqa: B023
        if juicefs.poll() is None:
            return
    # A crash begins with its reason.
    said = log.read_text()[:1500]
    raise RuntimeError(f"juicefs ended with {juicefs.returncode} before it mounted {MOUNTS[i]}: {said}")


def daemons(i: int) -> list[int]:
    """Processes of the client: the daemon, and its parent, which would replace it."""
    found = subprocess.check_output(["pgrep", "-f", f"cache-dir /tmp/jfs-cache{i}"], text=True)
    return [int(pid) for pid in found.split()]


def umount(i: int) -> None:
    quiet("juicefs", "umount", "--force", MOUNTS[i])
    wait(lambda: not mounted(MOUNTS[i]), f"umount {MOUNTS[i]}")


def remount(options: Sequence[str] = NOCACHE) -> None:
    """Mounts the volume again on both clients, with these options."""
    for i in range(2):
        umount(i)
        mount(i, options)


def load_module() -> None:
    if not Path("/dev/efuse").exists():
        subprocess.run(["insmod", f"{DIR}/efuse.ko"], check=True)


class Agent:
    def __init__(
        self,
        i: int,
        mode: str = "lease",
        faults: Sequence[str] = (),
        extra: Sequence[str] = (),
        said: str = "serving",
    ) -> None:
        """Starts an agent and waits until it has said this."""
        self.i = i
        self.log = f"/tmp/agent-jfs{i}.log"
        program = "efuse-agent-faulty" if faults else "efuse-agent"
        args = [
            f"{DIR}/{program}",
            "--mount",
            MOUNTS[i],
            "--mode",
            mode,
            "--bound",
            str(BOUND),
            "--meta",
            META,
            "--metrics",
            str(9910 + i),
            *extra,
        ]
        if faults:
            args += ["--fault", ",".join(faults)]
        with Path(self.log).open("w") as log:
            self.process = subprocess.Popen(args, stdout=log, stderr=subprocess.STDOUT)
        wait(lambda: said in Path(self.log).read_text() or self.process.poll() is not None, "the agent")
        if self.process.poll() is not None:
            raise RuntimeError(Path(self.log).read_text())

    def metrics(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{9910 + self.i}/metrics"
        with urllib.request.urlopen(url, timeout=30) as r:
            return dict(line.rsplit(" ", 1) for line in r.read().decode().splitlines() if not line.startswith("#"))

    def hits(self) -> tuple[float, float]:
        """Hits, and the number of requests, of LOOKUP and GETATTR."""
        m = self.metrics()
        total = {"asked": 0.0, "hit": 0.0}
        for key, value in m.items():
            for result in total:
                if re.match(r'efuse_requests_total\{opcode="(lookup|getattr)"', key) and f'result="{result}"' in key:
                    total[result] += float(value)
        return total["hit"], total["asked"]

    def why_not(self) -> str:
        """Counts of the reasons why LOOKUP and GETATTR went to the daemon."""
        found = {}
        for key, value in self.metrics().items():
            m = re.match(r'efuse_requests_total\{opcode="(lookup|getattr)",result="(\w+)"', key)
            if m and m[2] not in ("asked", "hit", "filled", "raised"):
                found[f"{m[1]} {m[2]}"] = float(value)
        return json.dumps(found)

    def stop(self, sig: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait()
