"""Normalises words of labels, file names and searches, so that they can be compared."""

import re
import unicodedata

LABEL_LENGTH = 64
# Scripts without spaces: each character is a separate word, in the index and in a search.
_UNSPACED = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff])")
_WORD = re.compile(r"[^\W_]+")


def fold(text: str) -> str:
    """One spelling for texts that look the same to a reader: compatibility forms composed, case folded."""
    # Case folding can leave a text uncomposed, so it is composed again.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def label(text: str) -> str | None:
    """Normalises a label for the graph; None if nothing is left of the text.

    Nothing that cannot be printed, no space at either end, 64 characters at most: longer strings, and strings that
    start with a space, have crashed graph stores.
    """
    visible = "".join(char if char.isprintable() else " " for char in fold(text))
    short = " ".join(visible.split())[:LABEL_LENGTH].strip()
    return short or None


def words(text: str) -> list[str]:
    """The folded words of a text, in order. They contain only letters and digits, so no query syntax."""
    return _WORD.findall(_UNSPACED.sub(r" \1 ", fold(text)))
