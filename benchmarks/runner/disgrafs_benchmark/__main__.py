"""`python -m disgrafs_benchmark FOLDER`: executes FOLDER/plan.json, or continues where an earlier start ended."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import ray

from .driver import Driver, NodeLostError
from .plan import read_plan


class TerminatedError(BaseException):
    """The unit was told to stop."""


class Terminator:
    """Turns TERM into an exception in the main thread, and remembers it.

    Raised while Ray's own code runs, the exception can come out as another (SystemError): `asked` tells.
    """

    def __init__(self) -> None:
        self.asked = False

    def install(self) -> None:
        """Handle TERM from now on."""
        signal.signal(signal.SIGTERM, self.terminate)

    def terminate(self, _signal: int, _frame: FrameType | None) -> None:
        """Take the first TERM; more of them change nothing."""
        if not self.asked:
            self.asked = True
            raise TerminatedError


def carry_out(driver: Driver, terminator: Terminator, connect: Callable[[], object]) -> int:
    """Run a driver; exit status 0 when it ended by itself, 143 when it was told to stop and has stopped."""
    terminator.install()
    try:
        connect()
        # Ray has put its own handler there.
        terminator.install()
        driver.run()
    except BaseException:
        if not terminator.asked:
            raise
        driver.show("told to stop: ending the workloads on all nodes")
        driver.abort()
        return 143
    return 0


def main(folder: Path) -> int:
    """Carry out the plan in a folder."""
    driver = Driver(read_plan(folder / "plan.json"), folder)
    try:
        return carry_out(driver, Terminator(), lambda: ray.init(address="auto", log_to_driver=False))
    except NodeLostError as error:
        sys.exit(f"the run could not begin: {error}")
    finally:
        ray.shutdown()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m disgrafs_benchmark FOLDER (with a plan.json)")
    sys.exit(main(Path(sys.argv[1])))
