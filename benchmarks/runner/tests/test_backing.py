"""What is in memory when reads begin, and the limit of a disk."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from disgrafs_benchmark import backing
from disgrafs_benchmark.lifeline import Lifeline
from disgrafs_benchmark.mount import UNIT, ResetError
from disgrafs_benchmark.system import run

SIZE = 1 << 20


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    """A file in memory, whose file system can drop its pages."""
    if run(["findmnt", "-no", "FSTYPE", "--target", str(tmp_path)]).strip() == "tmpfs":
        pytest.skip("the pages of a tmpfs cannot be dropped")
    file = tmp_path / "block"
    file.write_bytes(os.urandom(SIZE))
    return file


def test_pages_of_a_file_are_dropped_although_they_were_just_written(on_disk: Path) -> None:
    backing.drop([on_disk])
    assert backing.drop_pages(on_disk) == (0, SIZE // 4096)
    on_disk.read_bytes()


def test_pages_that_stay_in_memory_are_an_error(on_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fadvise", lambda *_what: None)
    with pytest.raises(ResetError, match=f"block: {SIZE // 4096} of {SIZE // 4096} pages stayed in memory"):
        backing.drop([on_disk])


def test_the_block_files_are_those_below_raw(tmp_path: Path) -> None:
    for name in ("raw/chunks/0/0/7_0_4096", "raw/chunks/0/1/1007_0_4096", "rawstaging/chunks/0/0/8_0_4096"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [file.name for file in backing.block_files([tmp_path])] == ["7_0_4096", "1007_0_4096"]


class Units:
    """systemd's units, whose cgroups are folders of the test; a limit shows in io.max."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.groups = tmp_path
        self.scope = Lifeline("test")
        self.scope.folder = self.group("run.scope")
        self.group(UNIT)
        self.obeys = True
        self.asked: list[list[str]] = []
        monkeypatch.setattr(backing, "CGROUP", tmp_path)
        monkeypatch.setattr(backing, "run", self.run)
        monkeypatch.setattr(backing, "LIMIT_SECONDS", 0.1)

    def group(self, name: str) -> Path:
        """The folder of a unit's cgroup."""
        folder = self.groups / name
        folder.mkdir(exist_ok=True)
        (folder / "io.max").touch()
        return folder

    def run(self, command: list[str]) -> str:
        """Stand in for systemctl."""
        if command[1] == "show":
            return f"/{command[-1]}\n"
        self.asked.append(command[3:])
        unit, setting = command[3:]
        reads = setting.rpartition(" ")[2]
        if self.obeys:
            limits = f"253:0 rbps=max wbps=max riops={reads} wiops=max\n" if reads.isdigit() else ""
            (self.groups / unit / "io.max").write_text(limits)
        return ""


@pytest.mark.parametrize(
    ("number", "name"), [(os.makedev(259, 3), "/dev/block/259:3"), (os.makedev(0, 40), "/a/folder")]
)
def test_systemd_gets_one_name_of_a_disk_for_all_of_its_folders(
    number: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "stat", lambda _path: SimpleNamespace(st_dev=number))
    assert backing.device(Path("/a/folder")) == name


def test_a_slow_disk_is_slow_for_juicefs_and_for_the_workload_until_it_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = Units(tmp_path, monkeypatch)
    disk = backing.SlowDisk(units.scope)
    disk.limit(Path("/var/cache"), 100)
    assert units.asked == [
        [name, f"IOReadIOPSMax={backing.device(Path('/var/cache'))} 100"] for name in (UNIT, "run.scope")
    ]
    disk.release()
    assert sorted(units.asked[2:]) == sorted([name, "IOReadIOPSMax="] for name in (UNIT, "run.scope"))
    disk.release()
    assert len(units.asked) == 4


def test_a_limit_that_the_kernel_does_not_report_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = Units(tmp_path, monkeypatch)
    units.obeys = False
    with pytest.raises(ResetError, match=r"juicefs\.service is not limited to 100 reads a second: ''"):
        backing.SlowDisk(units.scope).limit(Path("/var/cache"), 100)


def test_a_scope_that_has_ended_needs_no_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = Units(tmp_path, monkeypatch)
    disk = backing.SlowDisk(units.scope)
    disk.limit(Path("/var/cache"), 100)
    units.scope.folder = None
    disk.release()
    assert units.asked[2:] == [[UNIT, "IOReadIOPSMax="]]
    # What a killed agent may have left.
    disk.release([UNIT])
    assert units.asked[3:] == [[UNIT, "IOReadIOPSMax="]]


def test_programs_without_a_cgroup_cannot_be_limited() -> None:
    with pytest.raises(ResetError, match="no cgroup"):
        backing.SlowDisk(Lifeline("test")).limit(Path("/"), 100)
