"""The JSON of files and their neighbours. Paths are absolute, for use in a shell on a node."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from disgrafs.graph import Reader
from disgrafs.graph.model import Counts, Edge, File, Neighbourhood, Node, Tag
from disgrafs.names import shown

Json = dict[str, Any]

_KINDS = {"file": "file", "directory": "folder", "label": "tag"}
_PREFIXES = {"file": "f", "folder": "d", "tag": "l"}


def file_view(file: File, mount: Path) -> Json:
    """A file with its tags."""
    folder, _, name = file.path.rpartition("/")
    return {
        "inode": file.inode,
        "name": shown(name),
        "folder": shown(whole(mount, folder)),
        "path": shown(whole(mount, file.path)),
        "paths": [shown(whole(mount, path)) for path in file.paths or (file.path,)],
        "size": file.size,
        "mtime": None if file.mtime_ns is None else file.mtime_ns / 1e9,
        "state": file.state.value,
        "reason": file.reason,
        "tries": file.tries,
        "type": file.kind,
        "facts": file.facts,
        "tags": [tag_view(tag) for tag in file.tags],
    }


def tag_view(tag: Tag) -> Json:
    """A tag of a file."""
    return {"name": tag.label, "weight": tag.weight, "by": tag.by}


def whole(mount: Path, path: str) -> str:
    """Turns a path below the mount point into an absolute path."""
    return f"{mount}/{path}" if path else str(mount)


def common_tags(files: Iterable[File], but: Iterable[str], most: int = 12) -> list[Json]:
    """The most common tags of these files, which can narrow the search."""
    files = list(files)
    times = Counter(tag.label for file in files for tag in file.tags)
    known = set(but)
    usable = [(name, count) for name, count in times.most_common() if name not in known and count < len(files)]
    return [{"name": name, "count": count} for name, count in usable[:most]]


def node_id(kind: str, key: str) -> str:
    """The graph's name of a node, from the page's kind and key."""
    return f"{_PREFIXES[kind]}{key}"


def with_shared_tags(reader: Reader, found: Neighbourhood) -> Neighbourhood:
    """Adds the edges from near files to the drawn tags, which show why the files are near."""
    drawn = {node.id for node in found.nodes if node.kind == "label"}
    edges = list(found.edges)
    for near in [edge for edge in found.edges if edge.kind == "near"]:
        other = reader.file(int(near.target[1:]))
        for tag in () if other is None else other.tags:
            if (label := node_id("tag", tag.label)) in drawn:
                edges.append(Edge(near.target, label, "tag", tag.weight))
    return Neighbourhood(found.nodes, tuple(edges), found.more)


def neighbourhood_view(centre: str, found: Neighbourhood) -> Json:
    """A node and its neighbours, for drawing."""
    nodes = {node.id: _node(node) for node in found.nodes}
    return {
        "centre": nodes[centre],
        "nodes": [node for name, node in nodes.items() if name != centre],
        "edges": [
            {
                # Nearness has no direction: two files have one edge, whichever of them it was found from.
                "id": " ".join([edge.kind, *(sorted((a, b)) if edge.kind == "near" else (a, b))]),
                "source": a,
                "target": b,
                "kind": edge.kind,
                "weight": edge.weight,
            }
            for edge in found.edges
            for a, b in [(edge.source, edge.target)]
        ],
        "more": found.more,
    }


def _node(node: Node) -> Json:
    return {"id": node.id, "kind": _KINDS[node.kind], "key": node.id[1:], "label": shown(node.title)}


def counts_view(counts: Counts) -> Json:
    """The JSON of the counts."""
    return {
        "files": counts.files,
        "folders": counts.directories,
        "tags": [{"name": each.label, "count": each.files} for each in counts.top_labels],
        "states": {state.value: number for state, number in counts.by_state.items()},
        "labels": counts.labels,
    }
