"""What a tagger is. To add one: a module with a subclass of Tagger, and an entry in table.py. See docs/disgrafs.md."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from disgrafs import text

MOST_LABELS = 8


@dataclass(frozen=True, slots=True)
class Content:
    """A file that is open for reading. Its name says nothing here: names can be wrong."""

    file: BinaryIO
    size: int
    media_type: str
    """As text/x-python; found by content."""
    language: str
    """The short name of the type, as python."""

    def head(self, count: int) -> bytes:
        """The first bytes of the file."""
        return os.pread(self.file.fileno(), count, 0)


@dataclass(slots=True)
class Findings:
    """What a tagger has found out."""

    labels: list[tuple[str, float]] = field(default_factory=list)
    """Each with a weight from 0 to 1; any text will do, it is normalised later."""
    facts: dict[str, str] = field(default_factory=dict)
    note: str | None = None
    """Why there is less than there could be, for people."""


class Tagger(ABC):
    """One kind of file. An object is made once in each process and used for many files, one at a time.

    What a library or a model needs to load belongs in the constructor: memory and time of a file are counted after it.
    """

    @abstractmethod
    def tag(self, content: Content) -> Findings:
        """Looks into a file. May raise anything: the file is then marked with it."""


def normalised(labels: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Labels as the graph keeps them: each once, the heaviest first, not too many."""
    best: dict[str, float] = {}
    for raw, weight in labels:
        label = text.label(raw)
        if label is not None:
            best[label] = max(best.get(label, 0.0), round(min(1.0, max(0.0, weight)), 3))
    return sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_LABELS]
