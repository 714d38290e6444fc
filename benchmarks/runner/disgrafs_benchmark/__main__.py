"""`python -m disgrafs_benchmark FOLDER`: carries out FOLDER/plan.json, or goes on where an earlier start left off."""

import signal
import sys
from pathlib import Path
from types import FrameType

import ray

from .driver import Driver
from .plan import read_plan


class TerminatedError(BaseException):
    """The unit was told to stop."""


def terminate(_signal: int, _frame: FrameType | None) -> None:
    """Turn TERM into an exception in the main thread."""
    raise TerminatedError


def main(folder: Path) -> int:
    """Run the plan; exit status 0 when it ended by itself, 143 when it was told to stop."""
    plan = read_plan(folder / "plan.json")
    signal.signal(signal.SIGTERM, terminate)
    driver = Driver(plan, folder)
    try:
        ray.init(address="auto", log_to_driver=False)
        # Ray has put its own handler there.
        signal.signal(signal.SIGTERM, terminate)
        driver.run()
    except TerminatedError:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        driver.show("told to stop: ending the workloads on all nodes")
        driver.abort()
        return 143
    finally:
        ray.shutdown()
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m disgrafs_benchmark FOLDER (with a plan.json)")
    sys.exit(main(Path(sys.argv[1])))
