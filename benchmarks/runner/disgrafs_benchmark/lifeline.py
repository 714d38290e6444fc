"""Ends a workload's programs when the agent that started them ends.

A systemd scope contains a shell that waits until its standard input, a pipe from the agent, is closed, and then kills
the whole cgroup. Programs join that cgroup before they start, so it also contains forks and double forks.
"""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Any

from .loop import StoppedError
from .system import PROC, read

CGROUP = Path("/sys/fs/cgroup")
# `cat` ends when the pipe closes; the write also kills this shell, which is in the cgroup, too.
WATCH = 'cat >/dev/null; echo 1 >"/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/cgroup.kill"'


class Lifeline:
    """A cgroup of this agent's programs, killed when the agent ends or calls `kill`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.watch: subprocess.Popen[bytes] | None = None
        self.folder: Path | None = None
        self.lock = threading.Lock()
        self.killed = False

    def open(self) -> None:
        """Start the scope. RuntimeError if systemd does not create it within 60 s."""
        unit = f"disgrafs-benchmark-{self.name}-{os.getpid()}-{time.monotonic_ns()}.scope"
        command = ["systemd-run", "--scope", "--quiet", "--collect", f"--unit={unit}", "sh", "-c", WATCH]
        self.watch = subprocess.Popen(command, stdin=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.watch.poll() is None:
            folder = cgroup_of(self.watch.pid)
            if folder and folder.name == unit:
                self.folder = folder
                self.killed = False
                return
            time.sleep(0.05)
        raise RuntimeError(f"systemd did not create the scope {unit} within 60 s")

    def start(self, command: list[str], **options: Any) -> "subprocess.Popen[bytes]":  # noqa: ANN401
        """Start a program inside the cgroup; StoppedError after `kill`. `options` are Popen's."""
        with self.lock:
            if self.killed:
                raise StoppedError("the run was told to stop")
            if self.folder is None:
                return interruptible(command, **options)
            # A shell enters the cgroup and then becomes the program. With preexec_fn, Python would fork instead of
            # vfork, which copies this process's page tables: the timed loop would then fault at each page it writes.
            enter = ["sh", "-c", 'echo 0 >"$0" && exec "$@"', str(self.folder / "cgroup.procs")]
            process = interruptible([*enter, *command], **options)
            while cgroup_of(process.pid) != self.folder and process.poll() is None:
                time.sleep(0.005)
            return process

    def run(self, command: list[str], timeout: float, output: IO[bytes]) -> int:
        """Run a program and return its exit status; `output` gets its standard output and error.

        After `timeout` seconds, kills the program and raises TimeoutError.
        """
        process = self.start(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait()
            raise TimeoutError(f"{command[0]} took more than {timeout:.0f} s") from error

    def kill(self) -> None:
        """Kill everything in the cgroup and start nothing more, until `open` creates a new one."""
        with self.lock:
            self.killed = True
        if self.folder is not None:
            (self.folder / "cgroup.kill").write_text("1")
        if self.watch is not None:
            if self.folder is None:
                self.watch.send_signal(signal.SIGKILL)
            self.watch.wait()
        self.watch = None
        self.folder = None


def interruptible(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":  # noqa: ANN401
    """Start a program with SIGINT unblocked: Ray's workers block it, and their children would inherit that."""
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(command, **options)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def cgroup_of(pid: int) -> Path | None:
    """Folder of a process's cgroup; None if the process has ended."""
    path = read(PROC / str(pid) / "cgroup")
    return CGROUP / path.removeprefix("0::").lstrip("/") if path else None
