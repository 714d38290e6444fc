"""The workloads compile and cat, on the test's folder. gcc compiles here what tcc compiles on a node."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from disgrafs_benchmark import cat, compiling
from disgrafs_benchmark.loop import StoppedError, never

Program = Callable[[str, str], Path]
PARAMETERS = {"files": 12, "headers": 8, "seconds": 0.5}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder for the sources."""
    return tmp_path / "code"


def test_the_sources_depend_on_the_seed_and_are_made_once(tmp_path: Path) -> None:
    for folder, seed in (("one", 1), ("same", 1), ("other", 2)):
        compiling.make(tmp_path / folder, PARAMETERS, seed)
    texts = {
        folder: [file.read_bytes() for file in compiling.sources(tmp_path / folder, PARAMETERS)]
        for folder in ("one", "same", "other")
    }
    assert len(texts["one"]) == PARAMETERS["files"] + PARAMETERS["headers"]
    assert texts["one"] == texts["same"] != texts["other"]
    (tmp_path / "one" / compiling.source_name(0)).write_text("int kept;")
    compiling.make(tmp_path / "one", PARAMETERS, 1)
    assert (tmp_path / "one" / compiling.source_name(0)).read_text() == "int kept;"


def test_files_are_compiled_to_objects_with_code_of_their_own(code: Path, program: Program) -> None:
    program("tcc", 'exec /usr/bin/gcc -Wall -Werror "$@"')
    compiling.make(code, PARAMETERS, 7)
    for _ in range(2):
        compiling.clear(code)
        result = compiling.compile_all(code, PARAMETERS, 7, never, least=10)["compile"]
        assert 10 <= result["operations"] <= PARAMETERS["files"]
        objects = sorted((code / "obj").rglob("*.o"))
        assert len(objects) == result["operations"]
    symbols = subprocess.run(["nm", objects[0]], capture_output=True, text=True, check=True).stdout
    assert f" T f0_{2 * compiling.USED - 1}\n" in symbols


def test_an_object_that_is_there_before_it_is_compiled_is_an_error(code: Path, program: Program) -> None:
    program("tcc", 'exec /usr/bin/gcc "$@"')
    compiling.make(code, PARAMETERS, 7)
    compiling.clear(code)
    compiling.compile_all(code, PARAMETERS, 7, never, least=1)
    with pytest.raises(RuntimeError, match=r"f0000\.o was there before it was compiled"):
        compiling.compile_all(code, PARAMETERS, 7, never, least=1)


def test_a_source_that_does_not_compile_is_an_error(code: Path, program: Program) -> None:
    program("tcc", 'exec /usr/bin/gcc "$@"')
    compiling.make(code, PARAMETERS, 7)
    compiling.clear(code)
    (code / compiling.source_name(0)).write_text("not C")
    with pytest.raises(RuntimeError, match=r"^tcc -nostdinc .*: exit status 1: (.|\n)*error"):
        compiling.compile_all(code, PARAMETERS, 7, never, least=1)


def test_sources_are_read_until_the_window(code: Path) -> None:
    compiling.make(code, PARAMETERS, 7)
    until = time.time() + 0.2
    assert until <= compiling.keep_warm(code, PARAMETERS, until) < until + 5


def test_cat_reads_all_files_each_time_until_there_are_enough(tmp_path: Path, program: Program) -> None:
    parameters = {"files": 4, "fileSize": 5000, "seconds": 0.001}
    cat.make(tmp_path / "data", parameters)
    files = cat.names(tmp_path / "data", parameters)
    before = [file.read_bytes() for file in files]
    cat.make(tmp_path / "data", parameters)
    assert [file.read_bytes() for file in files] == before
    prepared = []
    log = tmp_path / "log"
    program("cat", f'wc -c "$@" | tail -n 1 >>{log}; exec /bin/cat "$@"')
    result = cat.read_all(files, lambda: prepared.append(1), 0.05, never, least=10)["cat"]
    runs = log.read_text().splitlines()
    assert result["operations"] == 4 * len(runs) >= 10
    assert {line.split()[0] for line in runs} == {"20000"}
    # The caller has prepared the first one.
    assert len(prepared) == len(runs) - 1
    assert result["seconds"] > 0


def test_cat_does_not_count_what_it_does_between_programs_and_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = {"files": 1, "fileSize": 10, "seconds": 0.001}
    cat.make(tmp_path, parameters)
    files = cat.names(tmp_path, parameters)
    skipped: list[float] = []
    real = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: real() + sum(skipped))
    result = cat.read_all(files, lambda: skipped.append(1000), 0.001, never, least=2)["cat"]
    assert skipped
    assert result["seconds"] < 1000
    with pytest.raises(StoppedError):
        cat.read_all(files, lambda: None, 10, lambda: True, least=1)
