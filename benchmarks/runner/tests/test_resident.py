"""Programs that are mapped to keep them in memory."""

import mmap
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from disgrafs_benchmark import resident as resident_module
from disgrafs_benchmark.resident import resident

Program = Callable[[str, str], Path]


def mapped_pages(file: Path) -> int:
    """The kernel's count of a file's pages that are mapped in this process."""
    smaps = Path("/proc/self/smaps").read_text()
    found = re.search(rf"{re.escape(str(file))}\n.*?^Rss:\s+(\d+) kB", smaps, re.MULTILINE | re.DOTALL)
    return int(found.group(1)) * 1024 // mmap.PAGESIZE if found else 0


def test_each_program_is_mapped_once_with_all_pages_that_are_in_memory(program: Program) -> None:
    file = program("juicefs", "#" * 10 * mmap.PAGESIZE)
    file.with_name("fio").symlink_to(file)
    held = resident(("juicefs", "fio", "no-such-program"))
    assert [bytes(one) for one in held] == [file.read_bytes()]
    assert mapped_pages(file) == 11


def test_pages_that_are_not_in_memory_are_not_mapped(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    file = program("juicefs", "#" * 4096 * mmap.PAGESIZE)
    monkeypatch.setattr(resident_module, "cached_pages", lambda _mapping: [7])
    held = resident(("juicefs",))
    assert len(held[0]) == file.stat().st_size
    # The kernel also maps a few neighbouring pages that are in memory.
    assert 0 < mapped_pages(file) < 4096
