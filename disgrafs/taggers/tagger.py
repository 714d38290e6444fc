"""The interface of a tagger. To add one, write a subclass of Tagger and an entry in table.py. See docs/disgrafs.md."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from disgrafs import text

MOST_LABELS = 8


@dataclass(frozen=True, slots=True)
class Content:
    """A file that is open for reading. Its name is not available, because names can be wrong."""

    file: BinaryIO
    size: int
    media_type: str
    """Such as text/x-python; detected by content."""
    language: str
    """The short name of the type, such as python."""

    def head(self, count: int) -> bytes:
        """The first bytes of the file."""
        return os.pread(self.file.fileno(), count, 0)


@dataclass(slots=True)
class Findings:
    """The result of a tagger."""

    labels: list[tuple[str, float]] = field(default_factory=list)
    """Labels, each with a weight from 0 to 1. They are normalised later."""
    facts: dict[str, str] = field(default_factory=dict)
    note: str | None = None
    """Explanation for the user if the result is incomplete."""


class Tagger(ABC):
    """A tagger of one kind of file. Each process creates one object, and uses it for many files, one at a time.

    Load libraries and models in the constructor: the limits of memory and time for a file do not include it.
    """

    @abstractmethod
    def tag(self, content: Content) -> Findings:
        """Reads a file and returns its labels. Any exception marks only that file as failed."""


def normalised(labels: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Labels in the form of the graph: normalised, without duplicates, by descending weight, limited in number."""
    best: dict[str, float] = {}
    for raw, weight in labels:
        label = text.label(raw)
        if label is not None:
            best[label] = max(best.get(label, 0.0), round(min(1.0, max(0.0, weight)), 3))
    return sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_LABELS]
