"""Keeps programs in memory when caches are dropped: the data should be cold, not the program that reads it.

Otherwise the JuiceFS daemon would also reload its own code from the disk, during the window or right before it, and an
emulated machine would translate that code again, which takes a third of a mount's time there.
"""

import ctypes
import mmap
import shutil
from pathlib import Path

# What a turn starts: the daemon, what its unit calls to mount and unmount, and the programs of the windows.
PROGRAMS = ("juicefs", "sh", "systemctl", "mountpoint", "umount", "findmnt", "fio", "iostat")


def resident(programs: tuple[str, ...] = PROGRAMS) -> list[mmap.mmap]:
    """Map what is in memory of programs into this process: the kernel drops no page that is mapped.

    All of them have run before: the lab is mounted, and facts() asked for versions. Their libraries are left as they
    are. The pages stay as long as the mappings are kept. A program that is not installed is left out.
    """
    found = [Path(path).resolve() for path in map(shutil.which, programs) if path is not None]
    return [mapped(file) for file in sorted(set(found))]


def mapped(file: Path) -> mmap.mmap:
    """A file, with those of its pages mapped that are in memory: JuiceFS has 120 MB, and uses a part of them."""
    with file.open("rb") as opened:
        mapping = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    for page in cached_pages(mapping):
        _ = mapping[page * mmap.PAGESIZE]
    return mapping


def cached_pages(mapping: mmap.mmap) -> list[int]:
    """Numbers of a mapped file's pages that are in the page cache (mincore). OSError when the kernel does not say."""
    length = len(mapping)
    vector = (ctypes.c_ubyte * -(-length // mmap.PAGESIZE))()
    address = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(length), vector) != 0:
        raise OSError(ctypes.get_errno(), "mincore")
    return [number for number, state in enumerate(vector) if state & 1]
