"""The workload cat: a program that reads several files from beginning to end, started again and again."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .data import write_random
from .loop import MOST_TIMES, Stop, StoppedError
from .system import run


def names(folder: Path, parameters: dict[str, Any]) -> list[Path]:
    """The files that each program reads."""
    return [folder / f"{number:04}" for number in range(parameters["files"])]


def make(folder: Path, parameters: dict[str, Any]) -> None:
    """Create the files, unless they are complete."""
    for file in names(folder, parameters):
        if not file.exists() or file.stat().st_size != parameters["fileSize"]:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_random(file, parameters["fileSize"])


def read_all(
    files: list[Path], between: Callable[[], object], seconds: float, stop: Stop, least: int
) -> dict[str, Any]:
    """Time programs that read all files, for `seconds` in all; `between`, before all but the first, is not timed."""
    operations, took = 0, 0.0
    while (took < seconds or operations < least) and took < MOST_TIMES * seconds:
        if operations > 0:
            between()
        begin = time.perf_counter()
        # Into a pipe, the reader of that pipe would be part of the figure.
        run(["sh", "-c", 'exec cat "$@" >/dev/null', "sh", *map(str, files)], timeout=300)
        took += time.perf_counter() - begin
        operations += len(files)
        if stop():
            raise StoppedError
    return {"cat": {"operations": operations, "seconds": took}}
