"""The timed loops in C (benchmarks/loops/loops.c): writes their scripts, and starts and ends the program.

The program is started and has warmed its data before the start of a window is set, so the window includes neither.
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
# Warming goes on until so long before the window, in every arm: time to ask JuiceFS for its counts in between.
GAP_SECONDS = 0.1
# What expires after a time is asked for again a little later.
EXPIRED = 1.1
# Files of a working set that is asked for again well within the time for which the kernel keeps what it was told.
WORKING_SET = 16
# An operation that the kernel answers takes 1 us: its clock is read once for so many.
BATCH = 32
# Files that one window may create, so that a fast disk does not fill up: so many times those of the tree.
MOST_CREATED = 20


@dataclass(frozen=True)
class Setting:
    """What a script depends on besides its workload."""

    folder: Path
    seed: int
    # Where JuiceFS counts FUSE requests (address, port), and its mount point; None off the mount.
    metrics: tuple[str, int, str] | None
    # For how long the baseline's kernel caches hold, seconds.
    cache_seconds: float
    # Fewest operations of a phase.
    least: int


class Script:
    """Lines for the program."""

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
    """Single operations in a tree of the client's own, each for `phaseSeconds`.

    The cost of a hit and of a miss are figures apart. A miss: each file is asked for once, after what the kernel was
    told of it has expired. A hit: a few files again and again, within that time.
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
    script.say("time", "statMiss", "statMiss", seconds, 1, least, "once")
    script.say("time", "openMiss", "openMiss", seconds, 1, least, "once")
    script.say("warm statHit")
    script.say("time", "statHit", "statHit", seconds, BATCH, least, "cycle")
    script.say("warm openHit")
    script.say("time", "openHit", "openHit", seconds, 1, least, "cycle")
    script.say("time", "readdir", "readdir", seconds, 1, least, "cycle")
    return script.text


def control(setting: Setting, parameters: dict[str, Any]) -> str:
    """Operations on the node's own disk, where nothing expires."""
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
    """Walks of a tree, each again from the start until `phaseSeconds` are over.

    `find` lists every directory and stats every entry; `status` stats every known path in order, as git does with its
    index, and then lists every directory for files it does not know. Both hit and miss as it comes. `miss` stats the
    known paths once when all have expired, and `hit` a few of them again and again. (Without listings: these always go
    to JuiceFS, and bring the attributes of what they list.)
    """
    script, seconds, least = Script(setting), parameters["phaseSeconds"], setting.least
    known, listed = relative_paths(parameters), relative_folders(parameters)
    script.set("find", as_find(["tree", *listed], known))
    script.set("status", [f"l {path}" for path in known] + [f"d {path}" for path in listed])
    script.set("known", [f"l {path}" for path in known])
    script.set("few", [f"l {path}" for path in known[:WORKING_SET]])
    script.say("ready")
    if caches == "warm":
        script.say("keep", "find", GAP_SECONDS)
    script.say("start")
    script.say("time", "find", "find", seconds, 1, least, "cycle")
    script.say("time", "status", "status", seconds, 1, least, "cycle")
    if caches == "warm":
        script.say("rest", EXPIRED * setting.cache_seconds, "phase")
        script.say("time", "miss", "known", seconds, 1, least, "once")
        script.say("warm few")
        script.say("time", "hit", "few", seconds, BATCH, least, "cycle")
    return script.text


def tagger(setting: Setting, parameters: dict[str, Any], caches: str) -> str:
    """What DisGraFS asks of a volume: its index walks, its taggers open and read (disgrafs/index, disgrafs/taggers).

    Warm, both go on for `phaseSeconds`. Cold, each file and directory comes once: a second time it would be warm.
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
        # What the kernel was told by the walk is not to help the taggers, which come later in truth.
        script.say("rest", EXPIRED * setting.cache_seconds, "phase")
        script.say("time", "tag", "tag", seconds, 1, least, "once")
    return script.text


def reread(setting: Setting, parameters: dict[str, Any]) -> str:
    """Known files, read and asked for again, which reading has made doubtful to the kernel."""
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
    """The same of its directories."""
    return tree.folders(Path("tree"), parameters["directories"])


def as_find(folders: list[str], files: list[str]) -> list[str]:
    """Items of a walk in the order of `find`: a directory is asked for, then listed, then its entries are."""
    visits = [("l", path) for path in [*folders, *files]] + [("d", path) for path in folders]
    return [f"{op} {path}" for op, path in sorted(visits, key=lambda visit: (visit[1], visit[0] != "l"))]


class Loops:
    """One run of the program."""

    def __init__(self, lifeline: Lifeline, scratch: Path) -> None:
        self.lifeline = lifeline
        self.scratch = scratch
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self, script: str) -> None:
        """Start it, and wait until it is ready. RuntimeError with what it says when it ends instead."""
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
        """Let it begin when this node's clock shows `start_at`; gives what it prints."""
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
        """End it, if it runs: it has a folder of the mount open."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def fail(self, process: "subprocess.Popen[bytes]") -> None:
        """Say why it ended."""
        status = process.wait(60)
        said = (self.scratch / "loops.log").read_text(errors="replace").strip()[-300:]
        raise RuntimeError(said or f"loops: exit status {status}")


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """A stream that was asked for."""
    if stream is None:
        raise RuntimeError("the loops have no output")
    return stream
