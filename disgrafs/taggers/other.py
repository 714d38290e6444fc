"""The fallback tagger: the type of the file."""

from disgrafs.taggers.tagger import Content, Findings, Tagger


class Other(Tagger):
    """Files whose content no tagger reads."""

    def tag(self, content: Content) -> Findings:
        """Its type."""
        return Findings([(content.language, 0.5), (content.media_type.split("/")[0], 0.1)])
