"""The dispatcher's interface to a pool of taggers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from disgrafs.graph.model import Work
from disgrafs.taggers.read import Outcome


@dataclass(frozen=True, slots=True)
class Call:
    """Files that were passed to one tagger, and the results."""

    items: tuple[Work, ...]
    outcomes: tuple[Outcome, ...] | None
    """None: the tagger died or was ended."""
    reason: str = ""
    blameless: bool = False
    """The files were not the cause: the tagger's node or mount is gone."""


class Pool(Protocol):
    """A number of taggers, each of which handles one call at a time. A second call can wait behind it."""

    def maintain(self) -> None:
        """Starts missing taggers, and ends those that have exceeded their time."""
        ...

    def size(self) -> int:
        """Number of ready taggers, busy or idle."""
        ...

    def idle(self) -> int:
        """Number of idle taggers."""
        ...

    def room(self) -> int:
        """Number of busy taggers behind whose call none is waiting."""
        ...

    def give(self, items: Sequence[Work]) -> None:
        """Passes files to an idle tagger; if there is none, to a busy one."""
        ...

    def busy(self) -> bool:
        """Whether a call is still running."""
        ...

    def back(self, wait: float) -> list[Call]:
        """Finished calls; waits up to that many seconds for the first one."""
        ...
