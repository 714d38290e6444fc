"""The graph in Cypher for both FalkorDB and Neo4j. Their own classes implement the differences."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from disgrafs import names, text
from disgrafs.graph.model import (
    ROOT,
    Changes,
    Counts,
    Edge,
    Entry,
    Event,
    File,
    Found,
    Listed,
    Missed,
    Neighbourhood,
    Node,
    Placed,
    Search,
    State,
    Suggestion,
    Tag,
    Tagged,
    Work,
)

Statement = tuple[str, dict[str, Any]]

QUIET_SECONDS = 0.3
"""A file is read when it has not been written for this long, because the log has no event for a close."""
LONGEST_WAIT_SECONDS = 5.0
"""A file that is written continuously is read after this long."""
HUB = 5_000
"""A label of more files than this is too common to make two files near."""
DEEPEST = 128
WITHOUT_PATH_SECONDS = 30.0
"""A file without a path is looked at again after this long: it is deeper than DEEPEST, or is being moved."""
_PIECE = 500
_EXPORT_PIECE = 5_000

_FACTS = "f.ino, f.state, f.kind, f.size, f.mtime, coalesce(f.tries, 0), f.reason, coalesce(f.facts, '{}'), f.tagger"


class CypherGraph(ABC):
    """Everything except connections, indexes, full-text search and the list of events."""

    indegree: ClassVar[str]
    """Expression for the number of files that have the label {node}."""
    full_text: ClassVar[str]
    """Clause that yields each file whose words match $words as f, with its score."""

    @abstractmethod
    def read(self, query: str, **parameters: object) -> list[list[Any]]:
        """Returns the rows of a read-only query."""

    @abstractmethod
    def write(self, *statements: Statement, events: Sequence[tuple[str, int]] = (), at: float = 0.0) -> list[int]:
        """Runs statements in one transaction, and adds events; returns the single number of each statement, or 0."""

    @abstractmethod
    def prepare(self) -> None:
        """Creates indexes and the root."""

    @staticmethod
    @abstractmethod
    def words_query(words: Iterable[str]) -> str:
        """A full-text query for all of these beginnings of words; empty if they contain no letter or digit."""

    # --- Index

    def cursor(self) -> int | None:
        rows = self.read("MATCH (c:Cursor {key: 'volume'}) RETURN c.value")
        return int(rows[0][0]) if rows and rows[0][0] is not None else None

    def cursor_digest(self) -> str:
        rows = self.read("MATCH (c:Cursor {key: 'volume'}) RETURN coalesce(c.digest, '')")
        return str(rows[0][0]) if rows else ""

    def set_cursor(self, cursor: int | None, digest: str = "") -> None:
        self.write(_cursor_statement(cursor, digest))

    def excluded(self) -> str | None:
        rows = self.read("MATCH (c:Cursor {key: 'excluded'}) RETURN c.value")
        return str(rows[0][0]) if rows else None

    def set_excluded(self, excluded: str) -> None:
        self.write(("MERGE (c:Cursor {key: 'excluded'}) SET c.value = $excluded", {"excluded": excluded}))

    def kinds(self, inodes: Iterable[int]) -> dict[int, bool]:
        wanted = sorted(set(inodes))
        if not wanted:
            return {}
        dirs = self.read("UNWIND $r AS r MATCH (d:Dir {ino: r}) RETURN d.ino", r=wanted)
        files = self.read("UNWIND $r AS r MATCH (f:File {ino: r}) RETURN f.ino", r=wanted)
        return {int(ino): False for (ino,) in files} | {int(ino): True for (ino,) in dirs}

    def apply(self, changes: Changes, cursor: int, now: float, digest: str = "") -> None:
        added = [(key, entry) for key, entry in changes.entries.items() if entry]
        directories = [{"p": p, "n": n, "k": _key(p, n), "i": e.inode} for (p, n), e in added if e.directory]
        files = [
            {"p": p, "n": n, "k": _key(p, n), "i": e.inode, "w": _words(n)} for (p, n), e in added if not e.directory
        ]
        keys = [_key(p, n) for p, n in changes.entries]
        written = [{"i": i, "v": w.version, "at": w.at} for i, w in changes.written.items()]
        unlinked = sorted(changes.unlinked)
        statements: list[Statement] = []

        def say(rows: Sequence[Any], query: str, **parameters: object) -> None:
            if rows:
                statements.append((f"UNWIND $r AS r {query}", {"r": list(rows), **parameters}))

        say(sorted(changes.removed), "MATCH (:Dir {ino: r})-[:has*0..]->(:Dir)-[h:has]->() DELETE h")
        say(keys, "MATCH ()-[h:has {key: r}]->() DELETE h")
        # A directory has only one parent: a walk may see a rename before the log reports it.
        say(directories, "MATCH (d:Dir {ino: r.i})<-[h:has]-() DELETE h")
        say(
            directories,
            "MERGE (p:Dir {ino: r.p}) MERGE (d:Dir {ino: r.i}) MERGE (p)-[h:has {key: r.k}]->(d) SET h.name = r.n",
        )
        say(
            files,
            "MERGE (p:Dir {ino: r.p}) MERGE (f:File {ino: r.i}) MERGE (p)-[h:has {key: r.k}]->(f) "
            "SET h.name = r.n, f.words = r.w, f.search = r.w + ' ' + coalesce(f.labels, ''), "
            "f.version = coalesce(f.version, $v), "
            "f.state = coalesce(f.state, 'waiting'), f.since = coalesce(f.since, $now), f.due = coalesce(f.due, $due)",
            v=cursor,
            now=now,
            due=now + QUIET_SECONDS,
        )
        say(
            written,
            "MATCH (f:File {ino: r.i}) "
            "WITH f, r, CASE WHEN f.state = 'waiting' THEN f.since ELSE r.at END AS since "
            "SET f.version = r.v, f.state = 'waiting', f.since = since, f.tries = 0, f.reason = NULL, f.times = 0, "
            "f.due = CASE WHEN since + $longest < $due THEN since + $longest ELSE $due END",
            longest=LONGEST_WAIT_SECONDS,
            due=now + QUIET_SECONDS,
        )
        say(unlinked, "MATCH (f:File {ino: r}) WHERE NOT (f)<-[:has]-() DETACH DELETE f")
        say(unlinked, "MATCH (d:Dir {ino: r}) WHERE NOT (d)<-[:has]-() DETACH DELETE d")
        say(sorted(changes.scan), "MERGE (d:Dir {ino: r}) SET d.scan = true")
        statements.append(_cursor_statement(cursor, digest))
        new = {e.inode for _, e in added if not e.directory}
        events = [("found", i) for i in sorted(new)] + [("changed", i) for i in changes.written if i not in new]
        events += [("removed", i) for i in unlinked if i not in new]
        self.write(*statements, events=events, at=now)
        if changes.removed:
            self.sweep()

    def list_directory(self, inode: int, listed: Sequence[Listed], generation: int, now: float) -> None:
        for start in range(0, len(listed), _PIECE):
            piece = listed[start : start + _PIECE]
            directories = [
                {"n": x.name, "k": _key(inode, x.name), "i": x.entry.inode} for x in piece if x.entry.directory
            ]
            files = [
                {
                    "n": x.name,
                    "k": _key(inode, x.name),
                    "i": x.entry.inode,
                    "w": _words(x.name),
                    "z": x.size,
                    "m": x.mtime_ns,
                }
                for x in piece
                if not x.entry.directory
            ]
            common = {"p": inode, "g": generation}
            statements: list[Statement] = []
            if directories:
                statements += [
                    (
                        "UNWIND $r AS r MATCH (d:Dir {ino: r.i})<-[h:has]-(q:Dir) "
                        "WHERE q.ino <> $p OR h.name <> r.n DELETE h",
                        {"r": directories, "p": inode},
                    ),
                    (
                        "UNWIND $r AS r MERGE (p:Dir {ino: $p}) MERGE (d:Dir {ino: r.i}) "
                        "ON CREATE SET d.scan = true "
                        "MERGE (p)-[h:has {key: r.k}]->(d) SET h.name = r.n, h.generation = $g",
                        {"r": directories, **common},
                    ),
                ]
            if files:
                # A tagged or failed file with unchanged size and time is not queued again. A file that killed its
                # tagger has no size and time from the tagger: it has those of the walk that queued it.
                statements += [
                    (
                        "UNWIND $r AS r MATCH ()-[h:has {key: r.k}]->(x) WHERE x.ino <> r.i DELETE h",
                        {"r": files},
                    ),
                    (
                        "UNWIND $r AS r MERGE (p:Dir {ino: $p}) MERGE (f:File {ino: r.i}) "
                        "MERGE (p)-[h:has {key: r.k}]->(f) "
                        "SET h.name = r.n, h.generation = $g, f.words = r.w, "
                        "f.search = r.w + ' ' + coalesce(f.labels, '') "
                        "WITH f, r WHERE f.state IS NULL "
                        "OR (f.state <> 'waiting' AND (f.mtime IS NULL OR f.mtime <> r.m OR f.size <> r.z)) "
                        "SET f.state = 'waiting', f.version = coalesce(f.version, 0), f.tagged = -1, f.since = $now, "
                        "f.due = $now, f.tries = 0, f.reason = NULL, f.mtime = r.m, f.size = r.z",
                        {"r": files, "now": now, **common},
                    ),
                ]
            self.write(*statements)

    def listed_directory(self, inode: int, generation: int) -> None:
        gone = "MATCH (:Dir {ino: $p})-[h:has]->() WHERE h.generation IS NULL OR h.generation <> $g DELETE h"
        self.write((gone, {"p": inode, "g": generation}))

    def sweep(self) -> int:
        removed = 0
        while True:
            (count,) = self.write(
                (
                    "MATCH (d:Dir) WHERE d.ino <> $root AND NOT (d)<-[:has]-() DETACH DELETE d RETURN count(d)",
                    {"root": ROOT},
                )
            )
            removed += count
            if count == 0:
                break
        (files,) = self.write(("MATCH (f:File) WHERE NOT (f)<-[:has]-() DETACH DELETE f RETURN count(f)", {}))
        self.write(("MATCH (l:Label) WHERE NOT (l)<-[:tag]-() DELETE l", {}))
        return removed + files

    def to_scan(self) -> list[int]:
        return [int(ino) for (ino,) in self.read("MATCH (d:Dir {scan: true}) RETURN d.ino")]

    def scan_later(self, inode: int) -> None:
        self.write(("MATCH (d:Dir {ino: $i}) SET d.scan = true", {"i": inode}))

    def scanned(self, inode: int) -> None:
        # A directory that has lost its parent meanwhile is removed.
        self.write(
            ("MATCH (d:Dir {ino: $i}) SET d.scan = NULL", {"i": inode}),
            (
                "MATCH (d:Dir {ino: $i}) WHERE d.ino <> $root AND NOT (d)<-[:has]-() DETACH DELETE d",
                {"i": inode, "root": ROOT},
            ),
        )

    # --- Queue

    def due(self, now: float, limit: int, busy: Iterable[int] = ()) -> list[Work]:
        # Repeated tries may take long, and there may be many: new files do not wait for them.
        rows = self._due("coalesce(f.tries, 0) = 0", now, limit, busy)
        if len(rows) < limit:
            rows += self._due("f.tries > 0", now, limit - len(rows), busy)
        paths = self._paths([int(row[0]) for row in rows])
        if lost := [int(row[0]) for row in rows if int(row[0]) not in paths]:
            # Otherwise they would be found first each time, and no other file would get its turn.
            self.write(
                (
                    "UNWIND $r AS r MATCH (f:File {ino: r}) WHERE f.state = 'waiting' SET f.due = $later",
                    {"r": lost, "later": now + WITHOUT_PATH_SECONDS},
                )
            )
        return [
            Work(int(ino), int(version), path[0], int(tries), float(since))
            for ino, version, tries, since in rows
            if (path := paths.get(int(ino)))
        ]

    def _due(self, which: str, now: float, limit: int, busy: Iterable[int]) -> list[list[Any]]:
        return self.read(
            f"MATCH (f:File {{state: 'waiting'}}) WHERE f.due <= $now AND {which} AND NOT f.ino IN $busy "
            "RETURN f.ino, f.version, coalesce(f.tries, 0), f.since LIMIT $limit",
            now=now,
            busy=sorted(busy),
            limit=limit,
        )

    def commit(self, tagged: Sequence[Tagged], now: float) -> int:
        rows = [
            {
                "i": x.inode,
                "v": x.version,
                "m": x.mtime_ns,
                "z": x.size,
                "k": x.kind,
                "b": x.by,
                "bv": x.by_version,
                "s": x.settled,
                "f": json.dumps(x.facts, sort_keys=True),
                "e": x.note,
                "w": " ".join(word for tag in x.tags for word in text.words(tag.label)),
                "t": [{"l": t.label, "w": t.weight, "b": t.by, "v": t.version} for t in x.tags],
            }
            for x in tagged
        ]
        if not rows:
            return 0
        # One statement replaces the old tags. Tags of an outdated version are better than none, but the file keeps
        # waiting.
        (count,) = self.write(
            (
                "UNWIND $r AS r MATCH (f:File {ino: r.i}) "
                "WHERE f.state = 'waiting' AND r.v >= coalesce(f.tagged, -1) AND r.v <= f.version "
                "SET f.tagged = r.v, f.mtime = r.m, f.size = r.z, f.kind = r.k, f.tagger = r.b, "
                "f.tagger_version = r.bv, "
                "f.facts = r.f, f.reason = r.e, f.tries = 0, f.labels = r.w, f.search = f.words + ' ' + r.w, "
                "f.times = coalesce(f.times, 0) + CASE WHEN f.version = r.v AND r.s THEN 1 ELSE 0 END, "
                "f.state = CASE WHEN f.version = r.v AND r.s THEN 'tagged' ELSE 'waiting' END, "
                "f.due = CASE WHEN f.version = r.v AND NOT r.s THEN $later ELSE f.due END "
                "WITH f, r OPTIONAL MATCH (f)-[o:tag]->() DELETE o "
                "WITH DISTINCT f, r "
                "FOREACH (x IN r.t | MERGE (l:Label {name: x.l}) "
                "CREATE (f)-[:tag {weight: x.w, by: x.b, version: x.v}]->(l)) "
                "WITH f, r WHERE f.version = r.v AND r.s RETURN count(f)",
                {"r": rows, "later": now + 1.0},
            ),
            events=[("tagged", x.inode) for x in tagged],
            at=now,
        )
        return count

    def missed(self, missed: Sequence[Missed]) -> None:
        rows = [
            {
                "i": x.inode,
                "v": x.version,
                "e": x.reason[:500],
                "s": "failed" if x.again_at is None else "waiting",
                "d": x.again_at or 0.0,
                "n": 1 if x.counts else 0,
                "m": x.mtime_ns,
                "z": x.size,
                "b": x.by,
                "bv": x.by_version,
            }
            for x in missed
        ]
        if rows:
            self.write(
                (
                    "UNWIND $r AS r MATCH (f:File {ino: r.i}) WHERE f.version = r.v AND f.state = 'waiting' "
                    "SET f.tries = coalesce(f.tries, 0) + r.n, f.reason = r.e, f.state = r.s, f.due = r.d, "
                    "f.tagger = r.b, f.tagger_version = r.bv, "
                    "f.mtime = coalesce(r.m, f.mtime), f.size = coalesce(r.z, f.size)",
                    {"r": rows},
                ),
                events=[("failed", x.inode) for x in missed if x.again_at is None],
            )

    def outdated(self, by: str, version: int, limit: int, now: float) -> int:
        (count,) = self.write(
            (
                "MATCH (f:File {tagger: $by}) WHERE f.state <> 'waiting' AND f.tagger_version < $version "
                "WITH f LIMIT $limit "
                "SET f.state = 'waiting', f.due = $now, f.since = $now, f.tries = 0 RETURN count(f)",
                {"by": by, "version": version, "limit": limit, "now": now},
            )
        )
        return count

    def waiting(self) -> dict[State, int]:
        counts = {state: 0 for state in State}
        for state in State:
            rows = self.read("MATCH (f:File {state: $s}) RETURN count(f)", s=state.value)
            counts[state] = int(rows[0][0])
        return counts

    # --- Reader

    def search(self, search: Search) -> Found:
        words = self.words_query(search.words)
        if search.words and not words:
            return Found((), 0)
        tags = [text.label(tag) for tag in search.tags]
        parameters: dict[str, object] = {f"tag{i}": tag for i, tag in enumerate(tags)}
        clauses = []
        if words:
            clauses.append(f"{self.full_text} WITH f, score")
            parameters["words"] = words
        clauses += [f"MATCH (f:File)-[:tag]->(:Label {{name: $tag{i}}})" for i in range(len(tags))]
        if not words and not tags:
            clauses.append("MATCH (f:File)")
        if search.state:
            clauses.append("WITH f{score} WHERE f.state = $state".format(score=", score" if words else ""))
            parameters["state"] = search.state.value
        if search.within is not None and search.within != ROOT:
            clauses.append(f"MATCH (f)<-[:has*1..{DEEPEST}]-(:Dir {{ino: $within}})")
            parameters["within"] = search.within
        body = " ".join(clauses)
        total = self.read(f"{body} RETURN count(DISTINCT f)", **parameters)[0][0]
        order = "score DESC, ino DESC" if words else "ino DESC"
        rows = self.read(
            f"{body} WITH DISTINCT f, {'score, ' if words else ''}f.ino AS ino "
            f"ORDER BY {order} SKIP $skip LIMIT $limit RETURN {_FACTS}",
            **parameters,
            skip=search.offset,
            limit=search.limit,
        )
        return Found(tuple(self._files(rows)), int(total))

    def suggest(self, prefix: str, limit: int = 10) -> list[Suggestion]:
        start = text.label(prefix)
        if start is None:
            return []
        rows = self.read(
            f"MATCH (l:Label) WHERE l.name STARTS WITH $start WITH l, {self.indegree.format(node='l')} AS files "
            "WHERE files > 0 RETURN l.name, files ORDER BY files DESC, l.name LIMIT $limit",
            start=start,
            limit=limit,
        )
        return [Suggestion(str(name), int(files)) for name, files in rows]

    def file(self, inode: int) -> File | None:
        rows = self.read(f"MATCH (f:File {{ino: $i}}) RETURN {_FACTS}", i=inode)
        files = self._files(rows, every_path=True)
        return files[0] if files else None

    def neighbours(self, node: str, limit: int = 30) -> Neighbourhood | None:
        kind, rest = node[:1], node[1:]
        if kind == "l":
            label = text.label(rest)
            return self._around_label(label, limit) if label else None
        if not rest.isascii() or not rest.isdigit():
            return None
        if kind == "f":
            return self._around_file(int(rest), limit)
        return self._around_directory(int(rest), limit) if kind == "d" else None

    def _around_file(self, inode: int, limit: int) -> Neighbourhood | None:
        places = self.read(
            "MATCH (f:File {ino: $i})<-[h:has]-(p:Dir) OPTIONAL MATCH (p)<-[o:has]-(:Dir) RETURN h.name, p.ino, o.name",
            i=inode,
        )
        if not places:
            return None
        me = f"f{inode}"
        nodes = {me: Node(me, "file", _title(places[0][0]))}
        edges: list[Edge] = []
        for _, parent, title in places:
            nodes[f"d{parent}"] = Node(f"d{parent}", "directory", _title(title or "/"))
            edges.append(Edge(f"d{parent}", me, "has"))
        tags = self.read(
            "MATCH (:File {ino: $i})-[t:tag]->(l:Label) "
            f"RETURN l.name, t.weight, {self.indegree.format(node='l')} ORDER BY t.weight DESC",
            i=inode,
        )
        for label, weight, _ in tags:
            nodes[f"l{label}"] = Node(f"l{label}", "label", label)
            edges.append(Edge(me, f"l{label}", "tag", float(weight)))
        telling = [label for label, _, files in tags if 1 < files <= HUB]
        near = self.read(
            "UNWIND $labels AS name MATCH (l:Label {name: name})<-[t:tag]-(o:File) WHERE o.ino <> $i "
            f"WITH o, sum(t.weight / (1.0 + log({self.indegree.format(node='l')}))) AS weight "
            "ORDER BY weight DESC, o.ino LIMIT $limit MATCH (o)<-[h:has]-(:Dir) RETURN o.ino, weight, min(h.name)",
            labels=telling,
            i=inode,
            limit=limit + 1,
        )
        for other, weight, title in near[:limit]:
            nodes[f"f{other}"] = Node(f"f{other}", "file", _title(title))
            edges.append(Edge(me, f"f{other}", "near", round(float(weight), 4)))
        return Neighbourhood(tuple(nodes.values()), tuple(edges), max(0, len(near) - limit))

    def _around_directory(self, inode: int, limit: int) -> Neighbourhood | None:
        own = self.read(
            "MATCH (d:Dir {ino: $i}) OPTIONAL MATCH (d)<-[h:has]-(p:Dir) OPTIONAL MATCH (p)<-[o:has]-(:Dir) "
            "RETURN h.name, p.ino, o.name",
            i=inode,
        )
        if not own:
            return None
        name, parent, above = own[0]
        me = f"d{inode}"
        nodes = {me: Node(me, "directory", _title(name or "/"))}
        edges: list[Edge] = []
        if parent is not None:
            nodes[f"d{parent}"] = Node(f"d{parent}", "directory", _title(above or "/"))
            edges.append(Edge(f"d{parent}", me, "has"))
        total = int(self.read("MATCH (:Dir {ino: $i})-[:has]->(x) RETURN count(x)", i=inode)[0][0])
        inside = self.read(
            "MATCH (:Dir {ino: $i})-[h:has]->(x) RETURN x.ino, h.name, labels(x)[0] LIMIT $limit", i=inode, limit=limit
        )
        for ino, title, label in inside:
            id_, kind = (f"d{ino}", "directory") if label == "Dir" else (f"f{ino}", "file")
            nodes[id_] = Node(id_, kind, _title(title))
            edges.append(Edge(me, id_, "has"))
        return Neighbourhood(tuple(nodes.values()), tuple(edges), total - len(inside))

    def _around_label(self, label: str, limit: int) -> Neighbourhood | None:
        found = self.read(
            f"MATCH (l:Label {{name: $l}}) RETURN {self.indegree.format(node='l')}",
            l=label,
        )
        if not found:
            return None
        me = f"l{label}"
        nodes = {me: Node(me, "label", label)}
        edges: list[Edge] = []
        rows = self.read(
            "MATCH (:Label {name: $l})<-[t:tag]-(f:File) WITH f, t.weight AS weight ORDER BY weight DESC, f.ino DESC "
            "LIMIT $limit MATCH (f)<-[h:has]-(:Dir) RETURN f.ino, weight, min(h.name)",
            l=label,
            limit=limit,
        )
        for ino, weight, title in rows:
            nodes[f"f{ino}"] = Node(f"f{ino}", "file", _title(title))
            edges.append(Edge(f"f{ino}", me, "tag", float(weight)))
        return Neighbourhood(tuple(nodes.values()), tuple(edges), max(0, int(found[0][0]) - len(rows)))

    def path(self, inode: int) -> str | None:
        if inode == ROOT:
            return ""
        paths = self._paths([inode])
        return paths[inode][0] if inode in paths else None

    def inode(self, path: str) -> Entry | None:
        here = Entry(ROOT, directory=True)
        if "\0" in path:
            return None
        for name in path.split("/"):
            if name in {"", "."}:
                continue
            rows = self.read(
                "MATCH ()-[:has {key: $key}]->(x) RETURN x.ino, labels(x)[0]",
                key=_key(here.inode, names.stored(name)),
            )
            if not rows or not here.directory:
                return None
            here = Entry(int(rows[0][0]), directory=rows[0][1] == "Dir")
        return here

    def placed(self) -> Iterator[Placed]:
        above = {
            int(inode): (int(parent), names.real(name))
            for inode, parent, name in self._pieces("Dir", "(p:Dir)-[h:has]->(x)", "p.ino, h.name")
        }
        paths = {ROOT: ""}
        for inode in above:
            _fill_paths(inode, above, paths)
        yield Placed(ROOT, ROOT, "", directory=True)
        for inode, (parent, _) in above.items():
            if inode in paths:
                yield Placed(inode, parent, paths[inode], directory=True)
        for start, end in self._ranges("File"):
            labels: dict[int, list[str]] = defaultdict(list)
            for inode, label in self._between("File", "(x)-[:tag]->(l:Label)", "l.name", start, end):
                labels[int(inode)].append(label)
            rows = self._between("File", "(p:Dir)-[h:has]->(x)", "p.ino, h.name, x.size, x.mtime", start, end)
            for inode, parent, name, size, mtime in rows:
                folder = paths.get(int(parent))
                if folder is None:
                    continue
                path = f"{folder}/{names.real(name)}" if folder else names.real(name)
                yield Placed(
                    int(inode),
                    int(parent),
                    path,
                    directory=False,
                    size=None if size is None else int(size),
                    mtime_ns=None if mtime is None else int(mtime),
                    labels=tuple(sorted(labels[int(inode)])),
                )

    def _ranges(self, kind: str) -> Iterator[tuple[int, int]]:
        """Yields ranges of inodes (start excluded), each with few enough nodes for a short query."""
        start = 0
        while True:
            rows = self.read(
                f"MATCH (x:{kind}) WHERE x.ino > $start WITH x.ino AS ino ORDER BY ino LIMIT $piece RETURN max(ino)",
                start=start,
                piece=_EXPORT_PIECE,
            )
            if not rows or rows[0][0] is None:
                return
            end = int(rows[0][0])
            yield start, end
            start = end

    def _between(self, kind: str, pattern: str, values: str, start: int, end: int) -> list[list[Any]]:
        """Rows of inode and `values` for each node x of a kind that is in a range of inodes and matches the pattern."""
        return self.read(
            f"MATCH (x:{kind}) WHERE x.ino > $start AND x.ino <= $end MATCH {pattern} RETURN x.ino, {values}",
            start=start,
            end=end,
        )

    def _pieces(self, kind: str, pattern: str, values: str) -> Iterator[list[Any]]:
        for start, end in self._ranges(kind):
            yield from self._between(kind, pattern, values, start, end)

    def counts(self, top: int = 20) -> Counts:
        by_state = self.waiting()
        (dirs,), (labels,), (tags,) = (
            self.read(query)[0]
            for query in (
                "MATCH (d:Dir) RETURN count(d)",
                "MATCH (l:Label) RETURN count(l)",
                "MATCH ()-[t:tag]->() RETURN count(t)",
            )
        )
        rows = self.read(
            f"MATCH (l:Label) WITH l, {self.indegree.format(node='l')} AS files WHERE files > 0 "
            "RETURN l.name, files ORDER BY files DESC, l.name LIMIT $top",
            top=top,
        )
        return Counts(
            files=sum(by_state.values()),
            directories=int(dirs),
            labels=int(labels),
            tags=int(tags),
            by_state=by_state,
            top_labels=tuple(Suggestion(str(name), int(files)) for name, files in rows),
        )

    @abstractmethod
    def last_event(self) -> str:
        """The id of the newest event."""

    @abstractmethod
    def events(self, after: str, limit: int = 100, wait: float = 0.0) -> list[Event]:
        """Events after an id."""

    # --- inside

    def _paths(self, inodes: Sequence[int]) -> dict[int, list[str]]:
        """All paths of each file or directory. One query per level climbs all of them at once."""
        above: dict[int, list[tuple[int, str]]] = {}
        level = set(inodes)
        for _ in range(DEEPEST):
            level = {i for i in level if i != ROOT and i not in above}
            if not level:
                break
            for inode in level:
                above[inode] = []
            rows = self.read(
                "UNWIND $r AS r MATCH (x:File {ino: r})<-[h:has]-(p:Dir) RETURN r, p.ino, h.name "
                "UNION UNWIND $r AS r MATCH (x:Dir {ino: r})<-[h:has]-(p:Dir) RETURN r, p.ino, h.name",
                r=sorted(level),
            )
            level = set()
            for inode, parent, name in rows:
                above[int(inode)].append((int(parent), names.real(name)))
                level.add(int(parent))

        def climb(inode: int, depth: int) -> list[str]:
            if inode == ROOT:
                return [""]
            if depth == 0:
                return []
            return [
                f"{start}/{name}" if start else name
                for parent, name in above.get(inode, ())
                for start in climb(parent, depth - 1)
            ]

        return {inode: paths for inode in inodes if (paths := sorted(climb(inode, DEEPEST)))}

    def _files(self, rows: Sequence[Sequence[Any]], *, every_path: bool = False) -> list[File]:
        inodes = [int(row[0]) for row in rows]
        if not inodes:
            return []
        paths = self._paths(inodes)
        tags: dict[int, list[Tag]] = defaultdict(list)
        for inode, label, weight, by, version in self.read(
            "UNWIND $r AS r MATCH (f:File {ino: r})-[t:tag]->(l:Label) RETURN r, l.name, t.weight, t.by, t.version",
            r=inodes,
        ):
            tags[int(inode)].append(Tag(label, float(weight), by, int(version)))
        return [
            File(
                inode=int(ino),
                path=paths[int(ino)][0],
                state=State(state),
                kind=kind,
                size=None if size is None else int(size),
                mtime_ns=None if mtime is None else int(mtime),
                tags=tuple(sorted(tags[int(ino)], key=lambda tag: (-tag.weight, tag.label))),
                tries=int(tries),
                reason=reason,
                tagger=tagger,
                facts=json.loads(facts),
                paths=tuple(paths[int(ino)]) if every_path else (),
            )
            for ino, state, kind, size, mtime, tries, reason, facts, tagger in rows
            if int(ino) in paths
        ]


def _cursor_statement(cursor: int | None, digest: str) -> Statement:
    return (
        "MERGE (c:Cursor {key: 'volume'}) SET c.value = $cursor, c.digest = $digest",
        {"cursor": cursor, "digest": digest},
    )


def _fill_paths(inode: int, above: dict[int, tuple[int, str]], paths: dict[int, str]) -> None:
    """Fills in the path of a directory and of all above it, unless no path leads to it, as during a move."""
    way = []
    while inode not in paths:
        if inode not in above or inode in way:
            return
        way.append(inode)
        inode = above[inode][0]
    for step in reversed(way):
        parent, name = above[step]
        paths[step] = f"{paths[parent]}/{name}" if paths[parent] else name


def _key(directory: int, stored: str) -> str:
    """The indexed key of a name in a directory. Searching a large directory for each name would take too long.

    It contains a digest, because names can be long and contain any character, and string indexes had bugs with both.
    """
    return f"{directory:x}/{hashlib.blake2b(stored.encode(), digest_size=16).hexdigest()}"


def _words(stored: str) -> str:
    """The words of a name, for the full-text index."""
    return " ".join(text.words(names.shown(names.real(stored))))


def _title(stored: str) -> str:
    return stored if stored == "/" else names.shown(names.real(stored))
