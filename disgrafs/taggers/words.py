"""Extracts the keywords of a text, in its language."""

import re
from collections import Counter
from functools import cache
from typing import Any

MOST = 6
LENGTH = 10_000
"""Number of characters that are read: the topic shows early in a text, and the time grows with the length."""

_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_WORD = re.compile(r"[^\W\d_]{1,30}")
# Languages that are detected by their function words, most likely first.
LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "sv", "da", "fi", "cz", "tr", "el", "ro", "hu")


def keywords(text: str) -> tuple[list[tuple[str, float]], str]:
    """Keywords with weights, and the language's short name."""
    text = text[:LENGTH]
    unspaced = len(_UNSPACED.findall(text))
    if unspaced * 4 > len(text.strip()) > 0:
        return _chinese(text), "zh"
    language = language_of(text)
    found = _extractor(language).extract_keywords(text)
    return [(word, 1 / (1 + 10 * max(0.0, float(score)))) for word, score in found], language


def language_of(text: str) -> str:
    """The language whose function words are most frequent in the text; English if there are none."""
    hits: Counter[str] = Counter()
    languages = _languages_of()
    for word, count in Counter(_WORD.findall(text[:4000].lower())).items():
        for language in languages.get(word, ()):
            hits[language] += count
    return max(LANGUAGES, key=hits.__getitem__)


@cache
def _languages_of() -> dict[str, list[str]]:
    """The languages in which a word is a function word. A text has far fewer words than there are function words."""
    languages: dict[str, list[str]] = {}
    for language in LANGUAGES:
        for word in stop_words(language):
            languages.setdefault(word, []).append(language)
    return languages


@cache
def stop_words(language: str) -> frozenset[str]:
    """Function words of a language, from YAKE's lists."""
    return frozenset(_extractor(language).stopword_set)


def prepare() -> None:
    """Loads the data for keywords of all languages. Called in a constructor, outside the limits for a file."""
    _chinese("文件")
    keywords("load")


@cache
def _extractor(language: str) -> Any:
    import yake  # noqa: PLC0415 - half a second, and pictures do not need it

    return yake.KeywordExtractor(lan=language, n=2, top=MOST, dedupLim=0.8)


def _chinese(text: str) -> list[tuple[str, float]]:
    import rjieba  # noqa: PLC0415 - it loads a dictionary

    # Nouns, names and verbal nouns of at least two characters; the most frequent gets the highest weight.
    counts = Counter(
        word
        for word, part in rjieba.tag(text)
        if len(word) > 1 and (part[:1] in {"n", "l", "i"} or part in {"vn", "eng"})
    )
    top = counts.most_common(MOST)
    return [(word, 0.5 + 0.5 * count / top[0][1]) for word, count in top]
