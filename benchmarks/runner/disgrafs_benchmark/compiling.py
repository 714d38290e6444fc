"""The workload compile: C files compiled one after the other, with what make asks of the file system for each."""

import itertools
import random
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .loop import Stop, timed
from .system import run
from .tree import WRITERS

# The compiler searches these in turn, so it also asks for headers where they are not.
INCLUDES = ("include/base", "include/more")
DIRECTORIES = 10
# Headers that a file includes.
USED = 6
FUNCTIONS = 12


def header_name(number: int) -> str:
    """Path of a header; they are spread over the folders for headers."""
    return f"{INCLUDES[number % len(INCLUDES)]}/h{number:04}.h"


def source_name(number: int) -> str:
    """Path of a C file."""
    return f"src/d{number % DIRECTORIES:02}/f{number:04}.c"


def header(number: int, draw: random.Random) -> str:
    """Text of a header: a structure, and functions that each file using it compiles again."""
    guard = f"H{number:04}"
    fields = "".join(f"  int x{field};\n" for field in range(FUNCTIONS))
    functions = "".join(
        f"static inline int h{number}_{each}(const struct h{number} *s, int a)\n"
        f"{{\n  return s->x{each} * {draw.randint(2, 99)} + a;\n}}\n"
        for each in range(FUNCTIONS)
    )
    return f"#ifndef {guard}\n#define {guard}\nstruct h{number} {{\n{fields}}};\n{functions}#endif\n"


def source(number: int, used: list[int], draw: random.Random) -> str:
    """Text of a C file that includes headers by name only."""
    includes = "".join(f'#include "h{name:04}.h"\n' for name in used)
    functions = "".join(
        f"int f{number}_{each}(struct h{name} *s, int a)\n{{\n"
        f"  for (int i = 0; i < {draw.randint(2, 99)}; i++)\n"
        f"    a += h{name}_{draw.randrange(FUNCTIONS)}(s, i);\n  return a;\n}}\n"
        for each, name in enumerate(used * 2)
    )
    return includes + functions


def used_by(parameters: dict[str, Any], seed: int) -> list[list[int]]:
    """Numbers of the headers that each file includes."""
    draw = random.Random(seed)
    return [sorted(draw.sample(range(parameters["headers"]), USED)) for _ in range(parameters["files"])]


def make(folder: Path, parameters: dict[str, Any], seed: int) -> None:
    """Create the sources from a seed, unless they are complete."""
    whole = folder / ".whole"
    if whole.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    draw = random.Random(seed)
    files = {header_name(number): header(number, draw) for number in range(parameters["headers"])}
    files |= {source_name(number): source(number, used, draw) for number, used in enumerate(used_by(parameters, seed))}
    for parent in sorted({(folder / name).parent for name in files}):
        parent.mkdir(parents=True)
    with ThreadPoolExecutor(WRITERS) as writers:
        # list() raises the first error of a writer.
        list(writers.map(lambda name: (folder / name).write_text(files[name]), files))
    whole.touch()


def clear(folder: Path) -> None:
    """Remove the objects of an earlier window."""
    shutil.rmtree(folder / "obj", ignore_errors=True)
    for number in range(DIRECTORIES):
        (folder / f"obj/d{number:02}").mkdir(parents=True)


def sources(folder: Path, parameters: dict[str, Any]) -> list[Path]:
    """All headers and C files."""
    names = [header_name(number) for number in range(parameters["headers"])]
    names += [source_name(number) for number in range(parameters["files"])]
    return [folder / name for name in names]


def warm_up(folder: Path, parameters: dict[str, Any]) -> None:
    """Read all sources once, as a checkout leaves them in the caches."""
    for file in sources(folder, parameters):
        file.read_bytes()


def keep_warm(folder: Path, parameters: dict[str, Any], until: float) -> float:
    """Read the sources until a time on this node's clock; returns when the reading ended."""
    for file in itertools.cycle(sources(folder, parameters)):
        if time.time() >= until:
            break
        file.read_bytes()
    return time.time()


def compile_one(folder: Path, number: int, used: list[int]) -> None:
    """Do what make does for an object: ask for the file and its headers, then for the object, then compile."""
    name = source_name(number)
    target = folder / name.replace("src/", "obj/", 1).replace(".c", ".o")
    newest = max((folder / each).stat().st_mtime for each in (name, *map(header_name, used)))
    if target.exists() and target.stat().st_mtime > newest:
        raise RuntimeError(f"{target} was there before it was compiled")
    includes = [f"-I{folder / each}" for each in INCLUDES]
    run(["tcc", "-nostdinc", *includes, "-c", str(folder / name), "-o", str(target)])


def compile_all(folder: Path, parameters: dict[str, Any], seed: int, stop: Stop, least: int) -> dict[str, Any]:
    """Compile files for `seconds`, at least `least` and at most all."""
    work = list(enumerate(used_by(parameters, seed)))
    return {"compile": timed(work, lambda item: compile_one(folder, *item), parameters["seconds"], stop, least)}
