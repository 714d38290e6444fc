"""Files are opened and deleted by inode, and only below the mount point."""

import os
import socket
from pathlib import Path

import pytest

from disgrafs.api.volume import GoneError, Volume, VolumeError, shown_as


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    mount = tmp_path / "volume"
    (mount / "docs").mkdir(parents=True)
    (mount / "docs" / "a").write_text("inside")
    (tmp_path / "secret").write_text("outside")
    (mount / "link").symlink_to(tmp_path / "secret")
    (mount / "away").symlink_to(tmp_path)
    os.mkfifo(mount / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(mount / "socket"))
    return Volume(mount, mount.stat().st_ino)


def inode(path: Path) -> int:
    return path.lstat().st_ino


def test_a_file_can_be_opened_and_deleted(volume: Volume) -> None:
    file = volume.mount / "docs" / "a"
    opened = volume.open("docs/a", inode(file))
    assert opened.peek() == b"inside"
    opened.close()
    volume.delete("docs/a", inode(file))
    assert not file.exists()


def test_an_open_file_stays_the_same_if_another_takes_its_name(volume: Volume) -> None:
    file = volume.mount / "docs" / "a"
    opened = volume.open("docs/a", inode(file))
    file.unlink()
    file.write_text("another")
    assert Path(opened.path).read_text() == "inside"
    opened.close()


@pytest.mark.parametrize(
    "path",
    ["../secret", "docs/../../secret", "/etc/passwd", "away/secret", "link", "docs//a", "", ".", "docs/a/", "a\0b"],
)
def test_no_path_leads_out_of_the_volume(volume: Volume, path: str) -> None:
    for target in (volume.mount.parent / "secret", volume.mount / "docs" / "a", Path("/etc/passwd")):
        with pytest.raises(GoneError):
            volume.open(path, target.stat().st_ino)
        with pytest.raises(GoneError):
            volume.delete(path, target.stat().st_ino)
    assert (volume.mount.parent / "secret").exists()


@pytest.mark.parametrize("name", ["fifo", "socket", "docs", "link"])
def test_a_file_that_is_not_regular_is_refused_without_blocking(volume: Volume, name: str) -> None:
    with pytest.raises(GoneError):
        volume.open(name, inode(volume.mount / name))


def test_a_file_that_took_the_name_of_another_is_not_deleted(volume: Volume) -> None:
    old = inode(volume.mount / "docs" / "a")
    replacement = volume.mount / "docs" / "b"
    replacement.write_text("new")
    replacement.rename(volume.mount / "docs" / "a")
    with pytest.raises(GoneError):
        volume.delete("docs/a", old)
    with pytest.raises(GoneError):
        volume.open("docs/a", old)
    assert (volume.mount / "docs" / "a").read_text() == "new"


def test_the_folder_below_a_missing_mount_is_not_taken_for_the_volume(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="is not mounted"):
        Volume(tmp_path).open("a", 2)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n123", "image/png"),
        (b"\xff\xd8\xff\xe1", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("Größe 報告".encode(), "text/plain; charset=utf-8"),
        ("報告".encode()[:-1], "text/plain; charset=utf-8"),
        (b"<script>alert(1)</script>", "text/plain; charset=utf-8"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text/plain; charset=utf-8"),
        (b"%PDF-1.4\n\x00\x01", None),
        (b"\x7fELF\x02\x01\x01\x00", None),
    ],
)
def test_a_browser_is_only_shown_text_and_pictures(start: bytes, kind: str | None) -> None:
    assert shown_as(start) == kind
