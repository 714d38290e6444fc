"""The directory tree of the metadata workloads, and the modules that Python processes import."""

import itertools
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .loop import Stop, never, timed

CONTENT = b"disgrafs\n"
# Each small file is one object, whose store takes 30 ms and more: one after the other, 50,000 would take half an hour.
WRITERS = 8


def make(folder: Path, files: int, directories: int) -> None:
    """Make a tree of small files spread evenly over directories. A tree that is whole already is left alone."""
    whole = folder / ".whole"
    if whole.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(directories):
        (folder / f"d{number:04}").mkdir(parents=True)
    with ThreadPoolExecutor(WRITERS) as writers:
        # The list has the first error raised here.
        list(writers.map(write, paths(folder, files, directories)))
    whole.touch()


def write(path: str) -> None:
    """Make one file of a tree."""
    Path(path).write_bytes(CONTENT)


def paths(folder: Path, files: int, directories: int) -> list[str]:
    """Paths of the tree's files, directory by directory."""
    return sorted(f"{folder}/d{number % directories:04}/f{number:06}" for number in range(files))


def folders(folder: Path, directories: int) -> list[str]:
    """Paths of the tree's directories."""
    return [f"{folder}/d{number:04}" for number in range(directories)]


def module_name(number: int) -> str:
    """Module `number`, in one of four packages."""
    return f"package{number % 4}.m{number}"


def make_modules(folder: Path, count: int) -> None:
    """Make `count` small modules for a Python process to import. A package that is whole already is left alone."""
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
    """Import `count` modules in a Python process of its own, which writes nothing and looks nowhere else first."""
    names = ", ".join(map(module_name, range(count)))
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); import {names}"
    subprocess.run([sys.executable, "-S", "-B", "-I", "-c", program], check=True)


def imports(folder: Path, parameters: dict[str, Any], least: int, stop: Stop = never) -> dict[str, Any]:
    """Time Python processes that import modules, one after the other for `phaseSeconds`."""
    count = parameters["modules"]
    make_modules(folder, count)
    return timed(
        itertools.repeat(folder), lambda folder: import_all(folder, count), parameters["phaseSeconds"], stop, least
    )
