"""Reports the progress of a run, one line per point, for `pulumi up`."""

import time
from collections.abc import Callable

from .live import Live
from .plan import Block, Plan, Workload


class Progress:
    """Counts points, and estimates the time left from the points measured so far."""

    def __init__(
        self,
        plan: Plan,
        show: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        until: int | None = None,
        live: Live | None = None,
    ) -> None:
        self.plan = plan
        self.live = live or Live(plan.run_id)
        self.blocks = [block for block in plan.blocks if until is None or block.index <= until]
        self.points = plan.points_in(self.blocks)
        self.show = show
        self.clock = clock
        self.done = 0
        self.measured = 0
        self.begin = clock()

    def start(self) -> None:
        """Call this when the preparation is over: it starts the clock of the points."""
        self.begin = self.clock()

    def point(self, block: Block, slot: int, workload: Workload) -> None:
        """Report the point that is measured next."""
        place = "warm-up" if block.warm_up else f"block {block.index} of {len(self.blocks) - 1}"
        label = block.slots[slot].label
        self.show(f"{place}, arm {label}, {workload.name}: point {self.done + 1} of {self.points}, {self.left()} left")
        self.live.point(block.index, label, workload.name, self.done, self.points, self.seconds_left())

    def finish_point(self, measured: bool) -> None:
        """Count a point, measured by this start of the run or by an earlier one."""
        self.done += 1
        self.measured += measured

    def left(self) -> str:
        """Time left, as minutes and seconds."""
        seconds = round(self.seconds_left())
        return f"about {seconds // 60}:{seconds % 60:02}"

    def seconds_left(self) -> float:
        """Time left in seconds; until a point has been measured, according to the plan."""
        todo = max(0, self.points - self.done)
        each = (
            (self.clock() - self.begin) / self.measured
            if self.measured
            else self.plan.expected_seconds / self.plan.points
        )
        return todo * each
