"""The Ray workload: a data set on the volume, read by tasks on all clients at once."""

import random
import shutil
import time
from pathlib import Path
from typing import Any

from .data import CHUNK, write_random


def make_data(folder: Path, parameters: dict[str, Any]) -> None:
    """Make the data set unless it is whole."""
    whole = folder / ".whole"
    if whole.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for kind in ("small", "large"):
        (folder / kind).mkdir(parents=True)
        for number in range(parameters[f"{kind}Files"]):
            write_random(folder / kind / f"{number:06}", parameters[f"{kind}Bytes"])
    whole.touch()


def shards(folder: Path, kind: str, count: int, parameters: dict[str, Any], seed: int) -> list[list[str]]:
    """Split the files of a kind, in random order, into `count` lists of nearly the same length."""
    names = [f"{folder}/{kind}/{number:06}" for number in range(parameters[f"{kind}Files"])]
    random.Random(seed).shuffle(names)
    return [names[start::count] for start in range(count)]


def read_files(files: list[str]) -> dict[str, Any]:
    """Read files whole, one after the other: runs as a Ray task. Gives how many, bytes and seconds."""
    begin = time.perf_counter()
    size = 0
    for name in files:
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123
            while data := file.read(CHUNK):
                size += len(data)
    return {"files": len(files), "bytes": size, "seconds": time.perf_counter() - begin}
