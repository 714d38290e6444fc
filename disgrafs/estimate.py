"""Measures the cost of a graph of many names: `python -m disgrafs.estimate 10000 100000`.

For each number, a new FalkorDB is filled as by the index and the taggers (six labels per file, drawn by Zipf's law from
20,000), and queried. Times of queries are median/longest.
"""

import random
import sys
import time
from collections.abc import Callable
from itertools import count
from statistics import median
from typing import Any

import redis

from disgrafs.graph import Graph, open_graph
from disgrafs.graph.model import Changes, Entry, Search, Tag, Tagged, Written
from disgrafs.graph.server import LocalFalkor

LABELS = 20_000
IN_DIRECTORY = 500
BATCH = 500


def fill(graph: Graph, files: int, chance: random.Random) -> tuple[float, float]:
    """Adds files to a graph; returns the seconds for the index and for the tags."""
    labels = [f"label{number:05}" for number in range(LABELS)]
    weights = [1 / (rank + 1) for rank in range(LABELS)]
    numbers = count(2)
    directory = 1
    index_seconds = tag_seconds = 0.0
    for version, batch in enumerate((range(start, min(start + BATCH, files)) for start in range(0, files, BATCH)), 1):
        changes = Changes()
        inodes = []
        for number in batch:
            if number % IN_DIRECTORY == 0:
                directory = next(numbers)
                changes.entries[1, f"directory {directory}"] = Entry(directory, directory=True)
            inode = next(numbers)
            inodes.append(inode)
            changes.entries[directory, f"report number {number}.txt"] = Entry(inode, directory=False)
            changes.written[inode] = Written(version, 0.0)
        started = time.perf_counter()
        graph.apply(changes, version, 0.0)
        index_seconds += time.perf_counter() - started
        tagged = [
            Tagged(
                inode=inode,
                version=version,
                by="text",
                by_version=1,
                kind="text/plain",
                size=1000,
                mtime_ns=1,
                tags=tuple(Tag(label, 0.5, "text") for label in set(chance.choices(labels, weights, k=6))),
                facts={"language": "en"},
            )
            for inode in inodes
        ]
        started = time.perf_counter()
        graph.commit(tagged, 0.0)
        tag_seconds += time.perf_counter() - started
    return index_seconds, tag_seconds


def milliseconds(ask: Callable[[int], Any], times: int = 30) -> str:
    """Median and maximum time of a query."""
    took = []
    for number in range(times):
        started = time.perf_counter()
        ask(number)
        took.append((time.perf_counter() - started) * 1000)
    return f"{median(took):.1f}/{max(took):.0f}"


def questions(graph: Graph, files: int) -> dict[str, Callable[[int], Any]]:
    """Typical queries, by their column headings."""
    return {
        "rare word ms": lambda number: graph.search(Search(words=(str(number * 37 % files),))),
        "two tags ms": lambda number: graph.search(Search(tags=(f"label{number:05}", f"label{number + 1:05}"))),
        "every file's word ms": lambda _: graph.search(Search(words=("report",))),
        "no condition ms": lambda _: graph.search(Search()),
        "due ms": lambda _: graph.due(1e9, 32),
        "counts ms": lambda _: graph.counts(),
    }


def measure(files: int) -> dict[str, object]:
    """Measures one row of the table."""
    with LocalFalkor() as server:
        graph = open_graph(server.address)
        graph.prepare()
        index_seconds, tag_seconds = fill(graph, files, random.Random(1))  # noqa: S311 - the same graph each time
        where = server.address
        client: Any = redis.Redis(host=where.host, port=where.port, password=where.password)
        memory = client.info("memory")["used_memory_rss"] / 2**20
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.1)
        log = sum(file.stat().st_size for file in server.folder.rglob("*") if file.is_file()) / 2**20
        times = {heading: milliseconds(ask) for heading, ask in questions(graph, files).items()}
        graph.close()
        server.kill()
        started = time.perf_counter()
        server.start()
        return {
            "files": files,
            "index files/s": round(files / index_seconds),
            "tags files/s": round(files / tag_seconds),
            "memory MiB": round(memory),
            "log MiB": round(log),
            "restart s": round(time.perf_counter() - started, 1),
            **times,
        }


def main() -> None:
    """Prints a table with one row per number."""
    for position, files in enumerate(map(int, sys.argv[1:])):
        row = measure(files)
        if position == 0:
            print("| " + " | ".join(row) + " |\n" + "| --- " * len(row) + "|")
        print("| " + " | ".join(map(str, row.values())) + " |", flush=True)


if __name__ == "__main__":
    main()
