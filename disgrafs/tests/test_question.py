"""Typed text is parsed into words, tags, a folder and a state only."""

import pytest

from disgrafs.api.question import LONGEST, Question, QuestionError, parse
from disgrafs.graph.model import State


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("Espresso CREMA", Question(("espresso", "crema"))),
        ("größe tag:Kaffee", Question(("grösse",), ("kaffee",))),
        ('tag:"ice core" in:"/mnt/jfs/my docs"', Question((), ("ice core",), "/mnt/jfs/my docs")),
        ("is:failed", Question(state=State.FAILED)),
        ("", Question()),
        ("tag: in:", Question()),
        ("10:30", Question(("10", "30"))),
        ("!!! ---", Question(nothing=True)),
    ],
)
def test_a_search_is_parsed_into_words_tags_and_folders(typed: str, expected: Question) -> None:
    assert parse(typed) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "' OR 1=1 --",
        '"}) DETACH DELETE f //',
        "@search:(a|b) ~c %%d%% {e} [1 2]",
        "\\' \\\" $words *",
        "a\x00b\nc",
    ],
)
def test_words_contain_only_letters_and_digits(typed: str) -> None:
    question = parse(typed)
    assert all(word.isalnum() for word in question.words), question


@pytest.mark.parametrize("typed", ["a " * 17, "tag:a " * 9, "x" * (LONGEST + 1), "is:gone"])
def test_an_invalid_search_is_refused(typed: str) -> None:
    with pytest.raises(QuestionError):
        parse(typed)
