"""Plain text and Markdown: keywords."""

from disgrafs.taggers.kind import as_text
from disgrafs.taggers.tagger import Content, Findings, Tagger
from disgrafs.taggers.words import keywords, prepare

READ = 64 * 1024


class Text(Tagger):
    """Text files with prose."""

    def __init__(self) -> None:
        prepare()

    def tag(self, content: Content) -> Findings:
        """Keywords of the beginning of the file."""
        text = as_text(content.head(READ)) or ""
        found, language = keywords(text)
        return Findings([*found, ("text", 0.1)], {"language": language})
