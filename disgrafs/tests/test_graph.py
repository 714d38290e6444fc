"""The graph: data written by the writers is found by the readers."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from disgrafs import names
from disgrafs.graph import Graph
from disgrafs.graph.cypher import DEEPEST
from disgrafs.graph.model import ROOT, Changes, Entry, Missed, Search, State, Tag, Tagged, Written

HOSTILE = [
    'it\'s "quoted" \\ `tick` {x: 1} $r',
    "new\nline",
    "%41",
    "‮txt.exe",
    " space ",
    "Größe 報告.JPG",
    b"\xff\xfe.bin",
]


def tagged(inode: int, version: int, *labels: str, by: str = "text", by_version: int = 1) -> Tagged:
    tags = tuple(Tag(label, round(1 - i / 10, 2), by, by_version) for i, label in enumerate(labels))
    return Tagged(inode, version, by, by_version, "text/plain", 5, 7, tags, {"words": "3"})


def put(graph: Graph, files: dict[int, str | bytes], parent: int = ROOT, version: int = 10) -> None:
    graph.apply(
        Changes(
            entries={(parent, names.stored(name)): Entry(inode, directory=False) for inode, name in files.items()},
            written={inode: Written(version, 100.0) for inode in files},
        ),
        cursor=version,
        now=100.0,
    )


def test_files_in_too_deep_folders_do_not_block_others(graph: Graph) -> None:
    levels = range(2, 2 + DEEPEST)
    graph.apply(Changes(entries={(d - 1, "d"): Entry(d, directory=True) for d in levels}), 9, 100.0)
    put(graph, {1000 + i: f"deep {i}" for i in range(20)}, parent=levels[-1])
    put(graph, {2000: "file"})
    # Whichever of them are found first.
    work = [w for seconds in (1.0, 1.1, 1.2) for w in graph.due(100.0 + seconds, 10)]
    assert {(w.inode, w.path) for w in work} == {(2000, "file")}
    assert graph.waiting()[State.WAITING] == 21
    # A shorter way leads to them: they get their turn.
    graph.apply(Changes(entries={(ROOT, "d"): None, (ROOT, "e"): Entry(levels[1], directory=True)}), 11, 100.0)
    assert len(graph.due(200.0, 100)) == 21


def test_a_file_waits_and_is_then_found_by_its_tag_and_by_its_name(graph: Graph) -> None:
    graph.apply(Changes(entries={(ROOT, "dir"): Entry(2, directory=True)}), 9, 100.0)
    put(graph, {5: "Report one.txt", 6: "other"}, parent=2)
    assert graph.cursor() == 10
    assert graph.due(100.1, 10) == []
    work = graph.due(101.0, 10)
    assert {(w.inode, w.version, w.path) for w in work} == {(5, 10, "dir/Report one.txt"), (6, 10, "dir/other")}
    assert graph.commit([tagged(5, 10, "blue whale", "sea")], 101.0) == 1
    for search in (
        Search(words=("whal",)),
        Search(words=("report", "blue")),
        Search(tags=("Blue Whale",)),
        Search(words=("REPORT",), tags=("sea",), within=2),
        Search(state=State.TAGGED),
    ):
        assert [file.inode for file in graph.search(search).files] == [5], search
    for search in (
        Search(words=("report",), tags=("land",)),
        Search(words=("whale",), within=99),
        Search(words=("!",)),
    ):
        assert graph.search(search).total == 0
    file = graph.file(5)
    assert file is not None
    assert (file.path, file.kind, file.facts) == ("dir/Report one.txt", "text/plain", {"words": "3"})
    assert [tag.label for tag in file.tags] == ["blue whale", "sea"]
    assert [(s.label, s.files) for s in graph.suggest("BLU")] == [("blue whale", 1)]
    counts = graph.counts()
    assert (counts.files, counts.directories, counts.tags) == (2, 2, 2)
    assert counts.by_state == {State.WAITING: 1, State.TAGGED: 1, State.FAILED: 0}


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_returned_unchanged(graph: Graph, name: str | bytes) -> None:
    put(graph, {5: name})
    (work,) = graph.due(200.0, 10)
    assert names.stored(work.path) == names.stored(name)
    graph.commit([tagged(5, 10, "x1")], 1.0)
    assert graph.inode(work.path) == Entry(5, directory=False)
    around = graph.neighbours("f5")
    assert around is not None
    assert {node.id for node in around.nodes} == {"f5", "d1", "lx1"}


@pytest.mark.parametrize("word", [*HOSTILE[:6], "*", "-a", "@search:x", "a|b", "~", "(", "\\", "'", "x" * 5000, "\x00"])
def test_no_search_text_is_executed_as_a_query(graph: Graph, word: str) -> None:
    put(graph, {5: "plain"})
    graph.search(Search(words=(word,)))
    graph.search(Search(tags=(word,)))
    graph.suggest(word)
    graph.neighbours("l" + word)
    assert graph.counts().files == 1


def test_a_stale_result_does_not_end_a_files_wait(graph: Graph) -> None:
    put(graph, {5: "a"})
    graph.apply(Changes(written={5: Written(11, 101.0)}), 11, 101.0)
    assert graph.commit([tagged(5, 10, "old")], 102.0) == 0
    assert [w.version for w in graph.due(200.0, 10)] == [11]
    assert graph.commit([tagged(5, 11, "new")], 102.0) == 1
    assert graph.commit([tagged(5, 11, "twice")], 102.0) == 0
    file = graph.file(5)
    assert file is not None
    assert [tag.label for tag in file.tags] == ["new"]


def test_index_and_taggers_can_write_at_the_same_time(graph: Graph) -> None:
    files = range(5, 25)
    put(graph, {inode: f"file {inode}" for inode in files})

    def index() -> None:
        # The other way round than the taggers: each may hold what the other wants.
        for version in range(11, 41):
            changes = Changes(written={inode: Written(version, 100.0) for inode in reversed(files)})
            graph.apply(changes, version, 100.0)

    with ThreadPoolExecutor() as pool:
        writing = pool.submit(index)
        while not writing.done():
            graph.commit([tagged(inode, 10, "old") for inode in files], 200.0)
        writing.result()
    graph.commit([tagged(w.inode, w.version, "a", "b") for w in graph.due(1e9, 50)], 200.0)
    counts = graph.counts()
    assert (counts.by_state[State.TAGGED], counts.tags) == (20, 40)
    assert [event.kind for event in graph.events("0", limit=5000)].count("changed") == 20 * 30


def test_renames_links_and_removals_change_the_graph(graph: Graph) -> None:
    graph.apply(Changes(entries={(ROOT, "d"): Entry(2, directory=True), (2, "e"): Entry(3, directory=True)}), 1, 0.0)
    put(graph, {5: "a"}, parent=3)
    graph.commit([tagged(5, 10, "kept")], 1.0)
    graph.apply(Changes(entries={(ROOT, "d"): None, (ROOT, "D2"): Entry(2, directory=True)}, unlinked={2}), 11, 0.0)
    assert graph.path(5) == "D2/e/a"
    graph.apply(Changes(entries={(ROOT, "link"): Entry(5, directory=False)}), 12, 0.0)
    file = graph.file(5)
    assert file is not None
    assert file.paths == ("D2/e/a", "link")
    graph.apply(Changes(entries={(3, "a"): None}, unlinked={5}), 13, 0.0)
    assert graph.path(5) == "link"
    graph.apply(Changes(entries={(ROOT, "link"): None}, unlinked={5}), 14, 0.0)
    assert graph.file(5) is None
    assert [event.kind for event in graph.events("0")] == ["found", "tagged", "removed", "found", "removed", "removed"]


def test_new_files_do_not_wait_for_those_that_are_tried_again(graph: Graph) -> None:
    put(graph, {inode: f"broken {inode}" for inode in range(5, 25)})
    graph.missed([Missed(inode, 10, "pdf", 1, "it broke", again_at=150.0) for inode in range(5, 25)])
    put(graph, {30: "new", 31: "also new"}, version=11)
    assert {w.inode for w in graph.due(1e9, 2)} == {30, 31}
    assert [w.tries for w in graph.due(1e9, 5)] == [0, 0, 1, 1, 1]
    assert len(graph.due(1e9, 100)) == 22


def test_a_failed_file_has_a_reason_and_waits_again_for_a_new_tagger(graph: Graph) -> None:
    put(graph, {5: "a"})
    graph.missed([Missed(5, 10, "pdf", 1, "it broke", again_at=150.0)])
    assert graph.due(149.0, 10) == []
    assert [w.tries for w in graph.due(151.0, 10)] == [1]
    graph.missed([Missed(5, 10, "pdf", 1, "it broke again", again_at=None)])
    file = graph.file(5)
    assert file is not None
    assert (file.state, file.reason, file.tries) == (State.FAILED, "it broke again", 2)
    assert graph.due(1e9, 10) == []
    assert graph.outdated("pdf", 1, 10, 200.0) == 0
    assert graph.outdated("pdf", 2, 10, 200.0) == 1
    assert [w.tries for w in graph.due(1e9, 10)] == [0]


def test_the_neighbours_of_a_file_are_those_with_the_same_rare_tags(graph: Graph) -> None:
    put(graph, {5: "a", 6: "b", 7: "c", 8: "d"})
    graph.commit([tagged(5, 10, "x", "y"), tagged(6, 10, "x", "y"), tagged(7, 10, "x"), tagged(8, 10, "z")], 1.0)
    around = graph.neighbours("f5")
    assert around is not None
    assert [edge.target for edge in around.edges if edge.kind == "near"] == ["f6", "f7"]
    label = graph.neighbours("lx", limit=2)
    assert label is not None
    assert (len(label.nodes), label.more) == (3, 1)
    folder = graph.neighbours("d1", limit=3)
    assert folder is not None
    assert (len(folder.nodes), folder.more) == (4, 1)
    assert graph.neighbours("f99") is None
    assert graph.neighbours("nonsense") is None


def test_a_name_in_a_large_directory_costs_about_as_much_as_in_a_small_one(graph: Graph) -> None:
    def seconds(first: int, count: int = 250) -> float:
        begin = time.perf_counter()
        put(graph, {number: f"report {number}" for number in range(first, first + count)}, version=first)
        return time.perf_counter() - begin

    seconds(10)
    small = min(seconds(300), seconds(600))
    for first in range(1_000, 4_000, 1_000):
        seconds(first, 1_000)
    # Without an index it is twenty times as much.
    assert min(seconds(8_000), seconds(8_300)) < 6 * small + 0.5
    gone = {number: f"report {number}" for number in range(1_000, 1_250)}
    begin = time.perf_counter()
    graph.apply(Changes(entries={(ROOT, name): None for name in gone.values()}, unlinked=set(gone)), 9_000, 0.0)
    assert time.perf_counter() - begin < 6 * small + 0.5
    assert graph.inode("report 1000") is None
    assert graph.inode("report 1250") == Entry(1250, directory=False)
