"""Programs that stay in memory."""

import mmap
import re
from collections.abc import Callable
from pathlib import Path

from disgrafs_benchmark.resident import resident

Program = Callable[[str, str], Path]


def resident_pages(file: Path) -> int:
    """Pages of a file that are mapped in this process, as the kernel counts them."""
    smaps = Path("/proc/self/smaps").read_text()
    found = re.search(rf"{re.escape(str(file))}\n.*?^Rss:\s+(\d+) kB", smaps, re.MULTILINE | re.DOTALL)
    return int(found.group(1)) * 1024 // mmap.PAGESIZE if found else 0


def test_a_program_is_mapped_whole_and_each_of_its_pages_is_there(program: Program) -> None:
    file = program("juicefs", "#" * 10 * mmap.PAGESIZE)
    link = file.with_name("fio")
    link.symlink_to(file)
    held = resident(("juicefs", "fio", "no-such-program"))
    assert [bytes(one) for one in held] == [file.read_bytes()]
    assert resident_pages(file) == 11
