"""Reads run.json of a disgrafs-lab benchmark, for your own plots. Needs nothing but Python: copy this file.

    from read_run import read
    run = read("results/course-5f0e6c1d2b3a")
    for row in run.rows: print(row["workload"], row["figure"], row["arm"], row["ratio"]["centre"], row["verdict"])
    run.ratios("metadata", "statMiss", "nocache")      # one number per block: the arm over the mean of both baselines
    pandas.DataFrame(run.values())                     # every figure: block, label, arm, workload, figure, value

As a program it prints all measured figures as CSV: python3 read_run.py results/course-5f0e6c1d2b3a >figures.csv
docs/run.schema.json describes each field.
"""

import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

VERSION = 4


class Run:
    """A run: `facts` is the whole of run.json, `rows` the verdict table."""

    def __init__(self, facts: dict[str, Any]) -> None:
        if facts.get("version") != VERSION:
            raise ValueError(
                f"run.json has version {facts.get('version')}, and this reader knows version {VERSION}: "
                "make it anew with ./lab report RUN, or take the reader of that version"
            )
        self.facts = facts
        self.rows: list[dict[str, Any]] = facts["results"]

    def values(self, warm_up: bool = False) -> list[dict[str, Any]]:
        """Every figure of every valid point, also of blocks after the last look.

        Of emulated machines only ratios mean anything.
        """
        return [
            {name: point[name] for name in ("block", "label", "arm", "workload")}
            | {"figure": figure, "value": value}
            for point in self.facts["points"]
            if warm_up or not point["warmUp"]
            for figure, value in point["figures"].items()
        ]

    def ratios(self, workload: str, figure: str, arm: str) -> list[float]:
        """The arm over the geometric mean of both baselines, block by block: what the verdict is made from.

        As in the verdict, blocks after the last look do not count.
        """
        blocks: dict[int, dict[str, float]] = {}
        for value in self.values():
            # Points are in the order of the run.
            if value["block"] <= self.facts["look"] and (
                value["workload"],
                value["figure"],
            ) == (workload, figure):
                blocks.setdefault(value["block"], {})[value["label"]] = value["value"]
        labels = (arm, self.facts["baseline"], self.facts["repeat"])
        whole = [
            [block[label] for label in labels]
            for _, block in sorted(blocks.items())
            if block.keys() >= set(labels)
        ]
        return [own / math.sqrt(first * second) for own, first, second in whole]


def read(path: str | Path) -> Run:
    """Read a run: its folder in results/, or the file run.json itself."""
    file = Path(path)
    return Run(
        json.loads(
            (file / "run.json" if file.is_dir() else file).read_text(encoding="utf-8")
        )
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 read_run.py RUN (a folder with run.json)")
    figures = read(sys.argv[1]).values(warm_up=True)
    writer = csv.DictWriter(
        sys.stdout, ["block", "label", "arm", "workload", "figure", "value"]
    )
    writer.writeheader()
    writer.writerows(figures)
