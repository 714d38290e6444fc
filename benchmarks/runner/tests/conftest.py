"""Fixtures of the runner's tests: a plan from benchmarks/plan.ts, the loops program, and stand-ins for programs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The package's folder is copied to the nodes, so it must not contain byte code.
sys.dont_write_bytecode = True

PLAN = Path(__file__).parents[2] / "testdata" / "plan.txt"
LOOPS = Path(__file__).parents[2] / "loops" / "loops.c"


@pytest.fixture
def plan_file() -> Path:
    """The plan of a smoke run."""
    return PLAN


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The loops program, compiled with the same warnings as in the builder."""
    out = tmp_path_factory.mktemp("program") / "loops"
    subprocess.run(["gcc", "-O2", "-std=gnu17", "-Wall", "-Wextra", "-Werror", LOOPS, "-o", out], check=True)
    return out


@pytest.fixture
def loops_program(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the runner use the compiled loops program."""
    from disgrafs_benchmark import loops

    monkeypatch.setattr(loops, "PROGRAM", built)
    return built


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a shell script on PATH under a program's name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def make(name: str, script: str) -> Path:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    return make


# Answers the runner's calls of systemctl for extensions: those that are loaded have a file in the folder.
SYSTEMCTL = """
last() { for unit; do :; done; name=${unit#disgrafs-extension@}; echo "${name%.service}"; }
case $1 in
  list-units) for file in FOLDER/loaded/*; do
    [ ! -e "$file" ] || echo "disgrafs-extension@${file##*/}.service loaded active running An extension"; done ;;
  start) touch "FOLDER/loaded/$(last "$@")" ;;
  stop) rm -f "FOLDER/loaded/$(last "$@")" ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: Callable[[str, str], Path]) -> Path:
    """Folder with a file of each loaded extension. `fuse` and `redis-sockmap` are installed."""
    from disgrafs_benchmark import extensions

    for folder in ("loaded", "installed"):
        (tmp_path / folder).mkdir()
    for name in ("fuse", "redis-sockmap"):
        (tmp_path / "installed" / name).touch()
    monkeypatch.setattr(extensions, "INSTALLED", tmp_path / "installed")
    monkeypatch.setattr(extensions, "STOPPED_FILE", tmp_path / "run" / "extensions")
    monkeypatch.setattr(extensions, "OPTIONS_FILE", f"{tmp_path}/extension-{{}}.env")
    program("systemctl", SYSTEMCTL.replace("FOLDER", str(tmp_path)))
    return tmp_path / "loaded"
