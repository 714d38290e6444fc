"""Summarises figures of arms in blocks as ratios to the arm `none` of the same block.

Usage: ratios.py FILE ARM... -- "NAME UNIT [plain]"...
FILE has a line for each block and arm: GROUP BLOCK ARM FIGURE..., with a figure for each name. For each group, name
and arm, the output has the median of the figures and, except for a `plain` name, the median of the blocks' ratios with
its 95 % interval. The arm `again` repeats `none`, so its interval shows the noise. Verdicts come only from the lab's
benchmark (docs/benchmarks.md), which judges all rows of a table together.
"""

import math
import statistics
import sys
from pathlib import Path


def interval(ratios: list[float]) -> tuple[float, float] | None:
    """95 % interval of the median from order statistics, for any distribution; None for fewer than six ratios."""
    n, ordered = len(ratios), sorted(ratios)
    below, rank = 0.0, 0
    # The rank-th smallest ratio is above the median if fewer than `rank` of n are below it, each with probability 1/2.
    while 2 * (below := below + math.comb(n, rank) / 2**n) <= 0.05:
        rank += 1
    return (ordered[rank - 1], ordered[n - rank]) if rank else None


def main() -> None:
    """Read the file and print the table."""
    split = sys.argv.index("--")
    arms, names = sys.argv[2:split], [name.split() for name in sys.argv[split + 1 :]]
    with Path(sys.argv[1]).open() as file:
        rows = [line.split() for line in file]
    for group in dict.fromkeys(group for group, *_ in rows):
        for column, (name, unit, *plain) in enumerate(names, start=3):
            figures = {(row[1], row[2]): float(row[column]) for row in rows if row[0] == group}
            by_arm = {arm: {block: value for (block, which), value in figures.items() if which == arm} for arm in arms}
            for arm in arms:
                line = f"{group:>7}  {name:9} {arm:8} {statistics.median(by_arm[arm].values()):10.1f} {unit:3}"
                if not plain and arm != "none":
                    ratios = [value / figures[block, "none"] for block, value in by_arm[arm].items()]
                    own = interval(ratios)
                    low, high = own or (min(ratios), max(ratios))
                    few = "" if own else ", the range: too few blocks for an interval"
                    line += f"  ratio {statistics.median(ratios):.3f}  ({low:.3f} .. {high:.3f}{few})"
                print(line)


main()
