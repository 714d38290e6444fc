"""Generates a corpus from a seed: text in five languages, source trees, pictures, PDF, Word, music. Downloads nothing.

The same seed gives the same bytes, and a file depends only on its number, so that several clients can write parts of
one corpus. Each file records the words by which it must be found.
"""

from disgrafs.corpus.make import Piece, piece, write

__all__ = ["Piece", "piece", "write"]
