"""Stores the raw files of a run on the head's disk. The folder of a point appears atomically."""

import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .plan import Block, Plan, Workload


@dataclass(frozen=True)
class Request:
    """The last block to measure, and whether the run then pauses and keeps its data, or ends."""

    until: int
    pause: bool


class Store:
    """Folder of a run: plan.json, request, facts.json, progress, points/, discarded/, finished."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points = folder / "points"
        self.points.mkdir(parents=True, exist_ok=True)
        for left in self.points.glob("*.new"):
            shutil.rmtree(left)

    def request(self, plan: Plan) -> Request:
        """Read the request of follow.sh, such as "10 pause" or "10 end"; without one, the whole plan is requested."""
        file = self.folder / "request"
        last = plan.blocks[-1].index
        until, then = file.read_text().split() if file.exists() else (str(last), "end")
        return Request(int(until), then == "pause" and int(until) < last)

    def first_start(self) -> str | None:
        """Time of the run's first start; None if this is the first."""
        facts = self.folder / "facts.json"
        return str(json.loads(facts.read_text())["started"]) if facts.exists() else None

    def point_folder(self, block: Block, slot: int, workload: Workload) -> Path:
        """Folder of a point. Names sort in the order of the run."""
        return self.points / f"{block.index:03}-{slot}-{block.slots[slot].label}-{workload.name}"

    def has(self, block: Block, slot: int, workload: Workload) -> bool:
        """Whether a point has been recorded."""
        return (self.point_folder(block, slot, workload) / "point.json").exists()

    def write_point(
        self, block: Block, slot: int, workload: Workload, record: dict[str, Any], files: dict[str, bytes]
    ) -> None:
        """Store a point: `record` as point.json, and `files` in the same folder."""
        final = self.point_folder(block, slot, workload)
        new = final.with_name(final.name + ".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        for name, data in files.items():
            (new / name).write_bytes(data)
        (new / "point.json").write_text(json.dumps(record, indent=1))
        shutil.rmtree(final, ignore_errors=True)
        new.rename(final)

    def discard_unfinished(self, plan: Plan, boots: dict[str, str], serving: dict[str, str], at: datetime) -> int:
        """Move unfinished blocks to `discarded` if a node was rebooted since, or if they are too old; returns how many.

        `boots` are the clients', and `serving` those of the nodes that serve them, by address.

        The arms of a block are compared, so they must be measured in one boot and without a long pause. Complete blocks
        are kept.
        """
        discarded = 0
        for block in plan.blocks:
            folders = sorted(self.points.glob(f"{block.index:03}-*"))
            records = [json.loads((folder / "point.json").read_text()) for folder in folders]
            whole = len(folders) == len(block.slots) * len(plan.workloads_in(block))
            if whole or not records:
                continue
            last = max(datetime.fromisoformat(record["ended"]) for record in records)
            paused = (at - last).total_seconds() > plan.pause_seconds
            seen = [pair for record in records for pair in serving_boots(record)]
            rebooted = any(record["boots"] != boots for record in records) or any(
                boot != serving.get(address, boot) for address, boot in seen
            )
            if paused or rebooted:
                aside = self.folder / "discarded"
                aside.mkdir(exist_ok=True)
                for folder in folders:
                    shutil.rmtree(aside / folder.name, ignore_errors=True)
                    folder.rename(aside / folder.name)
                discarded += 1
        return discarded

    def remove(self, name: str) -> None:
        """Remove a file of the run, if it exists."""
        (self.folder / name).unlink(missing_ok=True)

    def add_facts(self, started: str, at: str, clients: dict[str, dict[str, Any]], discarded: int) -> None:
        """Add the clients' facts at a start of the run to those of earlier starts, which may be of other boots.

        `discarded` unfinished blocks of earlier starts were discarded at this one.
        """
        file = self.folder / "facts.json"
        earlier = json.loads(file.read_text())["starts"] if file.exists() else []
        starts = [*earlier, {"at": at, "clients": clients, "discarded": discarded}]
        self.write("facts.json", json.dumps({"started": started, "clients": clients, "starts": starts}, indent=1))

    def write(self, name: str, text: str) -> None:
        """Write a file of the run atomically."""
        new = self.folder / f"{name}.new"
        new.write_text(text)
        os.replace(new, self.folder / name)  # noqa: PTH105


def serving_boots(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Address and boot id of the nodes that served the clients, each time that a point's record names them."""
    counters = [look for client in record["clients"].values() for look in client.get("counters", {}).values()]
    return [
        (address, node["bootId"])
        for look in counters
        for address, node in look.get("neighbours", {}).items()
        if node.get("bootId")
    ]
