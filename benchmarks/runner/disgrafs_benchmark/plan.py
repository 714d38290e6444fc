"""Reads a plan written by benchmarks/plan.ts, which validates it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = 2


@dataclass(frozen=True)
class Arm:
    """A named state of the cluster: cache times in seconds, variables of juicefs.service, and a script or None.

    `extension` is the only extension that may be loaded in the arm's turn. `script` is a file in benchmarks/arms and
    its first arguments. With `counted`, its count must grow in each window. With `reads`, the number of reads that it
    answered must also grow, if the workload has `reads`.
    """

    name: str
    attr: float
    entry: float
    dir_entry: float
    environment: dict[str, str]
    script: list[str] | None
    extension: str | None
    counted: bool
    reads: bool
    # Its workloads on the mount use a folder of the node's own disk instead.
    local: bool

    @property
    def longest(self) -> float:
        """Longest of the cache times."""
        return max(self.attr, self.entry, self.dir_entry)


@dataclass(frozen=True)
class Workload:
    """What to run; benchmarks/workloads.ts describes the parameters of each kind."""

    name: str
    kind: str
    caches: str
    place: str
    once: bool
    # Whether it reads data that is in the node's block cache.
    reads: bool
    # Whether its window ends after it has read its file once.
    one_pass: bool
    # Planned length of its window.
    seconds: float
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Slot:
    """One arm's turn in a block. The baseline has two, told apart by their label."""

    label: str
    arm: str


@dataclass(frozen=True)
class Block:
    """All arms, in the order in which they are measured."""

    index: int
    warm_up: bool
    slots: list[Slot]


@dataclass(frozen=True)
class Plan:
    """All that a run measures."""

    run_id: str
    seed: int
    clients: list[str]
    mount_point: str
    redis_host: str
    redis_port: int
    cache_droppers: list[str]
    expected_seconds: float
    limit_seconds: float
    # If a run pauses for longer within a block, the block starts again.
    pause_seconds: float
    baseline: str
    arms: dict[str, Arm]
    workloads: list[Workload]
    blocks: list[Block]

    def workloads_in(self, block: Block) -> list[Workload]:
        """Workloads of a block; those that run once are only in the warm-up block."""
        return [workload for workload in self.workloads if block.warm_up or not workload.once]

    @property
    def points(self) -> int:
        """Number of points, including the warm-up block."""
        return self.points_in(self.blocks)

    def points_in(self, blocks: list[Block]) -> int:
        """Number of points in some of the blocks."""
        return sum(len(block.slots) * len(self.workloads_in(block)) for block in blocks)


def read_plan(file: Path) -> Plan:
    """Read plan.json. ValueError if its version is not the one of this code."""
    raw = json.loads(file.read_text())
    if raw.get("version") != VERSION:
        raise ValueError(f"{file}: plan version {raw.get('version')}, this runner executes version {VERSION}")
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
                arm["extension"],
                arm["counted"],
                arm["reads"],
                arm["local"],
            )
            for arm in raw["arms"]
        },
        workloads=[
            Workload(
                entry["name"],
                entry["kind"],
                entry["caches"],
                entry["place"],
                entry["once"],
                entry["reads"],
                entry["onePass"],
                entry["seconds"],
                entry["parameters"],
            )
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
