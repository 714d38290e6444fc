"""The program of the timed loops (benchmarks/loops), with the scripts that the runner writes, on a real file system."""

import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from disgrafs_benchmark import loops, requests, tree
from disgrafs_benchmark.histogram import bucket
from disgrafs_benchmark.lifeline import Lifeline
from disgrafs_benchmark.loops import Loops, Setting

METADATA = {"files": 60, "directories": 4, "phaseSeconds": 0.05}
METRICS = 'juicefs_fuse_ops_total{instance="vm",method="%s",mp="/mnt/jfs",vol_name="test"} %d\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workload's folder with its tree."""
    tree.make(tmp_path / "data" / "tree", METADATA["files"], METADATA["directories"])
    (tmp_path / "data" / "work").mkdir()
    return tmp_path / "data"


@pytest.fixture
def program_of_loops(loops_program: Path, tmp_path: Path) -> Loops:
    """The program, not yet started."""
    assert loops_program.exists()
    return Loops(Lifeline("test"), tmp_path)


def setting(folder: Path, metrics: tuple[str, int, str] | None = None, cache_seconds: float = 0.1) -> Setting:
    return Setting(folder, seed=1, metrics=metrics, cache_seconds=cache_seconds, least=10)


def run(program: Loops, script: str, ahead: float = 0.2) -> dict[str, Any]:
    program.prepare(script)
    return program.run(time.time() + ahead, 60)


@pytest.fixture
def juicefs() -> Iterator[tuple[str, int, str]]:
    """A server with JuiceFS's metrics: one more look-up at each request, and counts of another mount."""

    class Handler(BaseHTTPRequestHandler):
        asked = 0

        def do_GET(self) -> None:
            Handler.asked += 1
            text = "# TYPE juicefs_fuse_ops_total counter\n" + METRICS % ("lookup", 100 + Handler.asked)
            text += METRICS % ("open", 7) + (METRICS % ("lookup", 5)).replace("/mnt/jfs", "/mnt/other")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_words: object) -> None:
            """Do not log."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield "127.0.0.1", server.server_address[1], "/mnt/jfs"
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_only_requests_of_this_mount_are_counted_by_method(juicefs: tuple[str, int, str]) -> None:
    assert requests.counts(*juicefs) == {"lookup": 101, "open": 7}
    with pytest.raises(RuntimeError, match="are not of a mount at /mnt"):
        requests.counts(*juicefs[:2], "/mnt")
    with pytest.raises(RuntimeError, match="cannot be read: "):
        requests.counts("127.0.0.1", 1, "/mnt/jfs")


def test_every_operation_is_timed_and_only_the_tree_is_left(folder: Path, program_of_loops: Loops) -> None:
    result = run(program_of_loops, loops.metadata(setting(folder), METADATA))
    phases = result["loops"]
    names = ["create", "rename", "unlink", "statMiss", "openMiss", "statHit", "openHit", "readdir"]
    assert list(phases) == names
    for name, phase in phases.items():
        assert phase["operations"] >= 10
        assert phase["seconds"] > 0
        # For batches, the clock is read once per batch, so there is no histogram.
        assert ("histogram" in phase) == (name != "statHit")
        if "histogram" in phase:
            assert sum(phase["histogram"].values()) == phase["operations"]
            assert all(bucket(int(lower)) == int(lower) for lower in phase["histogram"])
    assert phases["unlink"]["operations"] <= phases["create"]["operations"]
    assert not list((folder / "work").iterdir())


def test_hits_follow_their_warming_at_once_and_misses_after_the_cache_time(
    folder: Path, program_of_loops: Loops
) -> None:
    begin = time.monotonic()
    phases = run(program_of_loops, loops.metadata(setting(folder), METADATA))["loops"]
    took = time.monotonic() - begin
    assert phases["statMiss"]["sinceWarm"] >= 0.1
    assert phases["openMiss"]["sinceWarm"] >= 0.1
    assert phases["statHit"]["sinceWarm"] < 0.5
    # What is checked in the analysis: phases that must find what was warmed right before.
    assert {name for name, phase in phases.items() if "gap" in phase} == {"statHit", "openHit"}
    assert phases["openHit"]["gap"] == pytest.approx(phases["openHit"]["sinceWarm"])
    # The local disk is so fast that one round is too short to measure. A file is requested again only after the cache
    # time, because it would be a hit before, and this wait is not timed.
    each = 24
    for name in ("statMiss", "openMiss"):
        rounds, part = divmod(phases[name]["operations"], each)
        assert part == 0
        assert phases[name]["seconds"] >= 0.0015 or rounds == 20
        assert phases[name]["seconds"] < 0.1
        took -= 0.11 * (rounds - 1)
    assert took > 0


def test_a_warm_walk_is_warmed_until_shortly_before_its_start(folder: Path, program_of_loops: Loops) -> None:
    script = loops.walk(setting(folder), METADATA, "warm")
    program_of_loops.prepare(script)
    time.sleep(0.5)
    result = program_of_loops.run(time.time() + 0.4, 60)
    assert list(result["loops"]) == ["find", "status", "miss", "hit"]
    # Even though the program was started long before.
    assert result["gap"] - result["late"] < 0.6
    cold = run(program_of_loops, loops.walk(setting(folder), METADATA, "cold"))
    assert list(cold["loops"]) == ["find", "status"]
    # Each has visited half of the tree, once.
    half = (METADATA["files"] + METADATA["directories"]) / 2
    assert cold["loops"]["status"]["operations"] == half
    # Each directory is stated and listed.
    assert cold["loops"]["find"]["operations"] == half + METADATA["directories"] / 2
    assert "gap" not in cold


def test_find_visits_a_directory_before_its_entries() -> None:
    items = loops.as_find(["tree", "tree/d0", "tree/d1"], ["tree/d0/f0", "tree/d1/f1"])
    assert items == [
        "l tree",
        "d tree",
        "l tree/d0",
        "d tree/d0",
        "l tree/d0/f0",
        "l tree/d1",
        "d tree/d1",
        "l tree/d1/f1",
    ]


@pytest.mark.parametrize(("caches", "order"), [("warm", ["tag", "walk"]), ("cold", ["walk", "tag"])])
def test_the_file_operations_of_disgrafs_are_timed(
    folder: Path, program_of_loops: Loops, caches: str, order: list[str]
) -> None:
    phases = run(program_of_loops, loops.tagger(setting(folder), METADATA, caches))["loops"]
    assert list(phases) == order
    entries = METADATA["files"] + METADATA["directories"]
    # Cold, nothing is visited twice. Each directory, including the tree itself, is stated and listed.
    most = {"tag": METADATA["files"], "walk": entries + METADATA["directories"] + 2}
    for name, phase in phases.items():
        assert phase["operations"] >= 10
        assert caches == "warm" or phase["operations"] <= most[name]


def test_a_late_start_is_reported(folder: Path, program_of_loops: Loops) -> None:
    result = run(program_of_loops, loops.control(setting(folder), METADATA), ahead=-2.5)
    assert result["late"] >= 2.5
    result = run(program_of_loops, loops.control(setting(folder), METADATA), ahead=0.3)
    assert 0 <= result["late"] < 2.5


def test_fuse_requests_of_each_loop_are_counted(
    folder: Path, program_of_loops: Loops, juicefs: tuple[str, int, str]
) -> None:
    phases = run(program_of_loops, loops.walk(setting(folder, juicefs), METADATA, "warm"))["loops"]
    # The server counts one look-up per request, so there is one between two requests.
    assert phases["find"]["requests"] == {"lookup": 1}
    whole = phases["miss"]
    # It may have several rounds.
    assert whole["asked"] == whole["operations"]
    assert whole["operations"] % METADATA["files"] == 0
    assert phases["find"]["asked"] < phases["find"]["operations"]


def test_a_missing_file_ends_the_loops_with_an_error_that_names_it(folder: Path, program_of_loops: Loops) -> None:
    (folder / "tree" / "d0000" / "f000000").unlink()
    with pytest.raises(RuntimeError, match="stat tree/d0000/f000000: No such file or directory"):
        run(program_of_loops, loops.control(setting(folder), METADATA))


def test_metrics_that_cannot_be_read_end_the_loops_with_an_error(folder: Path, program_of_loops: Loops) -> None:
    with pytest.raises(RuntimeError, match="metrics of JuiceFS: Connection refused"):
        run(program_of_loops, loops.walk(setting(folder, ("127.0.0.1", 1, "/mnt/jfs")), METADATA, "warm"))


def test_prepared_loops_can_be_cancelled(folder: Path, program_of_loops: Loops) -> None:
    program_of_loops.prepare(loops.control(setting(folder), METADATA))
    process = program_of_loops.process
    assert process is not None
    assert process.poll() is None
    program_of_loops.cancel()
    assert process.poll() is not None
    with pytest.raises(RuntimeError, match="the loops were not prepared"):
        program_of_loops.run(time.time(), 1)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("dance\n", "loops: unknown command: dance"),
        ("folder /\nset a 2\ns x\n", "loops: set a is cut off"),
        ("folder /\nset a 1\nq x\n", "loops: unknown operation in set a: q x"),
        ("folder /\nwarm b\n", "loops: no set b in the script"),
        ("folder /proc/nothing\n", "loops: /proc/nothing: No such file or directory"),
    ],
)
def test_an_invalid_script_is_refused_with_a_reason(built: Path, tmp_path: Path, script: str, said: str) -> None:
    (tmp_path / "script").write_text(script)
    done = subprocess.run([built, tmp_path / "script"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == said
