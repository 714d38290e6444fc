"""Creates the directory tree of the metadata workloads, and Python modules, which processes import."""

import itertools
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .loop import Stop, never, timed

CONTENT = b"disgrafs\n"
# Each small file becomes an object, which takes 30 ms or more; 50,000 would take half an hour one after the other.
WRITERS = 8


def make(folder: Path, files: int, directories: int) -> None:
    """Create a tree of small files, spread evenly over directories, unless it is complete."""
    whole = folder / ".whole"
    if whole.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(directories):
        (folder / f"d{number:04}").mkdir(parents=True)
    with ThreadPoolExecutor(WRITERS) as writers:
        # list() raises the first error of a writer.
        list(writers.map(write, paths(folder, files, directories)))
    whole.touch()


def write(path: str) -> None:
    """Write one file of a tree."""
    Path(path).write_bytes(CONTENT)


def paths(folder: Path, files: int, directories: int) -> list[str]:
    """Paths of the tree's files, sorted by directory."""
    return sorted(f"{folder}/d{number % directories:04}/f{number:06}" for number in range(files))


def folders(folder: Path, directories: int) -> list[str]:
    """Paths of the tree's directories."""
    return [f"{folder}/d{number:04}" for number in range(directories)]


def module_name(number: int) -> str:
    """Name of module `number`, which is in one of four packages."""
    return f"package{number % 4}.m{number}"


def make_modules(folder: Path, count: int) -> None:
    """Create `count` small Python modules, unless they are complete."""
    whole = folder / ".whole"
    if whole.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(count):
        package, name = module_name(number).split(".")
        (folder / package).mkdir(parents=True, exist_ok=True)
        (folder / package / "__init__.py").touch()
        (folder / package / f"{name}.py").write_text(f"NUMBER = {number}\n")
    whole.touch()


def import_all(folder: Path, count: int) -> None:
    """Import `count` modules in a new Python process, which writes no byte code and searches this folder first."""
    names = ", ".join(map(module_name, range(count)))
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); import {names}"
    subprocess.run([sys.executable, "-S", "-B", "-I", "-c", program], check=True)


def imports(folder: Path, parameters: dict[str, Any], least: int, stop: Stop = never) -> dict[str, Any]:
    """Time Python processes that import modules, one after the other, for `phaseSeconds`."""
    count = parameters["modules"]
    make_modules(folder, count)
    return timed(
        itertools.repeat(folder), lambda folder: import_all(folder, count), parameters["phaseSeconds"], stop, least
    )
