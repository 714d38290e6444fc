"""Where a run keeps its workloads' data."""

import shutil
from dataclasses import replace
from pathlib import Path

from .plan import Arm, Plan, Workload

DATA_FOLDER = ".disgrafs-benchmark"
# DisGraFS tags nothing in DATA_FOLDER (provisioning/disgrafs/disgrafs.ts), and everything here.
TAGGED_FOLDER = ".disgrafs-tagging"
LOCAL_FOLDER = Path("/var/tmp/disgrafs-benchmark")  # noqa: S108
# Owner of data that all clients read.
SHARED = "shared"
# Kinds of workloads that use a tree of small files.
TREE_KINDS = ("metadata", "walk", "application", "tagger")


def data_folder(plan: Plan, workload: Workload, owner: str) -> Path:
    """Folder of a workload's data, which belongs to a client or is SHARED; workloads with equal data share it."""
    kind = workload.kind
    on_mount = Path(plan.mount_point) / (TAGGED_FOLDER if kind == "tagging" else DATA_FOLDER)
    root = on_mount if workload.place == "mount" else LOCAL_FOLDER
    if kind in TREE_KINDS:
        kind = f"tree-{workload.parameters['files']}-{workload.parameters['directories']}"
    return root / plan.run_id / owner / kind


def placed(workload: Workload, arm: Arm) -> Workload:
    """The workload where an arm has it."""
    return replace(workload, place="local-disk") if arm.local and workload.place == "mount" else workload


def remove_data(plan: Plan, owner: str) -> None:
    """Remove the data of all workloads that belongs to a client or is SHARED."""
    volume = Path(plan.mount_point)
    for folder in (volume / DATA_FOLDER, volume / TAGGED_FOLDER, LOCAL_FOLDER):
        shutil.rmtree(folder / plan.run_id / owner, ignore_errors=True)
