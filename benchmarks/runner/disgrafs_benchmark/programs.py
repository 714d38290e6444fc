"""Workloads that are programs of their own: fio and `juicefs bench`. Their output is kept as it comes."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from .data import write_random
from .lifeline import Lifeline

# A program may take this much longer than its timed window to start, lay out, flush and end (in emulation: tens of s).
GRACE_SECONDS = 300.0


def fio_command(file: Path, output: Path, parameters: dict[str, Any], seed: int, warm: bool) -> list[str]:
    """Command line of one fio job on one file. Warm keeps the page cache, which fio drops otherwise."""
    return [
        "fio",
        "--name=job",
        f"--filename={file}",
        f"--rw={parameters['rw']}",
        *(["--rwmixread=70"] if parameters["rw"] == "randrw" else []),
        f"--bs={parameters['blockSize']}",
        f"--size={parameters['fileSize']}",
        f"--direct={int(parameters['direct'])}",
        f"--invalidate={int(not warm)}",
        "--ioengine=psync",
        "--thread",
        "--time_based",
        f"--runtime={round(parameters['seconds'] * 1000)}ms",
        "--fallocate=none",
        # What the window wrote is on the store before the next point begins.
        "--end_fsync=1",
        f"--randseed={seed + 1}",
        # json+ has the whole latency histogram, so that percentiles of clients and blocks are never averaged.
        "--output-format=json+",
        f"--output={output}",
    ]


def fio_layout(folder: Path, size: int) -> None:
    """Lay out the file that jobs of this size use, unless it is there already."""
    file = fio_file(folder, size)
    if file.exists() and file.stat().st_size == size:
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_random(file, size)


def fio_file(folder: Path, size: int) -> Path:
    """The file that fio jobs with this file size share."""
    return folder / f"fio-{size}"


def fio(
    lifeline: Lifeline, folder: Path, scratch: Path, parameters: dict[str, Any], seed: int, warm: bool
) -> dict[str, bytes]:
    """Run one job; gives `fio.json` as fio wrote it and, when it said anything else, `fio.log`."""
    output = scratch / "fio.json"
    output.unlink(missing_ok=True)
    log_file = scratch / "fio.log"
    command = fio_command(fio_file(folder, parameters["fileSize"]), output, parameters, seed, warm)
    with log_file.open("wb") as log:
        status = lifeline.run(command, parameters["seconds"] + GRACE_SECONDS, log)
    files = {"fio.json": output.read_bytes() if output.exists() else b"", "fio.log": log_file.read_bytes()}
    if status != 0:
        raise RuntimeError(f"fio: exit status {status}: {files['fio.log'].decode(errors='replace').strip()[-300:]}")
    return {name: data for name, data in files.items() if data or name == "fio.json"}


def fio_warm_up(file: Path) -> None:
    """Read a file once, so that what caches it can hold it."""
    with file.open("rb", buffering=0) as data:
        while data.read(1 << 20):
            pass


def juicefs_bench(lifeline: Lifeline, folder: Path, scratch: Path, parameters: dict[str, Any]) -> dict[str, bytes]:
    """Run `juicefs bench`; gives its output, warnings included, as `juicefs-bench.txt`."""
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
    """`iostat -dxc -o JSON` at 1 s for a fixed number of samples, ended early by SIGINT, which leaves whole JSON."""

    def __init__(self, lifeline: Lifeline, file: Path) -> None:
        self.lifeline = lifeline
        self.file = file
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, samples: int) -> None:
        """Begin. The first report is an average since boot, so one more than `samples` is asked for."""
        with self.file.open("wb") as output:
            command = ["iostat", "-dxc", "-o", "JSON", "1", str(samples + 1)]
            self.process = self.lifeline.start(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL
            )

    def stop(self) -> bytes:
        """End it, if it has not ended by itself, and give what it wrote."""
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
