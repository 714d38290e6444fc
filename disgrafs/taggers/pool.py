"""The dispatcher's interface to a pool of taggers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from disgrafs.graph.model import Work
from disgrafs.taggers.read import Outcome


@dataclass(frozen=True, slots=True)
class Call:
    """Files that were given to one tagger, and what came back."""

    items: tuple[Work, ...]
    outcomes: tuple[Outcome, ...] | None
    """None: the tagger is gone, or had to be ended."""
    reason: str = ""
    blameless: bool = False
    """The files cannot have been the cause: its node or its mount is gone."""


class Pool(Protocol):
    """Some taggers, each of which does one call at a time."""

    def maintain(self) -> None:
        """Starts taggers where there could be some, and ends those whose time is over."""
        ...

    def size(self) -> int:
        """How many are ready, with a call or without."""
        ...

    def idle(self) -> int:
        """How many could take a call now."""
        ...

    def give(self, items: Sequence[Work]) -> None:
        """Gives files to an idle one."""
        ...

    def busy(self) -> bool:
        """Whether any call is not back."""
        ...

    def back(self, wait: float) -> list[Call]:
        """Calls that are back; waits so many seconds for the first of them."""
        ...
