"""Source code and mark-up: the language, and words from identifiers."""

import re
from collections import Counter

from disgrafs.taggers.kind import as_text
from disgrafs.taggers.tagger import Content, Findings, Tagger
from disgrafs.taggers.words import stop_words

READ = 64 * 1024
MOST = 5
_NAME = re.compile(r"[^\W\d]\w{2,60}")
_PART = re.compile(r"[A-Z]?[^\W\d_A-Z]{3,}|[A-Z]{4,}")
# Words of many languages that do not describe the purpose of a program.
_COMMON = """
    and args array assert async await bool boolean break case catch char class const continue default def define
    delete double elif else elsif endif enum error except export extends extern false final finally float foreach
    from func function global goto ifdef ifndef implements import include inline instanceof int interface isinstance
    lambda let list local long main match module mutable name namespace new nil none not null object operator
    override package pass print private protected public raise readonly register require return self short signed
    sizeof static str string struct super switch template then this throw throws true try type typedef typename
    typeof union unsigned use using value values var virtual void volatile when while with yield data file http
    https width height
"""


class Source(Tagger):
    """Code, mark-up, configuration."""

    def __init__(self) -> None:
        stop_words("en")

    def tag(self, content: Content) -> Findings:
        """The language, and the most used words in names."""
        text = as_text(content.head(READ)) or ""
        common = set(_COMMON.split())
        words = Counter(
            part.lower()
            for name in _NAME.findall(text)
            for part in _PART.findall(name)
            if part.lower() not in common and part.lower() not in stop_words("en")
        )
        top = words.most_common(MOST)
        labels = [(word, 0.3 + 0.5 * count / top[0][1]) for word, count in top]
        lines = text.count("\n")
        facts = {"language": content.language}
        if content.size <= READ:
            facts["lines"] = str(lines)
        return Findings([(content.language, 1.0), ("source code", 0.1), *labels], facts)
