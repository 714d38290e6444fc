"""One line that says how far the run is, for `pulumi up` to show."""

import time
from collections.abc import Callable

from .plan import Block, Plan, Workload


class Progress:
    """Counts points and tells the time left from those measured so far."""

    def __init__(self, plan: Plan, show: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.plan = plan
        self.show = show
        self.clock = clock
        self.done = 0
        self.measured = 0
        self.begin = clock()

    def start(self) -> None:
        """Preparation is over: times from here on are of points."""
        self.begin = self.clock()

    def point(self, block: Block, slot: int, workload: Workload) -> None:
        """Say which point comes now."""
        place = "warm-up" if block.warm_up else f"block {block.index} of {len(self.plan.blocks) - 1}"
        label = block.slots[slot].label
        self.show(
            f"{place}, arm {label}, {workload.name}: point {self.done + 1} of {self.plan.points}, {self.left()} left"
        )

    def finish_point(self, measured: bool) -> None:
        """Count a point, whether measured now or before."""
        self.done += 1
        self.measured += measured

    def left(self) -> str:
        """Time left as minutes and seconds; from the plan until a point has been measured."""
        todo = self.plan.points - self.done
        each = (
            (self.clock() - self.begin) / self.measured
            if self.measured
            else self.plan.expected_seconds / self.plan.points
        )
        seconds = round(todo * each)
        return f"about {seconds // 60}:{seconds % 60:02}"
