"""The files of a run, and its progress."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from disgrafs_benchmark.live import Live
from disgrafs_benchmark.plan import Plan, read_plan
from disgrafs_benchmark.progress import Progress
from disgrafs_benchmark.store import Store

# Index of a workload that is in every block.
METADATA = 1
BOOTS = {"node1": "a", "node2": "b"}


@pytest.fixture
def plan(plan_file: Path, tmp_path: Path) -> Plan:
    """Plan in the folder of a run."""
    shutil.copy(plan_file, tmp_path / "plan.json")
    return read_plan(plan_file)


TAKEN = datetime(2026, 11, 28, 18, tzinfo=UTC)
SOON, NEXT_DAY = TAKEN + timedelta(minutes=5), TAKEN + timedelta(days=1)


SERVER = "10.77.0.10"


def take(store: Store, plan: Plan, block: int, slot: int, workload: int) -> None:
    look = {"neighbours": {SERVER: {"bootId": "s"}}}
    clients = {"node1": {"counters": {"before": look, "after": look}}, "node2": {"invalid": "no answer"}}
    record = {"boots": BOOTS, "ended": TAKEN.isoformat(), "clients": clients}
    store.write_point(plan.blocks[block], slot, plan.workloads[workload], record, {"node1.loops.json": b"{}"})


def test_a_point_is_kept_with_its_files(tmp_path: Path, plan: Plan) -> None:
    take(Store(tmp_path), plan, 1, 0, 0)
    again = Store(tmp_path)
    assert again.has(plan.blocks[1], 0, plan.workloads[0])
    assert not again.has(plan.blocks[1], 0, plan.workloads[1])
    folder = again.point_folder(plan.blocks[1], 0, plan.workloads[0])
    assert sorted(file.name for file in folder.iterdir()) == ["node1.loops.json", "point.json"]


def test_an_incomplete_point_is_removed_and_measured_again(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    folder = store.point_folder(plan.blocks[1], 0, plan.workloads[0])
    half = folder.with_name(folder.name + ".new")
    half.mkdir()
    again = Store(tmp_path)
    assert not again.has(plan.blocks[1], 0, plan.workloads[0])
    assert not half.exists()


@pytest.mark.parametrize(
    ("boots", "serving", "at"),
    [
        ({"node1": "a", "node2": "rebooted"}, "s", SOON),
        (BOOTS, "rebooted", SOON),
        (BOOTS, "s", NEXT_DAY),
    ],
    ids=["other boot", "other boot of Redis's node", "next day"],
)
def test_an_unfinished_block_of_another_boot_or_day_is_moved_to_discarded(
    tmp_path: Path, plan: Plan, boots: dict[str, str], serving: str, at: datetime
) -> None:
    store = Store(tmp_path)
    for slot in range(len(plan.blocks[1].slots)):
        for workload in plan.workloads_in(plan.blocks[1]):
            take(store, plan, 1, slot, plan.workloads.index(workload))
    take(store, plan, 2, 0, METADATA)
    assert store.discard_unfinished(plan, boots, {SERVER: serving}, at) == 1
    # A complete block is kept.
    assert store.has(plan.blocks[1], 0, plan.workloads[METADATA])
    assert not store.has(plan.blocks[2], 0, plan.workloads[METADATA])
    assert all(entry.name.startswith("002-0-") for entry in (tmp_path / "discarded").iterdir())
    assert (tmp_path / "discarded").is_dir()


def test_an_unfinished_block_of_this_boot_is_kept_after_a_short_pause(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    take(store, plan, 2, 0, METADATA)
    assert store.discard_unfinished(plan, BOOTS, {SERVER: "s"}, SOON) == 0
    assert store.has(plan.blocks[2], 0, plan.workloads[METADATA])


def test_a_file_of_the_run_is_replaced_and_leaves_no_temporary_file(tmp_path: Path, plan: Plan) -> None:
    store = Store(tmp_path)
    store.write("end.json", json.dumps({"lost": None}))
    store.write("end.json", json.dumps({"lost": plan.run_id}))
    assert json.loads((tmp_path / "end.json").read_text())["lost"] == plan.run_id
    assert not (tmp_path / "end.json.new").exists()


def test_progress_shows_the_point_and_the_time_left(plan: Plan) -> None:
    lines: list[str] = []
    time = [0.0]
    progress = Progress(plan, lines.append, lambda: time[0])
    progress.start()
    progress.point(plan.blocks[0], 0, plan.workloads[0])
    expected = round(plan.expected_seconds)
    first = f"point 1 of {plan.points}, about {expected // 60}:{expected % 60:02} left"
    assert lines[-1] == f"warm-up, arm ttl, ray: {first}"
    for _ in range(10):
        progress.finish_point(measured=False)
    progress.finish_point(measured=True)
    time[0] = 6.0
    progress.point(plan.blocks[1], 1, plan.workloads_in(plan.blocks[1])[1])
    left = (plan.points - 11) * 6
    assert lines[-1].startswith(f"block 1 of 3, arm {plan.blocks[1].slots[1].label}, control: point 12 of")
    assert lines[-1].endswith(f"about {left // 60}:{left % 60:02} left")


def test_the_point_being_measured_is_in_a_file_for_the_node_exporter(plan: Plan, tmp_path: Path) -> None:
    file = tmp_path / "textfiles" / "disgrafs-benchmark.prom"
    progress = Progress(plan, lambda _: None, live=Live(plan.run_id, file))
    # A lab without monitoring does not have the folder; the run continues.
    progress.point(plan.blocks[0], 0, plan.workloads[0])
    file.parent.mkdir()
    progress.finish_point(measured=True)
    progress.point(plan.blocks[1], 0, plan.workloads[METADATA])
    samples = {
        sample.name: sample for family in text_string_to_metric_families(file.read_text()) for sample in family.samples
    }
    assert samples["disgrafs_benchmark_point"].labels == {
        "run": plan.run_id,
        "block": "1",
        "arm": plan.blocks[1].slots[0].label,
        "workload": plan.workloads[METADATA].name,
    }
    assert samples["disgrafs_benchmark_points_done"].value == 1
    assert samples["disgrafs_benchmark_points"].value == plan.points
    assert samples["disgrafs_benchmark_left_seconds"].value >= 0
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    progress.live.end()
    assert not file.exists()
