"""Figures of arms in blocks, as ratios to the arm `none` of the same block.

Usage: ratios.py FILE ARM... -- "NAME UNIT [plain]"...
FILE has a line for each block and arm: GROUP BLOCK ARM FIGURE..., as many figures as there are names. Prints for each group,
name and arm the median of the figures and, where it is not `plain`, of the blocks' ratios with the least and the greatest. The
arm `again` is `none` once more: how far its ratios are from 1 is what the others' may be by chance.
"""

import statistics
import sys


def main() -> None:
    """Read, and print the table."""
    split = sys.argv.index("--")
    arms, names = sys.argv[2:split], [name.split() for name in sys.argv[split + 1 :]]
    with open(sys.argv[1]) as file:
        rows = [line.split() for line in file]
    groups = list(dict.fromkeys(group for group, *_ in rows))
    for group in groups:
        for column, (name, unit, *plain) in enumerate(names, start=3):
            figures = {(block, arm): float(row[column]) for row in rows for own, block, arm in [row[:3]] if own == group}
            for arm in arms:
                own = {block: figure for (block, which), figure in figures.items() if which == arm}
                line = f"{group:>7}  {name:9} {arm:8} {statistics.median(own.values()):10.1f} {unit:3}"
                if not plain:
                    ratios = sorted(figure / figures[block, "none"] for block, figure in own.items())
                    line += f"  ratio {statistics.median(ratios):.3f}  ({ratios[0]:.3f} .. {ratios[-1]:.3f})"
                print(line)


main()
