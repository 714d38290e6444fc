"""Maps numbers to files of the corpus, and writes ranges of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from disgrafs.corpus import media, source, text
from disgrafs.corpus.topics import LANGUAGES, TOPICS, Language

# Shares in percent.
_SHARES = {"text": 28, "markdown": 17, "source": 22, "picture": 15, "pdf": 8, "word": 5, "music": 5}
_ARTISTS = ("Clara Weiss", "Los Faros", "Ensemble Moraine", "The Sleeper Cars")
_LATIN: tuple[Language, ...] = ("en", "de", "fr", "es")
_FOLDER_FILES = 200
"""Approximate maximum number of files in a folder."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a corpus."""

    path: str
    """Relative to the corpus's folder."""
    kind: str
    topic: str
    content: bytes
    words: tuple[str, ...]
    """A search for any of these must find the file, once it is tagged."""


def piece(seed: int, number: int) -> Piece:
    """The file with this number. It depends on nothing but the seed and the number."""
    # Seeded with text, which Python hashes the same way in every process.
    random = Random(f"disgrafs corpus {seed} {number}")  # noqa: S311 - no secret
    topics = list(TOPICS)
    # Few topics have most of the files, as in any real collection.
    topic = random.choices(topics, [1 / rank for rank in range(1, len(topics) + 1)])[0]
    kind = random.choices(list(_SHARES), list(_SHARES.values()))[0]
    language = random.choice(LANGUAGES)
    folder = f"{topic}/{number // _FOLDER_FILES:04}"
    return _MAKERS[kind](random, topic, language, folder, number)


def write(folder: Path, seed: int, numbers: range) -> Iterator[Piece]:
    """Writes files below a folder, and yields each one after it was written."""
    for number in numbers:
        made = piece(seed, number)
        target = folder / made.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(made.content)
        yield made


def _text(random: Random, topic: str, language: Language, folder: str, number: int) -> Piece:
    content = text.plain(random, topic, language).encode()
    return Piece(f"{folder}/{language}-{number}.txt", "text", topic, content, (TOPICS[topic][language][0],))


def _markdown(random: Random, topic: str, language: Language, folder: str, number: int) -> Piece:
    # Realistic names: with spaces, capitals and non-ASCII letters.
    first = TOPICS[topic][language][0]
    content = text.markdown(random, topic, language).encode()
    return Piece(f"{folder}/{first.capitalize()} {number}.md", "markdown", topic, content, (first,))


def _source(random: Random, topic: str, _: Language, folder: str, number: int) -> Piece:
    ending, make = random.choice(list(source.LANGUAGES.items()))
    name = f"src/{topic}_{number}{ending}"
    return Piece(f"{folder}/{name}", "source", topic, make(random, topic).encode(), (topic,))


def _picture(random: Random, topic: str, _: Language, folder: str, number: int) -> Piece:
    kind, ending = random.choice([("jpeg", ".JPG"), ("jpeg", ".jpg"), ("png", ".png")])
    content = media.picture(random, ", ".join(TOPICS[topic]["en"][:3]), kind)
    return Piece(f"{folder}/{topic} {number}{ending}", "picture", topic, content, (topic,))


def _pdf(random: Random, topic: str, language: Language, folder: str, number: int) -> Piece:
    if language not in _LATIN:
        language = "en"
    lines = text.sentences(random, topic, language, random.randint(20, 160))
    content = media.pdf(text.title(topic, language), lines)
    return Piece(f"{folder}/report-{number}.pdf", "pdf", topic, content, (TOPICS[topic][language][0],))


def _word(random: Random, topic: str, language: Language, folder: str, number: int) -> Piece:
    paragraphs = [text.title(topic, language), *text.paragraphs(random, topic, language, random.randint(3, 20))]
    return Piece(f"{folder}/letter-{number}.docx", "word", topic, media.docx(paragraphs), (TOPICS[topic][language][0],))


def _music(random: Random, topic: str, language: Language, folder: str, number: int) -> Piece:
    artist = random.choice(_ARTISTS)
    content = media.mp3(random, text.title(topic, language), artist, "Classical")
    return Piece(f"{folder}/track-{number}.mp3", "music", topic, content, (artist.split()[-1],))


_MAKERS = {
    "text": _text,
    "markdown": _markdown,
    "source": _source,
    "picture": _picture,
    "pdf": _pdf,
    "word": _word,
    "music": _music,
}
