"""Histograms, timed loops, and the metadata workloads on a real file system."""

import itertools
import random
import subprocess
import time
from pathlib import Path

import pytest

from disgrafs_benchmark import rayread, tree
from disgrafs_benchmark.histogram import bucket, histogram
from disgrafs_benchmark.loop import StoppedError, timed

METADATA = {"files": 20, "directories": 4, "phaseSeconds": 0.05}


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


def test_a_loop_is_stopped_from_outside() -> None:
    with pytest.raises(StoppedError):
        timed(itertools.repeat(0), lambda _: None, 60, lambda: True)


def test_an_error_of_an_operation_is_not_swallowed() -> None:
    with pytest.raises(FileNotFoundError):
        timed(["/nonexistent/file"], tree.open_and_close, 1)


def test_an_application_reads_again_and_imports(tmp_path: Path) -> None:
    tree.make(tmp_path / "tree", 20, 4)
    result = tree.application(tmp_path, {**METADATA, "modules": 5})
    assert list(result) == ["reread", "import"]
    assert all(phase["operations"] > 0 for phase in result.values())
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_module_that_is_missing_is_an_error(tmp_path: Path) -> None:
    tree.make_modules(tmp_path, 5)
    (tmp_path / "package1" / "m1.py").unlink()
    with pytest.raises(subprocess.CalledProcessError):
        tree.import_all(tmp_path, 5)


def test_a_tree_is_made_once(tmp_path: Path) -> None:
    tree.make(tmp_path / "tree", 20, 4)
    files = sorted(str(path) for path in (tmp_path / "tree").glob("*/*"))
    assert files == tree.paths(tmp_path / "tree", 20, 4)
    (tmp_path / "tree" / "d0000" / "mark").touch()
    tree.make(tmp_path / "tree", 20, 4)
    assert (tmp_path / "tree" / "d0000" / "mark").exists()


def test_a_tree_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    tree.make(tmp_path / "tree", 20, 4)
    (tmp_path / "tree" / ".whole").unlink()
    (tmp_path / "tree" / "d0000" / "mark").touch()
    tree.make(tmp_path / "tree", 20, 4)
    assert not (tmp_path / "tree" / "d0000" / "mark").exists()


def test_metadata_times_every_operation_and_leaves_only_the_tree(tmp_path: Path) -> None:
    tree.make(tmp_path / "tree", METADATA["files"], METADATA["directories"])
    result = tree.metadata(tmp_path, METADATA, seed=1)
    assert list(result) == ["create", "stat", "open", "readdir", "rename", "unlink"]
    assert all(entry["operations"] > 0 for entry in result.values())
    assert result["unlink"]["operations"] <= result["create"]["operations"] <= METADATA["files"]
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_metadata_begins_again_after_a_run_that_was_killed(tmp_path: Path) -> None:
    tree.make(tmp_path / "tree", METADATA["files"], METADATA["directories"])
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "f000000").touch()
    assert tree.metadata(tmp_path, METADATA, seed=1)["create"]["operations"] > 0


def test_walks_visit_the_tree(tmp_path: Path) -> None:
    tree.make(tmp_path / "tree", 20, 4)
    result = tree.walk(tmp_path, {"files": 20, "directories": 4, "phaseSeconds": 0.05})
    # A whole walk lists 5 directories and stats 4 directories and 20 files, or stats 20 files and lists 4.
    assert result["find"]["operations"] > 0
    assert result["status"]["operations"] > 0


def test_ray_data_is_split_without_loss(tmp_path: Path) -> None:
    parameters = {"smallFiles": 7, "smallBytes": 10, "largeFiles": 2, "largeBytes": 3 << 20}
    rayread.make_data(tmp_path, parameters)
    shards = rayread.shards(tmp_path, "small", 3, parameters, seed=1)
    assert sorted(name for shard in shards for name in shard) == sorted(map(str, (tmp_path / "small").iterdir()))
    assert sum(rayread.read_files(shard)["bytes"] for shard in shards) == 70
    large = rayread.shards(tmp_path, "large", 3, parameters, seed=1)
    assert [len(shard) for shard in large] == [1, 1, 0]
    assert rayread.read_files(large[0])["bytes"] == 3 << 20


def test_a_tree_that_cannot_be_made_whole_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str) -> None:
        if path.endswith("f000003"):
            raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(tree, "write", full)
    with pytest.raises(OSError, match="No space left on device"):
        tree.make(tmp_path / "tree", 8, 2)
    assert not (tmp_path / "tree" / ".whole").exists()
