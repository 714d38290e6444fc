"""PDF: the keywords of its first pages, and its title."""

import pypdfium2

from disgrafs.taggers.tagger import Content, Findings, Tagger
from disgrafs.taggers.words import LENGTH, keywords, prepare

PAGES = 10


class Pdf(Tagger):
    """PDF documents. Only the first pages are read."""

    def __init__(self) -> None:
        prepare()

    def tag(self, content: Content) -> Findings:
        """Title, keywords, number of pages."""
        document = pypdfium2.PdfDocument(content.file, autoclose=False)
        try:
            pages = len(document)
            text = ""
            for number in range(min(PAGES, pages)):
                page = document[number]
                text += page.get_textpage().get_text_range(errors="ignore") + "\n"
                page.close()
                if len(text) >= LENGTH:
                    break
            facts = {"pages": str(pages)}
            title = str(document.get_metadata_dict().get("Title", "")).strip()
        finally:
            document.close()
        labels: list[tuple[str, float]] = [("pdf", 0.1)]
        note = None
        if title:
            facts["title"] = title[:200]
            labels.append((title, 0.9))
        if text.strip():
            found, facts["language"] = keywords(text)
            labels += found
        else:
            note = "the first pages hold no text; perhaps they are pictures"
        return Findings(labels, facts, note)
