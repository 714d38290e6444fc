"""Writes the scripts of the timed loops in C (benchmarks/loops/loops.c), and starts and ends that program.

The program starts and warms its data before the start of a window is chosen, so the window includes neither.
"""

import json
import random
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from . import tree
from .lifeline import Lifeline

PROGRAM = Path("/opt/disgrafs/benchmarks/bin/loops")
# In all arms, warming ends this long before the window: enough time to read JuiceFS's counts.
GAP_SECONDS = 0.1
# Factor of a cache time after which an entry has certainly expired.
EXPIRED = 1.1
# Files in the working set of hits: few enough to be requested again before the kernel's entries expire.
WORKING_SET = 16
# An operation that the kernel answers takes 1 us, so the clock is read once per batch of this many.
BATCH = 32
# A window may create at most this many times the files of the tree, so that it does not fill a fast disk.
MOST_CREATED = 20


@dataclass(frozen=True)
class Setting:
    """What a script depends on, apart from its workload."""

    folder: Path
    seed: int
    # Where JuiceFS counts FUSE requests (address, port), and its mount point; None off the mount.
    metrics: tuple[str, int, str] | None
    # Longest cache time of the baseline, in seconds.
    cache_seconds: float
    # Minimum number of operations of a phase.
    least: int


class Script:
    """The lines of a script."""

    def __init__(self, setting: Setting) -> None:
        self.lines = [f"folder {setting.folder}"]
        if setting.metrics is not None:
            self.lines.append("metrics {} {} {}".format(*setting.metrics))

    def say(self, *words: object) -> None:
        """Add a line."""
        self.lines.append(" ".join(map(str, words)))

    def set(self, name: str, items: Iterable[str]) -> None:
        """Add a set of items."""
        items = list(items)
        self.say("set", name, len(items))
        self.lines += items

    @property
    def text(self) -> str:
        """The whole script."""
        return "".join(f"{line}\n" for line in self.lines)


def metadata(setting: Setting, parameters: dict[str, Any]) -> str:
    """Single operations in the client's own tree, each for `phaseSeconds`.

    Hits and misses are separate figures. A miss requests each file once, after the kernel's entries for it have
    expired. A hit requests a few files repeatedly, before their entries expire.
    """
    script, seconds, least = Script(setting), parameters["phaseSeconds"], setting.least
    known = relative_paths(parameters)
    random.Random(setting.seed).shuffle(known)
    hot = min(WORKING_SET, max(1, len(known) // 5))
    half = hot + (len(known) - hot) // 2
    script.set("expiring", [f"s {path}" for path in known[hot:]])
    script.set("statMiss", [f"s {path}" for path in known[hot:half]])
    script.set("openMiss", [f"o {path}" for path in known[half:]])
    script.set("statHit", [f"s {path}" for path in known[:hot]])
    script.set("openHit", [f"o {path}" for path in known[:hot]])
    script.set("readdir", [f"d {folder}" for folder in relative_folders(parameters)])
    script.say("warm expiring")
    script.say("ready")
    script.say("start")
    script.say("create", "create", "work/f", MOST_CREATED * len(known), seconds, least)
    script.say("rename", "rename", seconds, least)
    script.say("unlink", "unlink", seconds, least)
    script.say("rest", EXPIRED * setting.cache_seconds, "warm")
    # A fast arm needs several rounds for a time that is long enough to measure.
    script.say("time", "statMiss", "statMiss", seconds, 1, least, "once", EXPIRED * setting.cache_seconds)
    script.say("time", "openMiss", "openMiss", seconds, 1, least, "once", EXPIRED * setting.cache_seconds)
    script.say("warm statHit")
    script.say("time", "statHit", "statHit", seconds, BATCH, least, "cycle")
    script.say("warm openHit")
    script.say("time", "openHit", "openHit", seconds, 1, least, "cycle")
    script.say("time", "readdir", "readdir", seconds, 1, least, "cycle")
    return script.text


def control(setting: Setting, parameters: dict[str, Any]) -> str:
    """Operations on the node's own disk, where no cache entries expire."""
    script, seconds, least = Script(setting), parameters["phaseSeconds"], setting.least
    known = relative_paths(parameters)
    random.Random(setting.seed).shuffle(known)
    script.set("stat", [f"s {path}" for path in known])
    script.say("warm stat")
    script.say("ready")
    script.say("start")
    script.say("create", "create", "work/f", MOST_CREATED * len(known), seconds, least)
    script.say("time", "stat", "stat", seconds, BATCH, least, "cycle")
    script.say("unlink", "unlink", seconds, least)
    return script.text


def walk(setting: Setting, parameters: dict[str, Any], caches: str) -> str:
    """Walks of a tree: warm, repeated for `phaseSeconds`; cold, each path is visited once.

    `find` lists every directory and stats every entry. `status` stats all known paths in order, as git does with its
    index, and then lists every directory to find unknown files. Both are a mix of hits and misses. `miss` stats the
    known paths once, after all entries have expired; `hit` stats a few of them repeatedly. These two have no listings,
    because a listing always goes to JuiceFS and returns the attributes of its entries.
    """
    script, seconds, least = Script(setting), parameters["phaseSeconds"], setting.least
    known, listed = relative_paths(parameters), relative_folders(parameters)
    if caches == "warm":
        script.set("find", as_find(["tree", *listed], known))
        script.set("status", as_status(listed, known))
    else:
        # Each visits its own half of the directories, once: what one has visited is no longer cold for the other. Not
        # the tree itself, whose listing has the attributes of all directories.
        half = len(listed) // 2
        own = [path for path in known if str(Path(path).parent) in listed[:half]]
        visited = set(own)
        script.set("find", as_find(listed[:half], own))
        script.set("status", as_status(listed[half:], [path for path in known if path not in visited]))
    script.set("known", [f"l {path}" for path in known])
    script.set("few", [f"l {path}" for path in known[:WORKING_SET]])
    script.say("ready")
    if caches == "warm":
        script.say("keep", "find", GAP_SECONDS)
    script.say("start")
    visits = "cycle" if caches == "warm" else "once"
    script.say("time", "find", "find", seconds, 1, least, visits)
    script.say("time", "status", "status", seconds, 1, least, visits)
    if caches == "warm":
        script.say("rest", EXPIRED * setting.cache_seconds, "phase")
        script.say("time", "miss", "known", seconds, 1, least, "once", EXPIRED * setting.cache_seconds)
        script.say("warm few")
        script.say("time", "hit", "few", seconds, BATCH, least, "cycle")
    return script.text


def tagger(setting: Setting, parameters: dict[str, Any], caches: str) -> str:
    """The file operations of DisGraFS: its index walks, its taggers open and read (disgrafs/index, disgrafs/taggers).

    Warm, both are repeated for `phaseSeconds`. Cold, each file and directory is visited once.
    """
    script, seconds, least = Script(setting), parameters["phaseSeconds"], setting.least
    known, listed = relative_paths(parameters), relative_folders(parameters)
    script.set("walk", as_find(["tree", *listed], known))
    script.set("tag", [f"t {path}" for path in known])
    script.say("ready")
    if caches == "warm":
        script.say("keep", "tag", GAP_SECONDS)
        script.say("start")
        script.say("time", "tag", "tag", seconds, 1, least, "cycle")
        script.say("time", "walk", "walk", seconds, 1, least, "cycle")
    else:
        script.say("start")
        script.say("time", "walk", "walk", seconds, 1, least, "once")
        # In a lab, taggers read files long after the walk, when the kernel's entries have expired.
        script.say("rest", EXPIRED * setting.cache_seconds, "phase")
        script.say("time", "tag", "tag", seconds, 1, least, "once")
    return script.text


def reread(setting: Setting, parameters: dict[str, Any]) -> str:
    """Reads known files and stats each after reading: after a read, the kernel no longer trusts its attributes."""
    script = Script(setting)
    script.set("known", [f"r {path}" for path in relative_paths(parameters)])
    script.say("warm known")
    script.say("ready")
    script.say("keep", "known", GAP_SECONDS)
    script.say("start")
    script.say("time", "reread", "known", parameters["phaseSeconds"], 1, setting.least, "cycle")
    return script.text


def relative_paths(parameters: dict[str, Any]) -> list[str]:
    """Paths of the tree's files below the workload's folder."""
    return tree.paths(Path("tree"), parameters["files"], parameters["directories"])


def relative_folders(parameters: dict[str, Any]) -> list[str]:
    """Paths of the tree's directories below the workload's folder."""
    return tree.folders(Path("tree"), parameters["directories"])


def as_status(folders: list[str], files: list[str]) -> list[str]:
    """Items of `git status`: stat all known files, and list every directory."""
    return [f"l {path}" for path in files] + [f"d {path}" for path in folders]


def as_find(folders: list[str], files: list[str]) -> list[str]:
    """Items of a walk in the order of `find`: stat a directory, list it, then visit its entries."""
    visits = [("l", path) for path in [*folders, *files]] + [("d", path) for path in folders]
    return [f"{op} {path}" for op, path in sorted(visits, key=lambda visit: (visit[1], visit[0] != "l"))]


class Loops:
    """Runs the loops program, once per window."""

    def __init__(self, lifeline: Lifeline, scratch: Path) -> None:
        self.lifeline = lifeline
        self.scratch = scratch
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self, script: str) -> None:
        """Start the program and wait until it is ready. RuntimeError with its error output if it ends instead."""
        self.cancel()
        file = self.scratch / "loops.script"
        file.write_text(script)
        with (self.scratch / "loops.log").open("wb") as log:
            self.process = self.lifeline.start(
                [str(PROGRAM), str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        if pipe(self.process.stdout).readline() != b"ready\n":
            self.fail(self.process)

    def run(self, start_at: float, timeout: float) -> dict[str, Any]:
        """Make the program start when this node's clock shows `start_at`; returns its output."""
        process = self.process
        if process is None:
            raise RuntimeError("the loops were not prepared")
        try:
            output, _ = process.communicate(f"{start_at:.6f}\n".encode(), timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"the loops took more than {timeout:.0f} s") from error
        finally:
            self.cancel()
        if process.returncode != 0:
            self.fail(process)
        result: dict[str, Any] = json.loads(output)
        return result

    def cancel(self) -> None:
        """End the program if it is running. It has a folder of the mount open, which prevents unmounting."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def fail(self, process: "subprocess.Popen[bytes]") -> None:
        """Raise RuntimeError with the reason why the program ended."""
        status = process.wait(60)
        said = (self.scratch / "loops.log").read_text(errors="replace").strip()[-300:]
        raise RuntimeError(said or f"loops: exit status {status}")


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """The stream of a process started with a pipe."""
    if stream is None:
        raise RuntimeError("the loops have no output")
    return stream
