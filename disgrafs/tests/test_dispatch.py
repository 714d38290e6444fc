"""From the queue to the tags: nothing is lost or done twice, even if taggers die."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from disgrafs import names
from disgrafs.graph import Graph
from disgrafs.graph.model import ROOT, Changes, Entry, Search, State, Tagged, Work, Written
from disgrafs.taggers import dispatch
from disgrafs.taggers.dispatch import Dispatcher
from disgrafs.taggers.pool import Call
from disgrafs.taggers.read import Fault, Outcome
from disgrafs.taggers.table import OTHER, TABLE
from disgrafs.tests.process_pool import ProcessPool

WHALE = "The blue whale is a marine mammal. A blue whale eats krill, and krill is small. "


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[ProcessPool]:
    with ProcessPool(tmp_path) as pool:
        yield pool


@pytest.fixture
def put(graph: Graph, tmp_path: Path) -> Callable[..., list[int]]:
    version = 0

    def write(*files: str, content: str = WHALE) -> list[int]:
        nonlocal version
        version += 1
        changes = Changes()
        for name in files:
            (tmp_path / name).write_text(content)
            inode = (tmp_path / name).stat().st_ino
            changes.entries[ROOT, names.stored(name)] = Entry(inode, directory=False)
            changes.written[inode] = Written(version, time.time())
        graph.apply(changes, version, time.time())
        return list(changes.written)

    return write


def run(dispatcher: Dispatcher, until: Callable[[], bool]) -> None:
    """As many rounds as it takes: each does something, or waits a little."""
    end = time.monotonic() + 100
    while not until():
        assert time.monotonic() < end, "it did not come to this"
        dispatcher.step()


def states(graph: Graph) -> dict[State, int]:
    return graph.counts().by_state


def test_each_waiting_file_is_tagged_once(
    graph: Graph, pool: ProcessPool, put: Callable[..., list[int]], tmp_path: Path
) -> None:
    put(*(f"file {number}" for number in range(40)))
    dispatcher = Dispatcher(graph, pool, lambda: None)
    run(dispatcher, lambda: states(graph)[State.TAGGED] == 40)
    assert graph.search(Search(words=("mammal",))).total == 40
    given = [inode for call in pool.calls for inode in call]
    assert len(given) == len(set(given)) == 40
    assert max(len(call) for call in pool.calls) <= dispatch.MOST_FILES
    (tmp_path / "file 3").unlink()
    put("file 5", content="quite another subject: zebras in the savanna, many zebras")
    run(dispatcher, lambda: graph.search(Search(words=("zebras",))).total == 1)
    assert graph.search(Search(words=("mammal",))).total == 39


def test_with_a_backlog_no_tagger_waits_until_its_results_are_stored(
    graph: Graph, pool: ProcessPool, put: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(*(f"file {number}" for number in range(3 * dispatch.MOST_FILES)))
    commit, busy = graph.commit, []

    def watched(tagged: Sequence[Tagged], now: float) -> int:
        busy.append(pool.busy())
        return commit(tagged, now)

    monkeypatch.setattr(graph, "commit", watched)
    dispatcher = Dispatcher(graph, pool, lambda: None)
    run(dispatcher, lambda: states(graph)[State.TAGGED] == 3 * dispatch.MOST_FILES)
    assert busy == [True, True, False]


def test_all_files_are_tagged_even_if_a_tagger_is_killed(
    graph: Graph, pool: ProcessPool, put: Callable[..., list[int]]
) -> None:
    put(*(f"file {number}" for number in range(30)))
    dispatcher = Dispatcher(graph, pool, lambda: None)
    run(dispatcher, pool.busy)
    pool.process.kill()
    run(dispatcher, lambda: states(graph)[State.TAGGED] == 30)
    assert states(graph)[State.FAILED] == 0


def test_only_a_file_that_kills_its_tagger_fails(
    graph: Graph, pool: ProcessPool, put: Callable[..., list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "LONGEST_PAUSE", 0.1)
    put(*(f"file {number}" for number in range(10)))
    (bad,) = put("bad")
    give = pool.give

    def crash(items: list[Work]) -> None:
        # Dead before it is asked: killed after that, a quick one has answered.
        if bad in {work.inode for work in items}:
            pool.process.kill()
            pool.process.join(30)
        give(items)

    monkeypatch.setattr(pool, "give", crash)
    dispatcher = Dispatcher(graph, pool, lambda: None)
    run(dispatcher, lambda: states(graph) == {State.WAITING: 0, State.TAGGED: 10, State.FAILED: 1})
    file = graph.file(bad)
    assert file
    assert (file.reason, file.tries) == ("its reader ended", 3)
    alone = [call for call in pool.calls if call == (bad,)]
    assert len(alone) == 3


def test_a_broken_file_is_tried_again_and_then_fails_with_a_reason(
    graph: Graph, pool: ProcessPool, put: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "LONGEST_PAUSE", 0.1)
    (bad,) = put("broken.txt", content="%PDF-1.7\nnot really")
    dispatcher = Dispatcher(graph, pool, lambda: None)
    run(dispatcher, lambda: states(graph)[State.FAILED] == 1)
    file = graph.file(bad)
    assert file
    assert (file.tries, file.tagger) == (2, "pdf")
    assert "PDFium" in (file.reason or "")
    # It is found by its name all the same, and mended by being written.
    assert graph.search(Search(words=("broken",), state=State.FAILED)).total == 1
    put("broken.txt")
    run(dispatcher, lambda: states(graph)[State.TAGGED] == 1)


def test_a_file_whose_read_takes_long_is_tried_again_after_longer_pauses() -> None:
    def pauses(slow: bool) -> list[float | None]:
        outcomes = [
            Outcome(Work(5, 1, "a", tries=tries), "text", 1, fault=Fault.UNREADABLE, slow=slow) for tries in range(8)
        ]
        return [Dispatcher._missed(outcome, 0.0).again_at for outcome in outcomes]

    assert pauses(slow=False) == [0.5, 1, 2, 4, 8, 16, 30, None]
    assert pauses(slow=True) == [30, 60, 120, 240, 480, 600, 600, None]


def test_a_file_whose_turn_did_not_come_is_given_again(
    graph: Graph, pool: ProcessPool, put: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(*(f"file {number}" for number in range(4)))
    back, left = pool.back, [2]

    def returned(wait: float) -> list[Call]:
        calls = back(wait)
        for index, call in enumerate(calls):
            if left and call.outcomes:
                kept = left.pop()
                rest = tuple(Outcome(outcome.work, OTHER.name, OTHER.version) for outcome in call.outcomes[kept:])
                calls[index] = replace(call, outcomes=call.outcomes[:kept] + rest)
        return calls

    monkeypatch.setattr(pool, "back", returned)
    run(Dispatcher(graph, pool, lambda: None), lambda: states(graph)[State.TAGGED] == 4)
    assert not left
    assert sum(len(call) for call in pool.calls) == 6


def test_a_file_that_was_moved_keeps_waiting_and_does_not_fail(
    graph: Graph, pool: ProcessPool, put: Callable[..., list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(dispatch, "LOOK", 0.1)
    (inode,) = put("here")
    (tmp_path / "here").rename(tmp_path / "there")
    dispatcher = Dispatcher(graph, pool, lambda: None)
    run(dispatcher, lambda: len(pool.calls) > 12)
    assert states(graph)[State.WAITING] == 1
    graph.apply(
        Changes(entries={(ROOT, "here"): None, (ROOT, "there"): Entry(inode, directory=False)}), 99, time.time()
    )
    run(dispatcher, lambda: states(graph)[State.TAGGED] == 1)
    assert graph.path(inode) == "there"


def test_a_new_version_of_a_tagger_tags_its_files_again(
    graph: Graph, pool: ProcessPool, put: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a", "b")
    dispatcher = Dispatcher(graph, pool, lambda: None)
    run(dispatcher, lambda: states(graph)[State.TAGGED] == 2)
    calls = len(pool.calls)
    (version,) = (entry.version for entry in TABLE if entry.name == "text")
    assert graph.outdated("text", version, 100, time.time()) == 0
    assert graph.outdated("text", version + 1, 100, time.time()) == 2
    run(dispatcher, lambda: states(graph)[State.TAGGED] == 2)
    assert len(pool.calls) > calls
