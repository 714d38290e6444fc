"""Reads the plan from benchmarks/plan.ts, which has already checked it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = 2


@dataclass(frozen=True)
class Arm:
    """A named state of the cluster: cache times in seconds, variables of juicefs.service, a script or none.

    `script` is a file in benchmarks/arms and its first arguments; `counted` that its count must grow in every window.
    """

    name: str
    attr: float
    entry: float
    dir_entry: float
    environment: dict[str, str]
    script: list[str] | None
    counted: bool

    @property
    def longest(self) -> float:
        """Longest of the cache times."""
        return max(self.attr, self.entry, self.dir_entry)


@dataclass(frozen=True)
class Workload:
    """What to run; `parameters` are those of its kind in benchmarks/workloads.ts."""

    name: str
    kind: str
    caches: str
    place: str
    once: bool
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Slot:
    """One arm's turn in a block. The baseline has two, told apart by their label."""

    label: str
    arm: str


@dataclass(frozen=True)
class Block:
    """Every arm once, in this order."""

    index: int
    warm_up: bool
    slots: list[Slot]


@dataclass(frozen=True)
class Plan:
    """A run from its first to its last point."""

    run_id: str
    seed: int
    clients: list[str]
    mount_point: str
    redis_host: str
    redis_port: int
    cache_droppers: list[str]
    expected_seconds: float
    limit_seconds: float
    # An unfinished block with a longer pause in it is begun anew.
    pause_seconds: float
    baseline: str
    arms: dict[str, Arm]
    workloads: list[Workload]
    blocks: list[Block]

    def workloads_in(self, block: Block) -> list[Workload]:
        """Workloads of a block: those that are run once are in the warm-up alone."""
        return [workload for workload in self.workloads if block.warm_up or not workload.once]

    @property
    def points(self) -> int:
        """Number of points, warm-up included."""
        return self.points_in(self.blocks)

    def points_in(self, blocks: list[Block]) -> int:
        """Number of points in some of the blocks."""
        return sum(len(block.slots) * len(self.workloads_in(block)) for block in blocks)


def read_plan(file: Path) -> Plan:
    """Read plan.json. ValueError when it is of another version than this code."""
    raw = json.loads(file.read_text())
    if raw.get("version") != VERSION:
        raise ValueError(f"{file}: plan version {raw.get('version')}, this runner carries out version {VERSION}")
    return Plan(
        run_id=raw["runId"],
        seed=raw["seed"],
        clients=raw["clients"],
        mount_point=raw["mountPoint"],
        redis_host=raw["redis"]["host"],
        redis_port=raw["redis"]["port"],
        cache_droppers=raw["cacheDroppers"],
        expected_seconds=raw["expectedSeconds"],
        limit_seconds=raw["limitSeconds"],
        pause_seconds=raw["limits"]["pauseSeconds"],
        baseline=raw["baseline"],
        arms={
            arm["name"]: Arm(
                arm["name"],
                arm["caches"]["attr"],
                arm["caches"]["entry"],
                arm["caches"]["dirEntry"],
                arm["environment"],
                arm["script"],
                arm["counted"],
            )
            for arm in raw["arms"]
        },
        workloads=[
            Workload(entry["name"], entry["kind"], entry["caches"], entry["place"], entry["once"], entry["parameters"])
            for entry in raw["workloads"]
        ],
        blocks=[
            Block(
                block["index"],
                block["warmUp"],
                [Slot(slot["label"], slot["arm"]) for slot in block["slots"]],
            )
            for block in raw["blocks"]
        ],
    )
