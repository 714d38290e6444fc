"""The mount's state, the cold-cache protocol, arms' scripts, and the plan."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from disgrafs_benchmark import arms, mount
from disgrafs_benchmark.mount import Mount, ResetError
from disgrafs_benchmark.plan import VERSION, Arm, read_plan

MOUNTINFO = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
90 22 0:45 / /mnt/jfs rw,nosuid,nodev shared:9 - fuse.juicefs JuiceFS:disgrafs rw,user_id=0
91 22 0:46 / /mnt/a\\040b rw - tmpfs tmpfs rw
"""
ARM = Arm("nocache", 0, 0, 0, {"JUICEFS_EXTRA": "--x=1"}, None, None, counted=False, reads=False, local=False)


def test_the_type_of_a_mount_is_read_from_mountinfo() -> None:
    assert mount.mount_type("/mnt/jfs", MOUNTINFO) == "fuse.juicefs"
    assert mount.mount_type("/mnt/a b", MOUNTINFO) == "tmpfs"
    assert mount.mount_type("/mnt", MOUNTINFO) is None
    assert mount.mount_type("/proc") == "proc"


def test_the_topmost_of_several_mounts_counts() -> None:
    over = MOUNTINFO + "92 90 0:47 / /mnt/jfs rw - tmpfs tmpfs rw\n"
    assert mount.mount_type("/mnt/jfs", over) == "tmpfs"


def test_a_folder_without_a_mounted_juicefs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResetError, match=r"is not mounted, not fuse\.juicefs"):
        Mount(str(tmp_path)).state()
    with pytest.raises(ResetError, match=r"^/proc is proc, not fuse\.juicefs$"):
        Mount("/proc").state()


def test_the_environment_file_has_the_cache_times_and_the_arms_variables() -> None:
    text = mount.environment_file(ARM)
    assert text.splitlines() == [
        'JFS_SUPERVISOR="systemd"',
        'JUICEFS_CACHE_OPTIONS="--attr-cache=0 --entry-cache=0 --dir-entry-cache=0"',
        'JUICEFS_EXTRA="--x=1"',
    ]


def config(folder: str, attr: int = 0) -> dict[str, Any]:
    return {
        "Format": {"UUID": "b88a-140b"},
        "Chunk": {"CacheDir": folder},
        "AttrTimeout": attr,
        "EntryTimeout": 0,
        "DirEntryTimeout": 0,
    }


def test_a_cache_folder_that_does_not_belong_to_the_volume_is_refused() -> None:
    assert mount.cache_folders(config("/var/jfsCache/b88a-140b")) == [Path("/var/jfsCache/b88a-140b")]
    for wrong in ("/", "/var/jfsCache", "b88a-140b", "/var/jfsCache/b88a-140b:/home"):
        with pytest.raises(ResetError, match="so it is not cleared"):
            mount.cache_folders(config(wrong))


def test_a_mount_with_another_arms_cache_times_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mount, "mount_type", lambda _point: "fuse.juicefs")
    (tmp_path / ".config").write_text(__import__("json").dumps(config("/c/b88a-140b", attr=1_000_000_000)))
    with pytest.raises(ResetError, match=r"not in arm nocache: attr is 1 s, not 0 s"):
        Mount(str(tmp_path)).check(ARM)


def test_the_cache_folder_is_emptied_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "raw" / "chunks").mkdir(parents=True)
    (tmp_path / "raw" / "chunks" / "1").write_bytes(b"x")
    (tmp_path / "link").symlink_to("/etc")
    mount.clear([tmp_path, tmp_path / "absent"])
    assert list(tmp_path.iterdir()) == []
    assert Path("/etc/passwd").exists()


def proc(folder: Path, counts: str) -> Path:
    (folder / "sys" / "vm").mkdir(parents=True)
    (folder / "vmstat").write_text(f"nr_free_pages 5\n{counts}")
    return folder


def test_a_drop_that_the_kernel_did_not_count_fails(tmp_path: Path) -> None:
    with pytest.raises(ResetError, match="did not count a drop: drop_pagecache, drop_slab"):
        mount.drop_caches(proc(tmp_path, "drop_pagecache 3\ndrop_slab 3\n"))
    assert (tmp_path / "sys" / "vm" / "drop_caches").read_text() == "3\n"


def test_a_kernel_without_the_counters_fails(tmp_path: Path) -> None:
    with pytest.raises(ResetError, match="no counters"):
        mount.drop_caches(proc(tmp_path, ""))


class Stuck:
    """A service that reports that it stopped, but leaves the mount."""

    def start(self, arm: Arm | None) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


def test_a_volume_that_stays_mounted_fails_the_step_unmount() -> None:
    stuck = Mount("/proc", Stuck())
    with pytest.raises(ResetError, match=r"^unmount: /proc is still mounted \(proc\)$"):
        stuck.unmount_and_drop()


SCRIPT = Arm("ext", 1, 1, 1, {}, ["ext.sh", "name"], "name", counted=True, reads=False, local=False)
UNCOUNTED = dataclasses.replace(SCRIPT, counted=False)
READING = dataclasses.replace(SCRIPT, reads=True)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('echo \'{"active": false, "count": 1}\'', "arm ext is not active"),
        ("echo hello", "expected one line of JSON, got 'hello"),
        ("echo '{\"active\": true}'", "expected one line of JSON"),
        ('echo \'{"active": true, "count": null}\'', "expected one line of JSON"),
        ("echo broken >&2; exit 3", "exit status 3: broken"),
    ],
)
def test_an_arm_without_a_valid_proof_is_refused(tmp_path: Path, script: str, message: str) -> None:
    (tmp_path / "ext.sh").write_text(script)
    with pytest.raises(ResetError, match=message):
        arms.prove(SCRIPT, "/mnt/jfs", tmp_path)


def test_an_arms_script_gets_the_action_and_the_mount_point(tmp_path: Path) -> None:
    (tmp_path / "ext.sh").write_text('[ "$*" = "name prove /mnt/jfs" ] && echo "{\\"active\\": true, \\"count\\": 12}"')
    assert arms.prove(SCRIPT, "/mnt/jfs", tmp_path) == arms.Proof(active=True, count=12)


@pytest.mark.parametrize("reads", ["", ', "reads": null, "readBytes": null', ', "reads": 7'])
def test_an_arm_that_answers_reads_must_count_them(tmp_path: Path, reads: str) -> None:
    (tmp_path / "ext.sh").write_text(f'echo \'{{"active": true, "count": 12{reads}}}\'')
    with pytest.raises(ResetError, match="expected one line of JSON"):
        arms.prove(READING, "/mnt/jfs", tmp_path)
    assert arms.prove(SCRIPT, "/mnt/jfs", tmp_path).reads is None
    (tmp_path / "ext.sh").write_text('echo \'{"active": true, "count": 12, "reads": 7, "readBytes": 28672}\'')
    assert arms.prove(READING, "/mnt/jfs", tmp_path) == arms.Proof(True, 12, [], 7, 28672)


def test_an_arm_without_an_extension_needs_no_count(tmp_path: Path) -> None:
    (tmp_path / "ext.sh").write_text('echo \'{"active": true, "count": null}\'')
    assert arms.prove(UNCOUNTED, "/mnt/jfs", tmp_path) == arms.Proof(active=True, count=None)


@pytest.mark.parametrize(
    ("script", "obstacle"),
    [
        ("exit 0", None),
        (
            "echo 'unsupported: kernel 5.4; needed: a newer one' >&2; exit 1",
            "unsupported: kernel 5.4; needed: a newer one",
        ),
    ],
)
def test_an_arm_that_cannot_run_here_reports_the_reason(tmp_path: Path, script: str, obstacle: str | None) -> None:
    (tmp_path / "ext.sh").write_text(script)
    assert arms.obstacle(SCRIPT, "/mnt/jfs", tmp_path) == obstacle


def test_the_plan_of_plan_ts_is_read(plan_file: Path) -> None:
    plan = read_plan(plan_file)
    assert plan.clients == ["node1", "node2"]
    assert plan.baseline in plan.arms
    assert plan.arms["nocache"].attr == 0
    assert plan.points == sum(len(block.slots) * len(plan.workloads_in(block)) for block in plan.blocks)
    assert {slot.arm for block in plan.blocks for slot in block.slots} <= set(plan.arms)


def test_a_plan_of_another_version_is_refused(tmp_path: Path, plan_file: Path) -> None:
    other = tmp_path / "plan.json"
    other.write_text(json.dumps({**json.loads(plan_file.read_text()), "version": VERSION + 1}))
    with pytest.raises(ValueError, match=f"plan version {VERSION + 1}, this runner executes version {VERSION}"):
        read_plan(other)
