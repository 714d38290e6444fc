"""Figures of arms in blocks, as ratios to the arm `none` of the same block.

Usage: ratios.py FILE ARM... -- "NAME UNIT [plain]"...
FILE has a line for each block and arm: GROUP BLOCK ARM FIGURE..., as many figures as there are names. Prints for each group,
name and arm the median of the figures and, where it is not `plain`, of the blocks' ratios, the median's 95 % interval, and a
verdict by the rule of the lab's benchmark (benchmarks/statistics.ts). The arm `again`, the first after `none`, is `none` once
more; how far its interval reaches from 1 is the noise floor. `higher` or `lower` is said where an arm's interval leaves 1 out
and its median lies beyond that floor, else `within noise`. Where the interval of `again` itself leaves 1 out, the machine was
not quiet: INVALID.
"""

import math
import statistics
import sys


def interval(ratios: list[float]) -> tuple[float, float] | None:
    """95 % interval of the median by order statistics, which assumes nothing of the distribution; six ratios at least."""
    n, ordered = len(ratios), sorted(ratios)
    below, rank = 0.0, 0
    # The rank-th least is above the median with the chance that fewer than `rank` of n coins show heads.
    while 2 * (below := below + math.comb(n, rank) / 2**n) <= 0.05:
        rank += 1
    return (ordered[rank - 1], ordered[n - rank]) if rank else None


def verdict(median: float, own: tuple[float, float] | None, noise: tuple[float, float] | None) -> str:
    """What an arm's ratios say, beside those of the A/A pair."""
    if own is None or noise is None:
        return "INVALID(fewer than 6 blocks)"
    if not noise[0] <= 1 <= noise[1]:
        return "INVALID(the A/A pair differs)"
    floor = max(1 / noise[0], noise[1])
    if own[0] <= 1 <= own[1] or 1 / floor <= median <= floor:
        return "within noise"
    return "higher" if median > 1 else "lower"


def main() -> None:
    """Read, and print the table."""
    split = sys.argv.index("--")
    arms, names = sys.argv[2:split], [name.split() for name in sys.argv[split + 1 :]]
    with open(sys.argv[1]) as file:
        rows = [line.split() for line in file]
    for group in dict.fromkeys(group for group, *_ in rows):
        for column, (name, unit, *plain) in enumerate(names, start=3):
            figures = {(row[1], row[2]): float(row[column]) for row in rows if row[0] == group}
            by_arm = {arm: {block: value for (block, which), value in figures.items() if which == arm} for arm in arms}
            noise = None
            for arm in arms:
                line = f"{group:>7}  {name:9} {arm:8} {statistics.median(by_arm[arm].values()):10.1f} {unit:3}"
                if not plain and arm != "none":
                    ratios = [value / figures[block, "none"] for block, value in by_arm[arm].items()]
                    own = interval(ratios)
                    noise = own if arm == "again" else noise
                    low, high = own or (min(ratios), max(ratios))
                    median = statistics.median(ratios)
                    line += f"  ratio {median:.3f}  ({low:.3f} .. {high:.3f})"
                    line += "" if arm == "again" else f"  {verdict(median, own, noise)}"
                print(line)


main()
