"""`python -m disgrafs_benchmark FOLDER`: executes FOLDER/plan.json, or continues an earlier execution."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import ray

from .driver import Driver, NodeLostError
from .plan import read_plan


class TerminatedError(BaseException):
    """The process received SIGTERM."""


class Terminator:
    """Turns SIGTERM into an exception in the main thread, and remembers it in `asked`.

    If the exception is raised while Ray's own code runs, that code can turn it into another one, such as SystemError.
    """

    def __init__(self) -> None:
        self.asked = False

    def install(self) -> None:
        """Handle SIGTERM from now on."""
        signal.signal(signal.SIGTERM, self.terminate)

    def terminate(self, _signal: int, _frame: FrameType | None) -> None:
        """Raise TerminatedError for the first SIGTERM; ignore further ones."""
        if not self.asked:
            self.asked = True
            raise TerminatedError


def carry_out(driver: Driver, terminator: Terminator, connect: Callable[[], object]) -> int:
    """Run a driver; returns the exit status: 0 when the run is over, 143 after SIGTERM."""
    terminator.install()
    try:
        connect()
        # Ray has replaced the handler by its own.
        terminator.install()
        driver.run()
    except BaseException:
        if not terminator.asked:
            raise
        driver.show("received SIGTERM: ending the workloads on all nodes")
        driver.abort()
        return 143
    return 0


def main(folder: Path) -> int:
    """Execute the plan in a folder."""
    driver = Driver(read_plan(folder / "plan.json"), folder)
    try:
        return carry_out(driver, Terminator(), lambda: ray.init(address="auto", log_to_driver=False))
    except NodeLostError as error:
        sys.exit(f"the run could not start: {error}")
    finally:
        ray.shutdown()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m disgrafs_benchmark FOLDER (with a plan.json)")
    sys.exit(main(Path(sys.argv[1])))
