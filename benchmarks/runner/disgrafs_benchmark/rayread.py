"""The Ray workload: tasks on all clients concurrently read a data set from the volume."""

import random
import shutil
import time
from pathlib import Path
from typing import Any

from .data import CHUNK, write_random


def count(kind: str, parameters: dict[str, Any], readers: int) -> int:
    """Number of files of a kind: the requested number, rounded up so that all readers get equally many."""
    return -(-int(parameters[f"{kind}Files"]) // readers) * readers


def make_data(folder: Path, parameters: dict[str, Any], readers: int) -> None:
    """Create the data set for a number of readers, unless it is complete."""
    whole = folder / ".whole"
    if whole.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for kind in ("small", "large"):
        (folder / kind).mkdir(parents=True)
        for number in range(count(kind, parameters, readers)):
            write_random(folder / kind / f"{number:06}", parameters[f"{kind}Bytes"])
    whole.touch()


def shards(folder: Path, kind: str, readers: int, parameters: dict[str, Any], seed: int) -> list[list[str]]:
    """Split the files of a kind, in random order, into equally long lists, one per reader."""
    names = [f"{folder}/{kind}/{number:06}" for number in range(count(kind, parameters, readers))]
    random.Random(seed).shuffle(names)
    return [names[start::readers] for start in range(readers)]


def read_files(files: list[str]) -> dict[str, Any]:
    """Read whole files, one after the other; runs as a Ray task.

    Returns the number of files, bytes and seconds, and the start by this node's clock.
    """
    started = time.time()
    begin = time.perf_counter()
    size = 0
    for name in files:
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123
            while data := file.read(CHUNK):
                size += len(data)
    return {"files": len(files), "bytes": size, "seconds": time.perf_counter() - begin, "started": started}
