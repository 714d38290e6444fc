"""Audio and video: their embedded tags."""

from tinytag import TinyTag, UnsupportedFormatError

from disgrafs.taggers.tagger import Content, Findings, Tagger


class Media(Tagger):
    """Audio files and video. The tags of some formats cannot be read, such as those of Matroska, AVI and MIDI."""

    def tag(self, content: Content) -> Findings:
        """Title, artist, album, genre, year, length."""
        labels: list[tuple[str, float]] = [(content.media_type.split("/")[0], 0.1)]
        try:
            found = TinyTag.get(filename=None, file_obj=content.file)
        except UnsupportedFormatError:
            return Findings([(content.language, 0.5), *labels], note="tags in files of this format are not read")
        facts = {}
        for name, weight in (("title", 0.9), ("artist", 1.0), ("album", 0.7), ("genre", 0.8), ("year", 0.3)):
            value = str(getattr(found, name) or "").strip()
            if value:
                labels.append((value[:4] if name == "year" else value, weight))
                facts[name] = value[:200]
        if found.duration:
            facts["seconds"] = str(round(found.duration))
        return Findings(labels, facts)
