"""Audio and video: their embedded tags."""

from tinytag import TinyTag

from disgrafs.taggers.tagger import Content, Findings, Tagger


class Media(Tagger):
    """Audio files and MP4 video."""

    def tag(self, content: Content) -> Findings:
        """Title, artist, album, genre, year, length."""
        found = TinyTag.get(filename=None, file_obj=content.file)
        labels: list[tuple[str, float]] = [(content.media_type.split("/")[0], 0.1)]
        facts = {}
        for name, weight in (("title", 0.9), ("artist", 1.0), ("album", 0.7), ("genre", 0.8), ("year", 0.3)):
            value = str(getattr(found, name) or "").strip()
            if value:
                labels.append((value[:4] if name == "year" else value, weight))
                facts[name] = value[:200]
        if found.duration:
            facts["seconds"] = str(round(found.duration))
        return Findings(labels, facts)
