"""Waits until files are found by a word in them: `python -m disgrafs.probe 'PATH WORD SECONDS-SINCE-1970'...`.

Prints one line of JSON: the numbers of files and tags in the graph, and the time of the slowest file.
"""

import json
import sys
import time

from disgrafs import names
from disgrafs.graph import GraphAddress, GraphUnavailableError, Reader, open_graph
from disgrafs.graph.model import Search

PATIENCE_SECONDS = 700


def found_at(graph: Reader, path: str, word: str, deadline: float) -> float:
    """Time when the word found the file, in seconds since 1970. Exits with the file's state if it was not in time."""
    while True:
        try:
            found = graph.search(Search(tags=(word,)))
            if path in {file.path for file in found.files}:
                return time.time()
            if time.monotonic() > deadline:
                entry = graph.inode(path)
                file = graph.file(entry.inode) if entry else None
                have = f"{file.state}, {file.reason or 'no reason'}" if file else "not in the graph"
                raise SystemExit(f"{names.shown(path)} was not found by its tag {word!r} in time: it is {have}")
        except GraphUnavailableError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"the graph does not answer: {error}") from error
        time.sleep(0.1)


def main() -> None:
    """Waits for each file in turn; prints the longest time from writing a file to finding it, and counts."""
    graph = open_graph(GraphAddress.from_environment())
    deadline = time.monotonic() + PATIENCE_SECONDS
    probes = [argument.split() for argument in sys.argv[1:]]
    seconds = [found_at(graph, path, word, deadline) - float(written) for path, word, written in probes]
    counts = graph.counts(top=0)
    print(json.dumps({"files": counts.files, "tags": counts.tags, "seconds": round(max(seconds), 1)}))


if __name__ == "__main__":
    main()
