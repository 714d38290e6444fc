"""Writes files of random bytes, which no layer can compress."""

import os
from pathlib import Path

CHUNK = 1 << 20


def write_random(path: Path, size: int) -> None:
    """Write a new file of `size` bytes, and flush it to its storage."""
    with path.open("wb") as file:
        for start in range(0, size, CHUNK):
            file.write(os.urandom(min(CHUNK, size - start)))
        file.flush()
        os.fsync(file.fileno())
