"""The client's mount: its state, and the steps of the cold-cache protocol, each of which is verified."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from .plan import Arm
from .system import PROC, run

UNIT = "juicefs.service"
UNIT_FILE = Path("/etc/systemd/system/juicefs.service")
# Read by juicefs.service after its own settings. In /run, so that they apply again after a reboot.
ARM_FILE = Path("/run/disgrafs/juicefs-arm.env")
FILE_SYSTEM = "fuse.juicefs"
NANOSECONDS = 1_000_000_000


class ResetError(Exception):
    """A step of the protocol could not be confirmed. The message names the step."""


class Service(Protocol):
    """Mounts and unmounts the volume with the options of an arm."""

    def start(self, arm: Arm | None) -> None:
        """Mount with an arm's options; None stands for the lab's own."""

    def stop(self) -> None:
        """Flush and unmount."""


class SystemdService:
    """The lab's juicefs.service."""

    def start(self, arm: Arm | None) -> None:
        """Write the arm's variables and start the unit."""
        if arm is None:
            ARM_FILE.unlink(missing_ok=True)
        else:
            ARM_FILE.parent.mkdir(parents=True, exist_ok=True)
            ARM_FILE.write_text(environment_file(arm))
        run(["systemctl", "start", UNIT], timeout=180)

    def stop(self) -> None:
        """Stop the unit, whose ExecStop flushes."""
        run(["systemctl", "stop", UNIT], timeout=180)


def cache_options(arm: Arm) -> str:
    """Mount options for an arm's cache times."""
    return f"--attr-cache={arm.attr:g} --entry-cache={arm.entry:g} --dir-entry-cache={arm.dir_entry:g}"


def environment_file(arm: Arm) -> str:
    """Text of an EnvironmentFile for an arm.

    It disables JuiceFS's supervisor, a second process that restarts the daemon: the supervisor doubles the time to
    mount, and a daemon that dies in a window must not come back unnoticed.
    """
    variables = {"JFS_SUPERVISOR": "systemd", "JUICEFS_CACHE_OPTIONS": cache_options(arm), **arm.environment}
    return "".join(f'{name}="{value}"\n' for name, value in variables.items())


def mount_type(point: str, mountinfo: str | None = None) -> str | None:
    """Type of the topmost mount at `point`, or None. `mountinfo` is the text of /proc/self/mountinfo."""
    text = (PROC / "self/mountinfo").read_text() if mountinfo is None else mountinfo
    found = None
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        # Spaces, tabs, newlines and backslashes are octal escapes.
        where = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        if where == point:
            found = right.split()[0]
    return found


class Mount:
    """The volume's mount on this node."""

    def __init__(self, point: str, service: Service | None = None, proc: Path = PROC) -> None:
        self.point = point
        self.service = service or SystemdService()
        self.proc = proc
        self.cache_folders: list[Path] = []

    def state(self) -> dict[str, Any]:
        """Type and cache times (in seconds), read from the mount. ResetError if it is not JuiceFS."""
        kind = mount_type(self.point)
        if kind != FILE_SYSTEM:
            raise ResetError(f"{self.point} is {kind or 'not mounted'}, not {FILE_SYSTEM}")
        config = self.config()
        self.cache_folders = cache_folders(config)
        return {
            "type": kind,
            "attr": config["AttrTimeout"] / NANOSECONDS,
            "entry": config["EntryTimeout"] / NANOSECONDS,
            "dirEntry": config["DirEntryTimeout"] / NANOSECONDS,
        }

    def config(self) -> dict[str, Any]:
        """Configuration of the mounted JuiceFS."""
        try:
            config: dict[str, Any] = json.loads((Path(self.point) / ".config").read_text())
        except (OSError, ValueError) as error:
            raise ResetError(f"{self.point}/.config cannot be read: {error}") from error
        return config

    def version(self) -> str | None:
        """Version of the mounted JuiceFS; None if nothing is mounted or it is unknown."""
        try:
            return self.config().get("Version")
        except ResetError:
            return None

    def metrics(self, unit: Path = UNIT_FILE) -> tuple[str, int]:
        """Address and port of JuiceFS's metrics, from its unit. ResetError if it has none."""
        found = re.search(r"--metrics (\S+):(\d+)", unit.read_text())
        if found is None:
            raise ResetError(f"{unit} has no --metrics, so the mount's requests cannot be counted")
        return found[1], int(found[2])

    def check(self, arm: Arm) -> dict[str, Any]:
        """State of the mount. ResetError if it differs from the arm's."""
        state = self.state()
        wanted = {"attr": arm.attr, "entry": arm.entry, "dirEntry": arm.dir_entry}
        wrong = [
            f"{name} is {state[name]:g} s, not {value:g} s" for name, value in wanted.items() if state[name] != value
        ]
        if wrong:
            raise ResetError(f"the mount is not in arm {arm.name}: {', '.join(wrong)}")
        return state

    def unmount_and_drop(self) -> list[dict[str, Any]]:
        """First half of the protocol: unmount, write back dirty data, drop kernel caches, remove cached blocks."""
        if mount_type(self.point) == FILE_SYSTEM:
            self.state()  # sets cache_folders
        steps = [step("unmount", self._unmount), step("sync", os.sync)]
        steps.append(step("drop caches", lambda: drop_caches(self.proc)))
        steps.append(step("clear the cache folder", lambda: clear(self.cache_folders)))
        return steps

    def mount(self, arm: Arm) -> list[dict[str, Any]]:
        """Second half: mount with the arm's options, and confirm them."""
        return [
            step("mount", lambda: self.service.start(arm)),
            step("confirm the mount", lambda: self._wait(arm)),
        ]

    def restore(self) -> None:
        """Mount with the lab's own options, unless that is already the case."""
        if ARM_FILE.exists() or mount_type(self.point) != FILE_SYSTEM:
            self.service.stop()
            self.service.start(None)

    def _unmount(self) -> None:
        self.service.stop()
        kind = mount_type(self.point)
        if kind is not None:
            raise ResetError(f"{self.point} is still mounted ({kind})")

    def _wait(self, arm: Arm, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while mount_type(self.point) != FILE_SYSTEM and time.monotonic() < deadline:
            time.sleep(0.1)
        self.check(arm)


def step(name: str, action: Callable[[], object]) -> dict[str, Any]:
    """Run one step and record its duration. Any failure becomes a ResetError that names the step."""
    begin = time.monotonic()
    try:
        action()
    except (OSError, RuntimeError, ResetError, KeyError) as error:
        raise ResetError(f"{name}: {error}") from error
    return {"step": name, "seconds": round(time.monotonic() - begin, 3)}


def cache_folders(config: dict[str, Any]) -> list[Path]:
    """Folders of cached blocks, from a mount's .config. ResetError if one's name is not the volume's UUID."""
    uuid = config["Meta"].get("UUID") if isinstance(config.get("Meta"), dict) else None
    uuid = uuid or config.get("Format", {}).get("UUID")
    folders = [Path(part) for part in config["Chunk"]["CacheDir"].split(":") if part and part != "memory"]
    for folder in folders:
        if not folder.is_absolute() or folder.name != uuid:
            raise ResetError(f"cache folder {folder} does not belong to this volume ({uuid}), so it is not cleared")
    return folders


def clear(folders: list[Path]) -> None:
    """Remove the contents of folders of cached blocks."""
    for folder in filter(Path.is_dir, folders):
        for entry in list(folder.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        if any(folder.iterdir()):
            raise ResetError(f"{folder} is not empty")


def drop_caches(proc: Path = PROC) -> None:
    """Drop page cache, dentries and inodes; the kernel's counters must confirm it."""
    before = drop_counters(proc)
    (proc / "sys/vm/drop_caches").write_text("3\n")
    after = drop_counters(proc)
    still = [name for name, count in before.items() if after.get(name, 0) <= count]
    if still or not before:
        raise ResetError(f"the kernel did not count a drop: {', '.join(still) or 'no counters in /proc/vmstat'}")


def drop_counters(proc: Path) -> dict[str, int]:
    """Number of cache drops since boot, from /proc/vmstat."""
    lines = (proc / "vmstat").read_text().splitlines()
    pairs = (line.split() for line in lines)
    return {name: int(value) for name, value in pairs if name in ("drop_pagecache", "drop_slab")}
