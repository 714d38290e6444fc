"""Histograms, timed loops in Python, and the data that workloads read."""

import itertools
import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from disgrafs_benchmark import loop as loop_module
from disgrafs_benchmark import rayread, tree
from disgrafs_benchmark.histogram import bucket, histogram
from disgrafs_benchmark.loop import StoppedError, timed


def test_a_bucket_holds_its_values_and_is_at_most_an_eighth_wide() -> None:
    order = random.Random(1)
    for value in [*range(1, 300), *(order.randrange(1, 10**12) for _ in range(2000))]:
        lower = bucket(value)
        assert lower <= value
        assert value - lower <= value / 8


def test_a_histogram_counts_every_duration() -> None:
    counts = histogram([100, 101, 5000, 5001, 10**9])
    assert sum(counts.values()) == 5
    assert list(counts) == sorted(counts, key=int)


def test_a_loop_ends_when_its_time_is_up() -> None:
    begin = time.monotonic()
    result = timed(itertools.repeat(0), lambda _: time.sleep(0.005), 0.1)
    assert 0.1 <= result["seconds"] <= time.monotonic() - begin < 60
    assert sum(result["histogram"].values()) == result["operations"] >= 1


def test_a_loop_ends_with_its_items() -> None:
    assert timed([1, 2, 3], lambda _: None, 60)["operations"] == 3


def test_a_loop_stops_when_it_is_told_to() -> None:
    with pytest.raises(StoppedError):
        timed(itertools.repeat(0), lambda _: None, 60, lambda: True)


@pytest.mark.parametrize(("least", "done"), [(1, 2), (4, 4), (1000, 40)])
def test_a_loop_continues_until_its_minimum_of_operations_or_20_times_its_seconds(
    monkeypatch: pytest.MonkeyPatch, least: int, done: int
) -> None:
    # A clock by which each operation takes half of the loop's second.
    moments = itertools.count(0, 500_000_000)
    monkeypatch.setattr(loop_module.time, "perf_counter_ns", lambda: next(moments))
    assert timed(itertools.repeat(0), lambda _: None, 1, least=least)["operations"] == done


def test_an_error_of_an_operation_is_raised() -> None:
    with pytest.raises(FileNotFoundError):
        timed(["/proc/nothing/file"], os.stat, 1)


def test_processes_that_import_are_timed(tmp_path: Path) -> None:
    # The loop gives up after 20 times its seconds, and a loaded computer takes a second to start Python.
    result = tree.imports(tmp_path / "modules", {"modules": 5, "phaseSeconds": 1}, least=2)
    assert result["operations"] >= 2
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_module_that_is_missing_is_an_error(tmp_path: Path) -> None:
    tree.make_modules(tmp_path, 5)
    (tmp_path / "package1" / "m1.py").unlink()
    with pytest.raises(subprocess.CalledProcessError):
        tree.import_all(tmp_path, 5)


def test_a_complete_tree_is_not_created_again(tmp_path: Path) -> None:
    tree.make(tmp_path / "tree", 20, 4)
    files = sorted(str(path) for path in (tmp_path / "tree").glob("*/*"))
    assert files == tree.paths(tmp_path / "tree", 20, 4)
    (tmp_path / "tree" / "d0000" / "mark").touch()
    tree.make(tmp_path / "tree", 20, 4)
    assert (tmp_path / "tree" / "d0000" / "mark").exists()


def test_an_incomplete_tree_is_created_again(tmp_path: Path) -> None:
    tree.make(tmp_path / "tree", 20, 4)
    (tmp_path / "tree" / ".whole").unlink()
    (tmp_path / "tree" / "d0000" / "mark").touch()
    tree.make(tmp_path / "tree", 20, 4)
    assert not (tmp_path / "tree" / "d0000" / "mark").exists()


@pytest.mark.parametrize("readers", [1, 2, 3, 4, 6])
def test_ray_tasks_get_equal_shares_which_cover_all_files(tmp_path: Path, readers: int) -> None:
    parameters = {"smallFiles": 7, "smallBytes": 10, "largeFiles": 2, "largeBytes": 3000}
    rayread.make_data(tmp_path, parameters, readers)
    for kind, least in (("small", 7), ("large", 2)):
        shards = rayread.shards(tmp_path, kind, readers, parameters, seed=1)
        made = sorted(map(str, (tmp_path / kind).iterdir()))
        assert len(made) >= least
        assert sorted(name for shard in shards for name in shard) == made
        done = [rayread.read_files(shard) for shard in shards]
        assert len({(task["files"], task["bytes"]) for task in done}) == 1
        assert sum(task["bytes"] for task in done) == len(made) * parameters[f"{kind}Bytes"]


def test_a_tree_that_cannot_be_completed_raises_the_error_and_stays_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str) -> None:
        if path.endswith("f000003"):
            raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(tree, "write", full)
    with pytest.raises(OSError, match="No space left on device"):
        tree.make(tmp_path / "tree", 8, 2)
    assert not (tmp_path / "tree" / ".whole").exists()
