"""Programs that stay in memory when caches are dropped: cold is what is read, not the program that reads it.

Without this, a dropped cache also has the JuiceFS daemon read its own code from the disk again, in the window or right
before it, and an emulated machine translates that code anew: a third of what a mount takes there.
"""

import mmap
import shutil
from pathlib import Path

# What a turn starts: the daemon, what its unit calls to mount and unmount, and the programs of the windows.
PROGRAMS = ("juicefs", "sh", "systemctl", "mountpoint", "umount", "findmnt", "fio", "iostat")


def resident(programs: tuple[str, ...] = PROGRAMS) -> list[mmap.mmap]:
    """Map programs into this process: the kernel drops no page that is mapped. Their libraries are left as they are.

    They stay as long as the mappings are kept. A program that is not installed is left out.
    """
    found = [Path(path).resolve() for path in map(shutil.which, programs) if path is not None]
    return [mapped(file) for file in sorted(set(found))]


def mapped(file: Path) -> mmap.mmap:
    """A whole file, read and mapped."""
    with file.open("rb") as opened:
        return mmap.mmap(opened.fileno(), 0, mmap.MAP_SHARED | mmap.MAP_POPULATE, mmap.PROT_READ)
