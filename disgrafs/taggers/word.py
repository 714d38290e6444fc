"""Word documents: the keywords of their paragraphs, title and author."""

import zipfile
from typing import BinaryIO

import docx

from disgrafs.taggers.tagger import Content, Findings, Tagger
from disgrafs.taggers.words import LENGTH, keywords, prepare

MOST_UNPACKED = 64 * 2**20


class Word(Tagger):
    """A .docx."""

    def __init__(self) -> None:
        prepare()

    def tag(self, content: Content) -> Findings:
        """Title, keywords, author."""
        refuse_bomb(content.file)
        document = docx.Document(content.file)
        text = ""
        for paragraph in document.paragraphs:
            text += paragraph.text + "\n"
            if len(text) >= LENGTH:
                break
        found, language = keywords(text) if text.strip() else ([], "")
        facts = {
            "language": language,
            "author": document.core_properties.author,
            "title": document.core_properties.title,
        }
        labels = [*found, ("document", 0.1)]
        if document.core_properties.title:
            labels.append((document.core_properties.title, 0.9))
        return Findings(labels, {key: value[:200] for key, value in facts.items() if value})


def refuse_bomb(file: BinaryIO) -> None:
    """Raises ValueError for an archive that is too large when unpacked, whatever its directory says."""
    with zipfile.ZipFile(file) as archive:
        left = MOST_UNPACKED
        for part in archive.infolist():
            # The sizes in the directory may be wrong, so it is unpacked, without storing it, up to the limit.
            with archive.open(part) as stream:
                while block := stream.read(2**20):
                    left -= len(block)
                    if left < 0:
                        raise ValueError(f"it is larger than {MOST_UNPACKED // 2**20} MiB when unpacked")
    file.seek(0)
