"""Runs external programs: fio, `juicefs bench` and iostat. Their output is stored unchanged."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from .data import write_random
from .lifeline import Lifeline

# How much longer than its timed window a program may take to start, flush and end; in emulation, up to a minute.
GRACE_SECONDS = 300.0
# Additional samples for iostat, which starts before the start of a window is chosen and is ended after the window.
WAITING_SAMPLES = 60
# fio's names of jobs that only read, and of jobs that only write.
READERS = ("read", "randread")
WRITERS = ("write", "randwrite")


def fio_command(
    file: Path, output: Path, parameters: dict[str, Any], seed: int, keep_pages: bool, once: bool
) -> list[str]:
    """Command of a fio job on one file.

    Without `keep_pages`, fio drops the file's pages, and again after each pass. With `once`, it reads nothing twice:
    after one pass, the blocks are on this node and in its memory, whatever the window began with.
    """
    return [
        "fio",
        "--name=job",
        f"--filename={file}",
        f"--rw={parameters['rw']}",
        *(["--rwmixread=70"] if parameters["rw"] == "randrw" else []),
        f"--bs={parameters['blockSize']}",
        f"--size={parameters['fileSize']}",
        f"--direct={int(parameters['direct'])}",
        f"--invalidate={int(not keep_pages)}",
        f"--ioengine={parameters.get('engine', 'psync')}",
        "--thread",
        *([] if once else ["--time_based"]),
        f"--runtime={round(parameters['seconds'] * 1000)}ms",
        "--fallocate=none",
        # A rate of writes includes the flush. Not for mixed jobs, because fio would also charge it to their reads.
        *(["--end_fsync=1"] if parameters["rw"] in WRITERS else []),
        f"--randseed={seed + 1}",
        # json+ has the whole latency histogram; percentiles of clients and blocks cannot be averaged.
        "--output-format=json+",
        f"--output={output}",
    ]


def fio_file(folder: Path, name: str, parameters: dict[str, Any]) -> Path:
    """The file of a workload's job. Jobs that write do not share files, because writing fragments a file.

    Jobs that differ only in what is in memory share one.
    """
    return folder / (f"blocks-{parameters['fileSize']}.data" if "memory" in parameters else f"{name}.data")


def fio_layout(file: Path, parameters: dict[str, Any]) -> None:
    """Create the file of a job that only reads, unless it exists."""
    size = parameters["fileSize"]
    if parameters["rw"] not in READERS or (file.exists() and file.stat().st_size == size):
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    write_random(file, size)


def fio_renew(file: Path, parameters: dict[str, Any]) -> None:
    """Give a job that writes a new file, untimed, so that earlier jobs' writes do not slow it down.

    The file of a mixed job has new data. A job that only writes begins without a file.
    """
    if parameters["rw"] in READERS:
        return
    file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    if parameters["rw"] not in WRITERS:
        write_random(file, parameters["fileSize"])


def fio(
    lifeline: Lifeline, file: Path, scratch: Path, parameters: dict[str, Any], seed: int, keep_pages: bool, once: bool
) -> dict[str, bytes]:
    """Run one job; returns fio's `fio.json` and, if there was other output, `fio.log`."""
    output = scratch / "fio.json"
    output.unlink(missing_ok=True)
    log_file = scratch / "fio.log"
    command = fio_command(file, output, parameters, seed, keep_pages, once)
    with log_file.open("wb") as log:
        status = lifeline.run(command, parameters["seconds"] + GRACE_SECONDS, log)
    files = {"fio.json": output.read_bytes() if output.exists() else b"", "fio.log": log_file.read_bytes()}
    if status != 0:
        raise RuntimeError(f"fio: exit status {status}: {files['fio.log'].decode(errors='replace').strip()[-300:]}")
    if parameters["rw"] not in READERS:
        flush(file)
    return {name: data for name, data in files.items() if data or name == "fio.json"}


def fio_began(output: bytes) -> float:
    """The time at which fio's job began, in seconds; 0 if the output does not tell.

    Debian 12's fio 3.33 does not report it. The time of its output less the job's runtime is late by the 0.1 s in which
    fio ends, so that a late start or a long gap is never missed.
    """
    keys = ("job_start", "timestamp_ms", "job_runtime")
    found = {key: re.search(rb'"%s"\s*:\s*(\d+)' % key.encode(), output) for key in keys}
    start, end, runtime = (int(match[1]) / 1000 if (match := found[key]) else None for key in keys)
    if start is None and end is not None and runtime is not None:
        start = end - runtime
    return start or 0.0


def flush(file: Path) -> None:
    """Flush a window's data to the store before the next point begins."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fio_warm_up(file: Path) -> None:
    """Read a file once to cache it."""
    with file.open("rb", buffering=0) as data:
        while data.read(1 << 20):
            pass


def fio_keep_warm(file: Path, until: float) -> tuple[float, int]:
    """Read a file repeatedly until a time on this node's clock; returns when it stopped, and how many bytes it read."""
    size = 0
    with file.open("rb", buffering=0) as data:
        while time.time() < until:
            part = len(data.read(1 << 20))
            size += part
            if part == 0:
                data.seek(0)
    return time.time(), size


def juicefs_bench(lifeline: Lifeline, folder: Path, scratch: Path, parameters: dict[str, Any]) -> dict[str, bytes]:
    """Run `juicefs bench`; returns its output, including warnings, as `juicefs-bench.txt`."""
    work = folder / "juicefs-bench"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    text = scratch / "juicefs-bench.txt"
    command = ["juicefs", "bench", "--no-color", f"--big-file-size={parameters['bigFileMiB']}M"]
    command += [
        f"--small-file-size={parameters['smallFileKiB']}K",
        f"--small-file-count={parameters['smallFiles']}",
    ]
    command += [f"--threads={parameters['threads']}", str(work)]
    with text.open("wb") as output:
        status = lifeline.run(command, parameters["seconds"] * 10 + GRACE_SECONDS, output)
    if status != 0:
        raise RuntimeError(f"juicefs bench: exit status {status}: {text.read_text(errors='replace')[-300:]}")
    return {"juicefs-bench.txt": text.read_bytes()}


class Iostat:
    """Runs `iostat -dxc -o JSON` once per second, until SIGINT, after which iostat completes its JSON."""

    def __init__(self, lifeline: Lifeline, file: Path) -> None:
        self.lifeline = lifeline
        self.file = file
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, samples: int) -> None:
        """Start iostat, for more than `samples`: `stop` ends it. The first sample is an average since boot."""
        with self.file.open("wb") as output:
            command = ["iostat", "-dxc", "-o", "JSON", "1", str(samples + WAITING_SAMPLES)]
            self.process = self.lifeline.start(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL
            )

    def stop(self) -> bytes:
        """End iostat if it is running, and return its output."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(2)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        return self.file.read_bytes() if self.file.exists() else b""
