"""Parses typed text into a search: words, tag:NAME, in:FOLDER and is:STATE. None of it becomes part of a query."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from disgrafs import text
from disgrafs.graph.model import Search, State

LONGEST = 500
MOST_WORDS = 16
MOST_TAGS = 8

# Parts end at white space, except within double quotes. web/search.js has the same rule.
_PART = re.compile(r'(?:[^\s"]|"[^"]*"?)+')


class QuestionError(ValueError):
    """A search that cannot be answered, with advice."""


@dataclass(frozen=True, slots=True)
class Question:
    """A parsed search."""

    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    folder: str | None = None
    state: State | None = None
    nothing: bool = False
    """The text contained no word, so no file can match."""


def parse(typed: str) -> Question:
    """Parses typed text."""
    if len(typed) > LONGEST:
        raise QuestionError(f"the search has {len(typed)} characters; at most {LONGEST} are allowed")
    words: list[str] = []
    tags: list[str] = []
    folder: str | None = None
    state: State | None = None
    for part in _PART.findall(typed):
        key, colon, value = part.partition(":")
        value = value.replace('"', "")
        if not colon or key not in {"tag", "in", "is"}:
            words += text.words(part)
        elif not value:
            continue  # still being typed
        elif key == "tag":
            tags += [label] if (label := text.label(value)) else []
        elif key == "in":
            folder = value
        else:
            state = _state(value)
    if len(words) > MOST_WORDS or len(tags) > MOST_TAGS:
        raise QuestionError(f"at most {MOST_WORDS} words and {MOST_TAGS} tags can be searched at once")
    nothing = bool(typed.strip()) and not (words or tags or folder or state) and not re.search(r"(tag|in|is):", typed)
    return Question(tuple(words), tuple(tags), folder, state, nothing)


def to_search(question: Question, folder_inode: Callable[[str], int], limit: int, offset: int) -> Search:
    """The search of a question; `folder_inode` finds a folder by its path."""
    within = None if question.folder is None else folder_inode(question.folder)
    return Search(question.words, question.tags, within, question.state, limit, offset)


def _state(value: str) -> State:
    try:
        return State(value)
    except ValueError:
        states = ", ".join(f"is:{state.value}" for state in State)
        raise QuestionError(f"is:{value} is not known; there are {states}") from None
