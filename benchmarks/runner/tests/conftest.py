"""What the runner's tests share: the plan that benchmarks/plan.ts makes, and programs that stand in for real ones."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The package's folder is copied to the nodes as it is: no caches in it.
sys.dont_write_bytecode = True

PLAN = Path(__file__).parents[2] / "testdata" / "plan.txt"


@pytest.fixture
def plan_file() -> Path:
    """Plan of a smoke run, as the runner gets it."""
    return PLAN


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
