"""The table of taggers: the kinds of content of each, and its limits."""

import importlib
from dataclasses import dataclass
from functools import cache
from typing import cast

from disgrafs.taggers.kind import Kind
from disgrafs.taggers.tagger import Tagger


@dataclass(frozen=True, slots=True)
class Registered:
    """A tagger in the table."""

    name: str
    version: int
    """Raise it when the tagger finds different labels: the files that it has tagged are then tagged again."""
    where: str
    """Module and class, loaded in a process when its first file arrives."""
    kinds: frozenset[str] = frozenset()
    """Names of kinds that it handles (kind.py, Magika). They take precedence over groups."""
    groups: frozenset[str] = frozenset()
    """Groups of kinds that it handles."""
    memory_mib: int = 256
    """Limit of additional memory of the process; a file that exceeds it has failed."""
    seconds: int = 20
    """Time limit; a file that exceeds it has failed."""


TABLE: tuple[Registered, ...] = (
    Registered("text", 2, "plain:Text", frozenset({"txt", "markdown", "rst"}), frozenset()),
    Registered("pdf", 1, "pdf:Pdf", frozenset({"pdf"}), memory_mib=512, seconds=30),
    Registered("word", 1, "word:Word", frozenset({"docx"}), memory_mib=512, seconds=30),
    Registered(
        "picture", 1, "picture:Picture", frozenset({"jpeg", "png", "gif", "webp", "tiff", "bmp"}), memory_mib=512
    ),
    Registered("media", 2, "media:Media", groups=frozenset({"audio", "video"})),
    Registered("source", 1, "source:Source", groups=frozenset({"code", "text"})),
)

# For files that no tagger handles. Its version changes with the table, so such files are then looked at again.
OTHER = Registered("other", sum(entry.version for entry in TABLE), "other:Other")

LONGEST_SECONDS = max(entry.seconds for entry in TABLE)


def tagger_for(kind: Kind) -> Registered:
    """The tagger for content of a kind."""
    by_name = (entry for entry in TABLE if kind.name in entry.kinds)
    by_group = (entry for entry in TABLE if kind.group in entry.groups)
    return next(by_name, None) or next(by_group, None) or OTHER


@cache
def load(entry: Registered) -> Tagger:
    """The tagger object, created once per process."""
    module, _, name = entry.where.partition(":")
    made = getattr(importlib.import_module(f"disgrafs.taggers.{module}"), name)()
    return cast("Tagger", made)
