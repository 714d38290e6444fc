"""Mergeable latency histograms, with buckets at most an eighth of their value wide."""

from collections import Counter
from collections.abc import Iterable

# Significant bits of a bucket's bound: the leading one and three more.
KEPT_BITS = 4


def bucket(nanoseconds: int) -> int:
    """Lower bound of a value's bucket."""
    shift = max(nanoseconds.bit_length() - KEPT_BITS, 0)
    return (nanoseconds >> shift) << shift


def histogram(durations: Iterable[int]) -> dict[str, int]:
    """Counts by bucket (lower bound in nanoseconds, as text for JSON), in ascending order."""
    counts = Counter(bucket(value) for value in durations)
    return {str(lower): counts[lower] for lower in sorted(counts)}
