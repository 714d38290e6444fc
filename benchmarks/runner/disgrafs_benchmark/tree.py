"""Metadata workloads: single operations in a tree, walks through one, and what programs do with one."""

import itertools
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
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


def open_and_close(path: str) -> None:
    """Open for reading and close."""
    os.close(os.open(path, os.O_RDONLY))


def create(path: str) -> None:
    """Create an empty file, which must be new."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def metadata(folder: Path, parameters: dict[str, Any], seed: int, stop: Stop = never) -> dict[str, Any]:
    """Time each operation for `phaseSeconds`: create, stat, open, readdir, rename, unlink.

    stat and open go to random files of a tree made before; the others to files made here.
    """
    seconds = parameters["phaseSeconds"]
    order = random.Random(seed)
    known = paths(folder / "tree", parameters["files"], parameters["directories"])
    order.shuffle(known)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    # As many new files as the tree has at most, so that a fast disk does not fill up.
    names = [f"{work}/f{number:06}" for number in range(max(len(known), 1))]
    result = {"create": timed(names, create, seconds, stop)}
    made = names[: result["create"]["operations"]]
    result["stat"] = timed(itertools.cycle(known), os.stat, seconds, stop)
    result["open"] = timed(itertools.cycle(known), open_and_close, seconds, stop)
    listed = folders(folder / "tree", parameters["directories"])
    result["readdir"] = timed(itertools.cycle(listed), os.listdir, seconds, stop)
    # Forth and back, until the time is up: each file's name is the one it was given last.
    moves = itertools.chain.from_iterable(
        [(name + source, name + target) for name in made]
        for source, target in itertools.cycle([("", ".moved"), (".moved", "")])
    )
    result["rename"] = timed(moves, lambda pair: os.rename(*pair), seconds, stop)  # noqa: PTH104
    result["unlink"] = timed(sorted(work.iterdir()), os.unlink, seconds, stop)
    shutil.rmtree(work)
    return result


def walk(folder: Path, parameters: dict[str, Any], stop: Stop = never) -> dict[str, Any]:
    """Time two walks, each again from the start until `phaseSeconds` are over.

    `find` lists every directory and stats every entry; `status` stats every known path in order, as git does with its
    index, and then lists every directory for files it does not know.
    """
    seconds = parameters["phaseSeconds"]
    tree = folder / "tree"
    known = paths(tree, parameters["files"], parameters["directories"])
    listed = folders(tree, parameters["directories"])
    visits = [(os.listdir, path) for path in [str(tree), *listed]] + [(os.lstat, path) for path in [*listed, *known]]
    as_find = sorted(visits, key=lambda visit: (visit[1], visit[0] is os.listdir))
    as_status = [(os.lstat, path) for path in known] + [(os.listdir, path) for path in listed]
    return {
        "find": timed(itertools.cycle(as_find), visit, seconds, stop),
        "status": timed(itertools.cycle(as_status), visit, seconds, stop),
    }


def visit(pair: tuple[Callable[[str], object], str]) -> None:
    """Do one step of a walk."""
    pair[0](pair[1])


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


def read_again(path: str) -> None:
    """Read a file and ask for its attributes, which reading has made doubtful to the kernel."""
    Path(path).read_bytes()
    os.stat(path)  # noqa: PTH116


def application(folder: Path, parameters: dict[str, Any], stop: Stop = never) -> dict[str, Any]:
    """Time two things that programs do, each again and again for `phaseSeconds`.

    `reread` reads one known file after the other and stats it; `import` starts a Python process that imports modules.
    """
    seconds = parameters["phaseSeconds"]
    known = paths(folder / "tree", parameters["files"], parameters["directories"])
    modules, count = folder / "modules", parameters["modules"]
    make_modules(modules, count)
    return {
        "reread": timed(itertools.cycle(known), read_again, seconds, stop),
        "import": timed(itertools.repeat(modules), lambda folder: import_all(folder, count), seconds, stop),
    }
