"""A corpus from a seed: text of five languages, source trees, pictures, PDF, Word and music. Nothing is fetched.

The same seed gives the same bytes, and a file depends on its number alone, so that several clients can write parts of
one corpus. Each file says by which words it must be found.
"""

from disgrafs.corpus.make import Piece, piece, write

__all__ = ["Piece", "piece", "write"]
